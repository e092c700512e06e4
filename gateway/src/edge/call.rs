//! One call of the edge: its parameters, which Meta takes from the query, from a form and from JSON alike, and the caller.

use axum::body::{HttpBody as _, to_bytes};
use axum::extract::Request;
use http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderValue, Method};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::error::GraphError;
use super::path::Path;
use crate::graphql::Services;
use crate::request::{nul_in, nul_refused};

/// Largest body that is no file, in bytes. A message may have 64 KiB; a form writes it longer.
const MOST_BODY: usize = 256 << 10;
/// Deepest nesting of a body.
const DEEPEST: usize = 32;

/// Parameters, by name. `null` is the same as absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input(Map<String, Value>);

/// JSON in a form's value, as Meta reads it: an object or a list. Everything else is text.
fn value_of(text: &str) -> Value {
    let opens = text.trim_start().starts_with(['{', '[']);
    let read = if opens { serde_json::from_str(text).ok() } else { None };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn without_nulls(value: Value, depth: usize) -> Result<Value, GraphError> {
    if depth > DEEPEST {
        let problem = format!("The body is nested more than {DEEPEST} deep");
        return Err(GraphError::invalid(problem));
    }
    Ok(match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            let kept: Result<Map<String, Value>, GraphError> =
                present.map(|(name, value)| Ok((name, without_nulls(value, depth + 1)?))).collect();
            Value::Object(kept?)
        }
        Value::Array(items) => {
            let kept: Result<Vec<Value>, GraphError> =
                items.into_iter().map(|item| without_nulls(item, depth + 1)).collect();
            Value::Array(kept?)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    })
}

impl Input {
    /// Parameters of a query.
    pub(crate) fn of_query(query: &str) -> Self {
        Self(Self::pairs(query.as_bytes()))
    }

    fn pairs(text: &[u8]) -> Map<String, Value> {
        form_urlencoded::parse(text)
            .map(|(name, value)| (name.into_owned(), value_of(&value)))
            .collect()
    }

    /// The same with those of the body, which win.
    pub(crate) async fn with_body(mut self, request: Request) -> Result<Self, GraphError> {
        let headers = request.headers();
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let has_body = request.body().size_hint().upper() != Some(0)
            && (request.method() != Method::GET || headers.contains_key(TRANSFER_ENCODING));
        if has_body {
            let too_large = || {
                GraphError::invalid(format!(
                    "The body has more than {MOST_BODY} bytes, or broke off"
                ))
            };
            if request.body().size_hint().lower() > MOST_BODY as u64 {
                return Err(too_large());
            }
            let body = to_bytes(request.into_body(), MOST_BODY).await.map_err(|_| too_large())?;
            self.0.extend(read_body(&kind, &body)?);
        }
        if let Some(place) = nul_in(&Value::Object(self.0.clone())) {
            return Err(GraphError::invalid(nul_refused(&place)));
        }
        self.0.remove("access_token");
        self.0.remove("appsecret_proof");
        self.0.retain(|_, value| !value.is_null());
        Ok(self)
    }

    /// A parameter that is a text; numbers and truths are read as they are written.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A parameter as it came.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them.
    pub(crate) const fn all(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn read_body(kind: &str, body: &[u8]) -> Result<Map<String, Value>, GraphError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let media = kind.split(';').next().unwrap_or_default().trim();
    if media == "application/x-www-form-urlencoded" {
        return match without_nulls(Value::Object(Input::pairs(body)), 0)? {
            Value::Object(members) => Ok(members),
            _ => Ok(Map::new()),
        };
    }
    if !(media.is_empty() || media == "application/json" || media == "text/plain") {
        return Err(GraphError::invalid(format!(
            "Content-Type `{}` is not read here; send application/json or a form",
            media.chars().take(80).collect::<String>()
        )));
    }
    let read: Value = serde_json::from_slice(body)
        .map_err(|error| GraphError::invalid(format!("The body is no JSON: {error}")))?;
    match without_nulls(read, 0)? {
        Value::Object(members) => Ok(members),
        _ => Err(GraphError::invalid("The body is a JSON object")),
    }
}

/// A call whose caller is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) services: Services,
    /// Meta's id of the node.
    pub(crate) node: String,
    pub(crate) input: Input,
    /// The caller's `Idempotency-Key`; empty for none.
    pub(crate) key: String,
}

impl Call {
    pub(crate) fn new(
        services: Services,
        path: &Path,
        input: Input,
        key: Option<&HeaderValue>,
    ) -> Result<Self, GraphError> {
        let key = match key.map(HeaderValue::to_str) {
            None => String::new(),
            Some(Ok(key)) if !key.trim().is_empty() => key.trim().to_owned(),
            Some(_) => {
                let problem = "Idempotency-Key is 1 to 255 printable characters, or left out";
                return Err(GraphError::invalid(problem));
            }
        };
        Ok(Self { services, node: path.node.clone(), input, key })
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<String, GraphError> {
        match self.input.text(name) {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) | None if self.input.get(name).is_none_or(Value::is_string) => {
                Err(GraphError::missing(name))
            }
            _ => Err(GraphError::invalid(format!("Param {name} must be a string"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    async fn read(kind: &str, body: &'static str) -> Result<Input, GraphError> {
        let request = Request::post("/1/messages").header(CONTENT_TYPE, kind);
        Input::of_query("to=1&a=query").with_body(request.body(Body::from(body)).unwrap()).await
    }

    #[rstest]
    #[case::json(
        "application/json",
        r#"{"a":"b","text":{"body":"x","preview_url":null},"n":null}"#
    )]
    #[case::charset("application/json; charset=utf-8", r#"{"a":"b","text":{"body":"x"}}"#)]
    #[case::form("application/x-www-form-urlencoded", "a=b&text=%7B%22body%22%3A%22x%22%7D")]
    #[tokio::test]
    async fn json_and_forms_say_the_same_and_win_over_the_query(
        #[case] kind: &str,
        #[case] body: &'static str,
    ) {
        let input = read(kind, body).await.unwrap();
        assert_eq!(
            Value::Object(input.all().clone()),
            json!({ "to": "1", "a": "b", "text": { "body": "x" } })
        );
    }

    #[rstest]
    #[case::list("application/json", "[]")]
    #[case::broken("application/json", "{")]
    #[case::kind("application/xml", "<a/>")]
    #[case::nul("application/json", r#"{"text":{"body":"\u0000"}}"#)]
    #[tokio::test]
    async fn what_can_not_be_read_is_refused(#[case] kind: &str, #[case] body: &'static str) {
        assert_eq!(read(kind, body).await.unwrap_err().code, 100);
    }

    #[tokio::test]
    async fn a_body_without_end_is_refused() {
        let request = Request::post("/1/messages").body(Body::from(vec![b' '; MOST_BODY + 1]));
        let refused = Input::of_query("").with_body(request.unwrap()).await.unwrap_err();
        assert_eq!(refused.code, 100);
    }
}
