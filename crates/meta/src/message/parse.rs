//! Reads the body of `POST /{number}/messages` as SDKs send it.
//!
//! Nulls are absent, key order is free, numbers may be strings where Meta takes both. A member beside the envelope's own and the content's is refused,
//! as Meta refuses a misspelt one: dropping it would lose what the caller meant.

use super::{MarkRead, MessageBody, MessageKind, OutboundMessage, check};
use crate::ids::{Bsuid, Recipient, WaId, Wamid};
use crate::violation::{Violation, Violations};
use crate::words::without_nulls;
use serde_json::{Map, Value};

/// What a `POST /messages` asks for: the path takes two kinds of bodies.
#[derive(Debug, Clone, PartialEq)]
pub enum Posted {
    /// A message.
    Message(Box<OutboundMessage>),
    /// A read mark, with or without "typing…".
    MarkRead(MarkRead),
}

impl Posted {
    /// Tells the two apart by `status`, and reads and checks the one it is.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Violation>> {
        if value.get("status").is_some_and(|status| !status.is_null()) {
            MarkRead::from_json(value).map(Self::MarkRead)
        } else {
            message(value).map(|message| Self::Message(Box::new(message)))
        }
    }
}

impl MarkRead {
    /// Reads `{messaging_product, status:"read", message_id, typing_indicator?}`.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Violation>> {
        let value = without_nulls(value);
        let mut out = Violations::default();
        let Some(map) = object(&value, &mut out) else { return Err(out.0) };
        product(map, &mut out);
        if map.get("status").and_then(Value::as_str) != Some("read") {
            out.refuse("status", "must be \"read\"");
        }
        let typing_indicator = match map.get("typing_indicator") {
            None => false,
            Some(indicator) if indicator.get("type").and_then(Value::as_str) == Some("text") => {
                true
            }
            Some(_) => {
                out.refuse("typing_indicator.type", "must be \"text\"");
                false
            }
        };
        unknown_members(
            map,
            &[
                "messaging_product",
                "status",
                "message_id",
                "typing_indicator",
                "recipient_type",
                "to",
            ],
            &mut out,
        );
        let message_id = wamid(map.get("message_id"), "message_id", &mut out);
        match message_id {
            Some(message_id) if out.0.is_empty() => Ok(Self { message_id, typing_indicator }),
            _ => Err(out.0),
        }
    }
}

const ENVELOPE: [&str; 8] = [
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
];

pub(super) fn message(value: &Value) -> Result<OutboundMessage, Vec<Violation>> {
    let value = without_nulls(value);
    let mut out = Violations::default();
    let Some(map) = object(&value, &mut out) else { return Err(out.0) };
    product(map, &mut out);
    let recipient = recipient(map, &mut out);
    let body = body(map, &mut out);
    let context = map
        .get("context")
        .and_then(|context| wamid(context.get("message_id"), "context.message_id", &mut out));
    let biz_opaque_callback_data = text(map, "biz_opaque_callback_data", &mut out);
    let recipient_identity_key_hash = text(map, "recipient_identity_key_hash", &mut out);
    match (recipient, body) {
        (Some(recipient), Some(body)) => {
            let message = OutboundMessage {
                recipient,
                body,
                context,
                biz_opaque_callback_data,
                recipient_identity_key_hash,
            };
            out.0.extend(check::message(&message));
            if out.0.is_empty() { Ok(message) } else { Err(out.0) }
        }
        (_, Some(body)) => {
            out.0.extend(check::body(&body));
            Err(out.0)
        }
        (_, None) => Err(out.0),
    }
}

fn object<'a>(value: &'a Value, out: &mut Violations) -> Option<&'a Map<String, Value>> {
    let map = value.as_object();
    if map.is_none() {
        out.refuse("", "the body must be a JSON object");
    }
    map
}

fn product(map: &Map<String, Value>, out: &mut Violations) {
    match map.get("messaging_product") {
        Some(Value::String(product)) if product.eq_ignore_ascii_case("whatsapp") => {}
        Some(_) => out.refuse("messaging_product", "must be \"whatsapp\""),
        None => out.push(Violation::new(
            "messaging_product",
            "`messaging_product` is required; it is always \"whatsapp\"",
        )),
    }
}

