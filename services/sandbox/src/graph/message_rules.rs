//! What a body of `POST /messages` must look like: Meta's limits of every type. Characters are
//! Unicode code points. A missing parameter of the envelope is 100, a missing inner value 131008, a
//! bad one 131009, an unknown type 131051.

use serde_json::{Map, Value};

use super::error::GraphError;

pub(super) type Check<T = ()> = Result<T, GraphError>;

/// A body whose shape is right.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parsed {
    pub(crate) kind: String,
    pub(crate) to: Option<String>,
    pub(crate) recipient: Option<String>,
    pub(crate) to_group: bool,
    pub(crate) callback_data: Option<String>,
    pub(crate) reaction_to: Option<String>,
    /// Ids of media that it uses, with the kind of media that each must be.
    pub(crate) media_ids: Vec<(String, String)>,
    pub(crate) links: Vec<String>,
}

const ENVELOPE: &[&str] = &[
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
    "category",
    "product_policy",
    "message_activity_sharing",
    "access_token",
    "appsecret_proof",
];

const TYPES: &[&str] = &[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

pub(super) fn bad(details: impl Into<String>) -> GraphError {
    GraphError::coded(131_009, details)
}

pub(super) fn lacks(name: &str) -> GraphError {
    GraphError::coded(131_008, format!("Required parameter {name} is missing"))
}

/// Whether a value counts as given: nulls are absent.
pub(super) fn given<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A text of 1 to `longest` characters; numbers are taken as text.
pub(super) fn text(
    object: &Map<String, Value>,
    path: &str,
    name: &str,
    longest: usize,
) -> Check<String> {
    let value = match given(object, name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(bad(format!("Param {path}.{name} must be a string"))),
        None => return Err(lacks(&format!("{path}.{name}"))),
    };
    if value.is_empty() {
        return Err(lacks(&format!("{path}.{name}")));
    }
    limit(&value, &format!("{path}.{name}"), longest)?;
    Ok(value)
}

pub(super) fn optional(
    object: &Map<String, Value>,
    path: &str,
    name: &str,
    longest: usize,
) -> Check {
    if given(object, name).is_some_and(|value| value.as_str() != Some("")) {
        text(object, path, name, longest)?;
    }
    Ok(())
}

fn limit(value: &str, path: &str, longest: usize) -> Check {
    if value.chars().count() > longest {
        return Err(GraphError::param(format!(
            "Param {path} must be at most {longest} characters long."
        )));
    }
    Ok(())
}

pub(super) fn inner<'a>(
    object: &'a Map<String, Value>,
    path: &str,
    name: &str,
) -> Check<&'a Map<String, Value>> {
    match given(object, name) {
        Some(Value::Object(inner)) => Ok(inner),
        Some(_) => Err(bad(format!("Param {path}.{name} must be an object"))),
        None => Err(lacks(&format!("{path}.{name}"))),
    }
}

pub(super) fn items<'a>(
    object: &'a Map<String, Value>,
    path: &str,
    name: &str,
) -> Check<&'a Vec<Value>> {
    match given(object, name) {
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(bad(format!("Param {path}.{name} must be an array"))),
        None => Err(lacks(&format!("{path}.{name}"))),
    }
}

fn known_keys(object: &Map<String, Value>, path: &str, known: &[&str]) -> Check {
    match object.iter().find(|(name, value)| !value.is_null() && !known.contains(&name.as_str())) {
        Some((name, _)) => {
            Err(GraphError::param(format!("Unexpected key \"{name}\" on param \"{path}\".")))
        }
        None => Ok(()),
    }
}

