//! `fields=id,name,phone_numbers.limit(5){id,status}`: what it asks for, and how lists are paged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::error::GraphError;
use super::request::Call;

/// One field that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// `limit(5)` and the like.
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) inner: Vec<Field>,
}

impl Field {
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The `fields` of a call; `None` = the defaults.
pub(crate) fn asked(call: &Call) -> Option<Vec<Field>> {
    let text = call.str("fields").filter(|text| !text.trim().is_empty())?;
    let mut rest = text.chars().peekable();
    Some(parse(&mut rest))
}

fn parse(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<Field> {
    let mut fields = Vec::new();
    loop {
        let words = take_while(rest, |c| !matches!(c, ',' | '{' | '}' | '('));
        let mut names = words.split('.').map(str::trim);
        let name = names.next().unwrap_or_default().to_owned();
        let mut pending = names.next().map(ToOwned::to_owned);
        let mut field = Field { name, arguments: Vec::new(), inner: Vec::new() };
        while rest.peek() == Some(&'(') {
            rest.next();
            let value = take_while(rest, |c| c != ')');
            rest.next();
            field.arguments.push((pending.take().unwrap_or_default(), value.trim().to_owned()));
            let more = take_while(rest, |c| !matches!(c, ',' | '{' | '}' | '('));
            pending = more.strip_prefix('.').map(|name| name.trim().to_owned());
        }
        if rest.peek() == Some(&'{') {
            rest.next();
            field.inner = parse(rest);
        }
        if !field.name.is_empty() {
            fields.push(field);
        }
        match rest.next() {
            Some(',') => {}
            _ => return fields,
        }
    }
}

fn take_while(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    keep: impl Fn(char) -> bool,
) -> String {
    let mut taken = String::new();
    while let Some(next) = rest.next_if(|c| keep(*c)) {
        taken.push(next);
    }
    taken
}

/// What a page is cut by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
}

impl Cut {
    pub(crate) fn of_call(call: &Call) -> Self {
        let number = |name: &str| call.str(name).and_then(|text| text.parse().ok());
        Self {
            limit: number("limit").unwrap_or(25).clamp(1, 250),
            after: call.str("after").filter(|cursor| !cursor.is_empty()),
            before: call.str("before").filter(|cursor| !cursor.is_empty()),
        }
    }

    pub(crate) fn of_field(field: &Field) -> Self {
        let limit = field.argument("limit").and_then(|text| text.parse().ok()).unwrap_or(25);
        Self {
            limit: limit.clamp(1, 250),
            after: field.argument("after").map(ToOwned::to_owned),
            before: field.argument("before").map(ToOwned::to_owned),
        }
    }

    /// The page of a list of ids, and its `paging` without URLs: cursors and whether more follows.
    pub(crate) fn page(&self, ids: &[String]) -> Result<Page, GraphError> {
        let find = |cursor: &String| {
            let decoded =
                URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|b| String::from_utf8(b).ok());
            decoded.and_then(|id| ids.iter().position(|known| *known == id)).ok_or_else(|| {
                GraphError::coded(131_059, "The cursor is invalid. Start again without one.")
            })
        };
        let (from, to) = match (&self.after, &self.before) {
            (Some(after), _) => {
                let from = find(after)? + 1;
                (from, ids.len().min(from + self.limit))
            }
            (None, Some(before)) => {
                let to = find(before)?;
                (to.saturating_sub(self.limit), to)
            }
            (None, None) => (0, ids.len().min(self.limit)),
        };
        let ids_of_page = ids.get(from..to).unwrap_or_default().to_vec();
        Ok(Page { earlier: from > 0, later: to < ids.len(), ids: ids_of_page })
    }
}

/// One page of ids.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) ids: Vec<String>,
    earlier: bool,
    later: bool,
}

impl Page {
    /// The `paging` object; `next` and `previous` where there is more.
    pub(crate) fn paging(&self, call: &Call) -> Value {
        let cursor = |id: &String| URL_SAFE_NO_PAD.encode(id);
        let (Some(first), Some(last)) = (self.ids.first().map(cursor), self.ids.last().map(cursor))
        else {
            return json!({});
        };
        let mut paging = Map::new();
        paging.insert("cursors".to_owned(), json!({"before": first, "after": last}));
        if self.later {
            paging.insert("next".to_owned(), json!(url(call, "after", &last)));
        }
        if self.earlier {
            paging.insert("previous".to_owned(), json!(url(call, "before", &first)));
        }
        Value::Object(paging)
    }
}

fn url(call: &Call, name: &str, cursor: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for key in call.params.keys() {
        if !matches!(key.as_str(), "after" | "before")
            && let Some(value) = call.str(key)
        {
            query.append_pair(key, &value);
        }
    }
    query.append_pair(name, cursor);
    format!("{}/{}/{}?{}", call.base_url, call.version, call.path.join("/"), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_nest_and_take_arguments() {
        let mut text =
            "id,phone_numbers.limit(5).after(x){id,throughput{level}},preview.invalidate(true)"
                .chars()
                .peekable();
        let fields = parse(&mut text);
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[1].argument("limit"), Some("5"));
        assert_eq!(fields[1].argument("after"), Some("x"));
        assert_eq!(fields[1].inner[1].inner[0].name, "level");
        assert_eq!(fields[2].argument("invalidate"), Some("true"));
    }

    #[test]
    fn pages_follow_each_other_in_both_directions() {
        let ids: Vec<String> = (0..5).map(|n| n.to_string()).collect();
        let first = Cut { limit: 2, ..Cut::default() }.page(&ids).unwrap();
        assert_eq!(first.ids, ["0", "1"]);
        let after = URL_SAFE_NO_PAD.encode("1");
        let second = Cut { limit: 2, after: Some(after), before: None }.page(&ids).unwrap();
        assert_eq!(
            (second.ids.as_slice(), second.later),
            (&["2".to_owned(), "3".to_owned()][..], true)
        );
        let before = URL_SAFE_NO_PAD.encode("2");
        let back = Cut { limit: 2, after: None, before: Some(before) }.page(&ids).unwrap();
        assert_eq!(back.ids, ["0", "1"]);
        assert!(Cut { limit: 2, after: Some("!".to_owned()), before: None }.page(&ids).is_err());
    }
}