fn recipient(map: &Map<String, Value>, out: &mut Violations) -> Option<Recipient> {
    match map.get("recipient_type").map(Value::as_str) {
        None | Some(Some("individual")) => {}
        Some(Some("group")) => {
            out.refuse(
                "recipient_type",
                "messages to groups are not supported; send to one person (\"individual\")",
            );
            return None;
        }
        Some(_) => out.refuse("recipient_type", "must be \"individual\""),
    }
    let to = match map.get("to") {
        Some(Value::String(to)) if to.is_empty() => None,
        Some(Value::String(to)) => Some(to.clone()),
        Some(Value::Number(to)) => Some(to.to_string()),
        Some(_) => {
            out.refuse("to", "must be a phone number as a string");
            return None;
        }
        None => None,
    };
    match (to, map.get("recipient")) {
        // With both, `to` wins: so does Meta.
        (Some(to), _) => match WaId::new(&to) {
            Ok(number) => Some(Recipient::Phone(number)),
            Err(error) => {
                out.push(Violation::new("to", error.to_string()).code(131_009));
                None
            }
        },
        (None, Some(Value::String(bsuid))) => match Bsuid::new(bsuid.as_str()) {
            Ok(bsuid) => Some(Recipient::Bsuid(bsuid)),
            Err(error) => {
                out.push(Violation::new("recipient", error.to_string()).code(131_009));
                None
            }
        },
        (None, Some(_)) => {
            out.refuse("recipient", "must be a business-scoped user id as a string");
            None
        }
        (None, None) => {
            out.push(Violation::new(
                "to",
                "`to` (a phone number) or `recipient` (a business-scoped user id) is required",
            ));
            None
        }
    }
}

fn body(map: &Map<String, Value>, out: &mut Violations) -> Option<MessageBody> {
    let word = match map.get("type") {
        None => "text",
        Some(Value::String(word)) => word.as_str(),
        Some(_) => {
            out.refuse("type", "must be a string");
            return None;
        }
    };
    let Some(kind) = MessageKind::parse(word) else {
        let known = MessageKind::ALL.map(MessageKind::as_str).join(", ");
        out.push(
            Violation::new(
                "type",
                format!("is not a kind of message that can be sent; use one of {known}"),
            )
            .code(131_051),
        );
        return None;
    };
    let mut members = ENVELOPE.to_vec();
    members.push(kind.as_str());
    unknown_members(map, &members, out);
    let Some(content) = map.get(kind.as_str()) else {
        out.missing(kind.as_str());
        return None;
    };
    let path = kind.as_str();
    match kind {
        MessageKind::Text => out.read(path, content).map(MessageBody::Text),
        MessageKind::Image => out.read(path, content).map(MessageBody::Image),
        MessageKind::Video => out.read(path, content).map(MessageBody::Video),
        MessageKind::Audio => out.read(path, content).map(MessageBody::Audio),
        MessageKind::Document => out.read(path, content).map(MessageBody::Document),
        MessageKind::Sticker => out.read(path, content).map(MessageBody::Sticker),
        MessageKind::Location => out.read(path, content).map(MessageBody::Location),
        MessageKind::Contacts => out.read(path, content).map(MessageBody::Contacts),
        MessageKind::Reaction => {
            // An empty emoji takes a reaction away, so a missing one must not read as empty.
            if content.is_object() && content.get("emoji").is_none() {
                out.push(Violation::missing("reaction.emoji"));
            }
            out.read(path, content).map(MessageBody::Reaction)
        }
        MessageKind::Interactive => {
            out.read(path, content).map(|read| MessageBody::Interactive(Box::new(read)))
        }
        MessageKind::Template => out.read(path, content).map(MessageBody::Template),
    }
}

fn unknown_members(map: &Map<String, Value>, known: &[&str], out: &mut Violations) {
    for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
        out.refuse(name, format!("Meta has no parameter `{name}` here; check its spelling, and that it belongs to `type`"));
    }
}

fn text(map: &Map<String, Value>, name: &str, out: &mut Violations) -> Option<String> {
    if let Value::String(text) = map.get(name)? {
        return Some(text.clone());
    }
    out.refuse(name, "must be a string");
    None
}

fn wamid(value: Option<&Value>, field: &str, out: &mut Violations) -> Option<Wamid> {
    let Some(value) = value else {
        out.missing(field);
        return None;
    };
    match value.as_str().map(Wamid::new) {
        Some(Ok(id)) => Some(id),
        Some(Err(error)) => {
            out.push(Violation::new(field, error.to_string()).code(131_009));
            None
        }
        None => {
            out.refuse(field, "must be a message id as a string");
            None
        }
    }
}