/// Checks a whole body.
pub(crate) fn check(body: &Map<String, Value>) -> Check<Parsed> {
    let word = |name: &str| given(body, name).and_then(Value::as_str).map(ToOwned::to_owned);
    match word("messaging_product").as_deref() {
        Some("whatsapp") => {}
        Some(other) => return Err(GraphError::one_of("messaging_product", &["WHATSAPP"], other)),
        None => return Err(GraphError::missing("messaging_product")),
    }
    let recipient_type = word("recipient_type").unwrap_or_else(|| "individual".to_owned());
    if !matches!(recipient_type.as_str(), "individual" | "group") {
        return Err(GraphError::one_of(
            "recipient_type",
            &["INDIVIDUAL", "GROUP"],
            &recipient_type,
        ));
    }
    let to = match given(body, "to") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => word("to").filter(|to| !to.is_empty()),
    };
    let recipient = word("recipient").filter(|recipient| !recipient.is_empty());
    if to.is_none() && recipient.is_none() {
        return Err(GraphError::missing("to"));
    }
    let kind = word("type").unwrap_or_else(|| "text".to_owned());
    if !TYPES.contains(&kind.as_str()) {
        return Err(GraphError::coded(131_051, format!("Unsupported message type: {kind}")));
    }
    if !body.contains_key(&kind) {
        return Err(GraphError::missing(&kind));
    }
    if let Some(name) =
        body.keys().find(|name| !ENVELOPE.contains(&name.as_str()) && **name != kind)
    {
        return Err(GraphError::param(format!("Unexpected key \"{name}\" on param \"message\".")));
    }
    let callback_data = word("biz_opaque_callback_data");
    if let Some(data) = &callback_data {
        limit(data, "biz_opaque_callback_data", 512)?;
    }
    let mut parsed = Parsed {
        to,
        recipient,
        to_group: recipient_type == "group",
        callback_data,
        ..Parsed::default()
    };
    if let Some(Value::Object(context)) = given(body, "context") {
        text(context, "context", "message_id", 255)?;
        if kind == "reaction" {
            return Err(GraphError::param("A reaction cannot have a context."));
        }
    }
    match kind.as_str() {
        "text" => {
            let object = inner(body, "message", "text")?;
            known_keys(object, "text", &["body", "preview_url"])?;
            text(object, "text", "body", 4_096)?;
        }
        "contacts" => contacts(items(body, "message", "contacts")?)?,
        "location" => {
            let object = inner(body, "message", "location")?;
            known_keys(object, "location", &["latitude", "longitude", "name", "address"])?;
            coordinate(object, "latitude", 90.0)?;
            coordinate(object, "longitude", 180.0)?;
        }
        "reaction" => {
            let object = inner(body, "message", "reaction")?;
            parsed.reaction_to = Some(text(object, "reaction", "message_id", 255)?);
            match given(object, "emoji").and_then(Value::as_str) {
                Some(emoji) => limit(emoji, "reaction.emoji", 32)?,
                None => return Err(lacks("reaction.emoji")),
            }
        }
        "interactive" => {
            super::message_interactive::check(inner(body, "message", "interactive")?, &mut parsed)?;
        }
        "template" => {
            let object = inner(body, "message", "template")?;
            text(object, "template", "name", 512)?;
            text(inner(object, "template", "language")?, "template.language", "code", 16)?;
        }
        media_kind => {
            media(inner(body, "message", media_kind)?, media_kind, media_kind, &mut parsed)?;
        }
    }
    parsed.kind = kind;
    Ok(parsed)
}

fn coordinate(object: &Map<String, Value>, name: &str, most: f64) -> Check {
    let value = match given(object, name) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
        None => return Err(lacks(&format!("location.{name}"))),
    };
    match value {
        Some(degrees) if degrees.abs() <= most => Ok(()),
        _ => Err(bad(format!("Param location.{name} must be a number of degrees"))),
    }
}

/// A media object: exactly one of `id` and `link`.
pub(crate) fn media(
    object: &Map<String, Value>,
    kind: &str,
    path: &str,
    parsed: &mut Parsed,
) -> Check {
    let known: &[&str] = match kind {
        "document" => &["id", "link", "caption", "filename", "provider"],
        "audio" => &["id", "link", "voice", "provider"],
        "sticker" => &["id", "link", "provider"],
        _ => &["id", "link", "caption", "provider"],
    };
    known_keys(object, path, known)?;
    optional(object, path, "caption", 1_024)?;
    optional(object, path, "filename", 240)?;
    let id = match given(object, "id") {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        _ => None,
    };
    let link = given(object, "link").and_then(Value::as_str).filter(|link| !link.is_empty());
    match (id, link) {
        (Some(id), None) => parsed.media_ids.push((kind.to_owned(), id)),
        (None, Some(link)) => {
            let valid =
                url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !valid {
                return Err(bad(format!("Param {path}.link is not a valid URI")));
            }
            parsed.links.push(link.to_owned());
        }
        (None, None) => return Err(lacks(&format!("{path}.id or {path}.link"))),
        (Some(_), Some(_)) => {
            return Err(GraphError::param(format!(
                "Param {path} takes either id or link, not both."
            )));
        }
    }
    Ok(())
}

