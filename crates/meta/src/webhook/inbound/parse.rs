//! Reads an inbound message leniently: a part whose shape surprises must not cost the message.

use super::{Context, InboundContent, InboundKind, InboundMessage, InteractiveReply, Referral};
use crate::webhook::WebhookError;
use crate::words::{opt_int, opt_text};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "opt_text")]
    id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    from: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    from_user_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    from_parent_user_id: Option<String>,
    #[serde(deserialize_with = "opt_int")]
    timestamp: Option<i64>,
    #[serde(rename = "type", deserialize_with = "opt_text")]
    kind: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    group_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    context: Option<Context>,
    #[serde(deserialize_with = "lenient")]
    referral: Option<Referral>,
    #[serde(deserialize_with = "lenient_list")]
    errors: Vec<WebhookError>,
}

/// A part whose shape surprises is left to the raw element: it must not cost the message.
fn lenient<'de, D: Deserializer<'de>, T: for<'a> Deserialize<'a>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(d)?).ok())
}

fn lenient_list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<WebhookError>, D::Error> {
    Ok(Vec::deserialize(Value::deserialize(d)?).unwrap_or_default())
}

impl InboundMessage {
    /// Reads an element of `messages[]`; fails only where it is no JSON object.
    pub fn parse(element_json: &str) -> Result<Self, serde_json::Error> {
        let raw: Value = serde_json::from_str(element_json)?;
        let wire = Wire::deserialize(&raw)?;
        let word = wire.kind.unwrap_or_default();
        let kind = InboundKind::parse(&word);
        let content = content(&kind, &word, &raw);
        Ok(Self {
            id: wire.id,
            from: wire.from,
            from_user_id: wire.from_user_id,
            from_parent_user_id: wire.from_parent_user_id,
            timestamp: wire.timestamp,
            kind,
            group_id: wire.group_id,
            context: wire.context,
            referral: wire.referral,
            errors: wire.errors,
            content,
            raw,
        })
    }

    /// Whether the customer's 24-hour window opens with it: what a person does opens it, what Meta tells about a person does not.
    #[must_use]
    pub const fn opens_window(&self) -> bool {
        !matches!(self.kind, InboundKind::System)
    }

    /// A line for lists of conversations; `None` where there are no words.
    #[must_use]
    pub fn preview(&self) -> Option<&str> {
        match &self.content {
            InboundContent::Text(text) => Some(text),
            InboundContent::Media(media) => media.caption.as_deref().or(media.filename.as_deref()),
            InboundContent::Location(place) => place.name.as_deref().or(place.address.as_deref()),
            InboundContent::Contacts(cards) => {
                cards.first()?.get("name")?.get("formatted_name")?.as_str()
            }
            InboundContent::Reaction { emoji, .. } => emoji.as_deref(),
            InboundContent::Button { payload, text } => text.as_deref().or(payload.as_deref()),
            InboundContent::Interactive(InteractiveReply::Choice { title, .. }) => Some(title),
            InboundContent::Interactive(InteractiveReply::Form { body, .. }) => body.as_deref(),
            InboundContent::Order(order) => order.text.as_deref(),
            InboundContent::System(system) => system.body.as_deref(),
            InboundContent::Edit(edit) => edit.message.get("text")?.get("body")?.as_str(),
            InboundContent::Interactive(
                InteractiveReply::CallPermission { .. } | InteractiveReply::Unknown { .. },
            )
            | InboundContent::Revoke { .. }
            | InboundContent::Unsupported { .. }
            | InboundContent::RequestWelcome
            | InboundContent::Unknown { .. } => None,
        }
    }
}

fn content(kind: &InboundKind, word: &str, raw: &Value) -> InboundContent {
    let object = raw.get(word);
    let text =
        |object: &Value, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let read = match kind {
        InboundKind::Text => object.and_then(|o| text(o, "body")).map(InboundContent::Text),
        InboundKind::Image
        | InboundKind::Video
        | InboundKind::Audio
        | InboundKind::Document
        | InboundKind::Sticker => parsed(object).map(InboundContent::Media),
        InboundKind::Location => parsed(object).map(InboundContent::Location),
        InboundKind::Contacts => parsed(object).map(InboundContent::Contacts),
        InboundKind::Reaction => object.and_then(|o| {
            Some(InboundContent::Reaction {
                message_id: text(o, "message_id")?,
                emoji: text(o, "emoji").filter(|emoji| !emoji.is_empty()),
            })
        }),
        InboundKind::Button => object
            .map(|o| InboundContent::Button { payload: text(o, "payload"), text: text(o, "text") }),
        InboundKind::Interactive => object.map(|o| InboundContent::Interactive(interactive(o))),
        InboundKind::Order => parsed(object).map(InboundContent::Order),
        InboundKind::System => parsed(object).map(InboundContent::System),
        InboundKind::Unsupported => {
            Some(InboundContent::Unsupported { kind: object.and_then(|o| text(o, "type")) })
        }
        InboundKind::Edit => parsed(object).map(InboundContent::Edit),
        InboundKind::Revoke => object.map(|o| InboundContent::Revoke {
            original_message_id: text(o, "original_message_id"),
        }),
        InboundKind::RequestWelcome => Some(InboundContent::RequestWelcome),
        InboundKind::Unknown(_) => None,
    };
    read.unwrap_or_else(|| InboundContent::Unknown { kind: word.to_owned() })
}

fn parsed<T: for<'a> Deserialize<'a>>(object: Option<&Value>) -> Option<T> {
    T::deserialize(object?).ok()
}

fn interactive(object: &Value) -> InteractiveReply {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let reply = object.get(kind);
    let text = |name: &str| {
        reply.and_then(|reply| reply.get(name)).and_then(Value::as_str).map(str::to_owned)
    };
    match kind {
        "button_reply" | "list_reply" => InteractiveReply::Choice {
            id: text("id").unwrap_or_default(),
            title: text("title").unwrap_or_default(),
            description: text("description"),
        },
        "nfm_reply" => InteractiveReply::Form {
            name: text("name"),
            body: text("body"),
            response_json: text("response_json"),
        },
        "call_permission_reply" => InteractiveReply::CallPermission {
            response: text("response"),
            is_permanent: reply
                .and_then(|reply| reply.get("is_permanent"))
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            expires_at: reply
                .and_then(|reply| reply.get("expiration_timestamp"))
                .and_then(|at| at.as_i64().or_else(|| at.as_str()?.parse().ok())),
        },
        other => InteractiveReply::Unknown { kind: other.to_owned() },
    }
}