fn contacts(contacts: &[Value]) -> Check {
    if contacts.is_empty() {
        return Err(lacks("contacts"));
    }
    if contacts.len() > 257 {
        return Err(GraphError::param("Param contacts takes at most 257 contacts."));
    }
    for contact in contacts {
        let contact =
            contact.as_object().ok_or_else(|| bad("Each of contacts must be an object"))?;
        text(inner(contact, "contacts", "name")?, "contacts.name", "formatted_name", 1_024)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn code(mut body: Value) -> i64 {
        let object = body.as_object_mut().unwrap();
        object.entry("messaging_product").or_insert(json!("whatsapp"));
        object.entry("to").or_insert(json!("+351912000111"));
        check(object).err().map_or(0, |error| error.code)
    }

    #[rstest]
    #[case::text(json!({"type": "text", "text": {"body": "hi"}}), 0)]
    #[case::type_defaults_to_text(json!({"text": {"body": "hi", "preview_url": false}}), 0)]
    #[case::nulls_are_absent(json!({"type": "image", "image": {"id": "1", "caption": null}}), 0)]
    #[case::body_missing(json!({"type": "text", "text": {}}), 131_008)]
    #[case::body_too_long(json!({"type": "text", "text": {"body": "x".repeat(4097)}}), 100)]
    #[case::object_missing(json!({"type": "text"}), 100)]
    #[case::misspelt(json!({"type": "text", "text": {"boddy": "x"}}), 100)]
    #[case::unknown_parameter(json!({"type": "text", "text": {"body": "x"}, "foo": 1}), 100)]
    #[case::unknown_type(json!({"type": "hologram", "hologram": {}}), 131_051)]
    #[case::wrong_product(json!({"messaging_product": "sms", "text": {"body": "x"}}), 100)]
    #[case::both_id_and_link(json!({"type": "image", "image": {"id": "1", "link": "https://e.org/a"}}), 100)]
    #[case::neither_id_nor_link(json!({"type": "image", "image": {}}), 131_008)]
    #[case::caption_on_audio(json!({"type": "audio", "audio": {"id": "1", "caption": "x"}}), 100)]
    #[case::location(json!({"type": "location", "location": {"latitude": "41.1", "longitude": -8.6}}), 0)]
    #[case::off_the_globe(json!({"type": "location", "location": {"latitude": 91, "longitude": 0}}), 131_009)]
    #[case::removed_reaction(json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}}), 0)]
    #[case::callback_too_long(json!({"text": {"body": "x"}, "biz_opaque_callback_data": "x".repeat(513)}), 100)]
    fn plain_types_have_metas_limits(#[case] body: Value, #[case] expected: i64) {
        assert_eq!(code(body), expected);
    }

    #[rstest]
    #[case::buttons(json!({"type": "button", "body": {"text": "?"}, "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]}}), 0)]
    #[case::four_buttons(json!({"type": "button", "body": {"text": "?"}, "action": {"buttons": [1, 2, 3, 4]}}), 131_009)]
    #[case::twice_the_same_title(json!({"type": "button", "body": {"text": "?"}, "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}, {"type": "reply", "reply": {"id": "b", "title": "A"}}]}}), 131_009)]
    #[case::list(json!({"type": "list", "body": {"text": "?"}, "action": {"button": "B", "sections": [{"rows": [{"id": "1", "title": "t"}]}]}}), 0)]
    #[case::eleven_rows(json!({"type": "list", "body": {"text": "?"}, "action": {"button": "B", "sections": [{"rows": (0..11).map(|n| json!({"id": n.to_string(), "title": "t"})).collect::<Vec<_>>()}]}}), 131_009)]
    #[case::media_header_on_list(json!({"type": "list", "header": {"type": "image", "image": {"id": "1"}}, "body": {"text": "?"}, "action": {"button": "B", "sections": [{"rows": [{"id": "1", "title": "t"}]}]}}), 131_009)]
    #[case::cta(json!({"type": "cta_url", "body": {"text": "?"}, "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://e.org"}}}), 0)]
    #[case::no_body(json!({"type": "button", "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]}}), 131_008)]
    #[case::unknown(json!({"type": "contact_request", "body": {"text": "?"}, "action": {}}), 131_009)]
    fn interactive_types_have_metas_limits(#[case] interactive: Value, #[case] expected: i64) {
        assert_eq!(code(json!({"type": "interactive", "interactive": interactive})), expected);
    }
}
