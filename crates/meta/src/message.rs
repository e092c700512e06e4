//! Messages that go out: what can be sent, Meta's limits on it, and the body of `POST /{number}/messages`.
//!
//! A body mirrors Meta's JSON, keeps members that this build has no name for, and knows the limits of the kinds it models; `interactive` kinds beyond
//! reply buttons, list and link are passed through with their common parts checked. Whether a message may be sent now (window, consent, quota,
//! template state) is not asked here.

mod body;
mod check;
mod contacts;
mod interactive;
mod parse;
mod template;

pub use body::{Location, Media, MessageBody, MessageKind, Reaction, Text};
pub use contacts::{Address, Contact, Email, Name, Organisation, Phone, WebPage};
pub use interactive::{
    Action, ActionButton, Header, Interactive, ReplyButton, Row, Section, TextPart,
};
pub use parse::Posted;
pub use template::{Index, Language, Parameter, SendComponent, Template};

use crate::Violation;
use crate::ids::{Recipient, Wamid};
use serde_json::{Map, Value, json};

/// A message to one recipient.
#[derive(Clone, PartialEq)]
pub struct OutboundMessage {
    /// Whom it goes to.
    pub recipient: Recipient,
    /// What it says.
    pub body: MessageBody,
    /// The message that it answers, shown as a quote.
    pub context: Option<Wamid>,
    /// The caller's own note, echoed in every status. What goes to Meta is ours: see [`OutboundMessage::to_json`].
    pub biz_opaque_callback_data: Option<String>,
    /// Deliver only if the person's identity key has this hash (else 137000, later).
    pub recipient_identity_key_hash: Option<String>,
}

impl std::fmt::Debug for OutboundMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundMessage").field("kind", &self.body.kind()).finish_non_exhaustive()
    }
}

impl OutboundMessage {
    /// A message with nothing but a recipient and a body.
    #[must_use]
    pub fn new(recipient: Recipient, body: MessageBody) -> Self {
        Self {
            recipient,
            body,
            context: None,
            biz_opaque_callback_data: None,
            recipient_identity_key_hash: None,
        }
    }

    /// Reads the body of a `POST /messages`, in any of the forms that SDKs send, and checks it. All that is wrong is said at once.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Violation>> {
        parse::message(value)
    }

    /// Checks Meta's limits; empty when there is nothing to mend.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        check::message(self)
    }

    /// The body of the POST. `biz_opaque_callback_data` is what Meta echoes: our message's TypeID, never the tenant's own note (rule I3).
    #[must_use]
    pub fn to_json(&self, biz_opaque_callback_data: Option<&str>) -> Value {
        let mut value =
            self.body.to_json(&self.recipient, self.context.as_ref(), biz_opaque_callback_data);
        if let (Some(hash), Value::Object(map)) = (&self.recipient_identity_key_hash, &mut value) {
            map.insert("recipient_identity_key_hash".to_owned(), json!(hash));
        }
        value
    }
}

impl MessageBody {
    /// The body of `POST /{number}/messages` for this content.
    #[must_use]
    pub fn to_json(
        &self,
        to: &Recipient,
        context: Option<&Wamid>,
        biz_opaque_callback_data: Option<&str>,
    ) -> Value {
        let mut map = Map::new();
        map.insert("messaging_product".to_owned(), json!("whatsapp"));
        map.insert("recipient_type".to_owned(), json!("individual"));
        match to {
            Recipient::Phone(number) => map.insert("to".to_owned(), json!(number.e164())),
            Recipient::Bsuid(bsuid) => map.insert("recipient".to_owned(), json!(bsuid)),
        };
        map.insert("type".to_owned(), json!(self.kind().as_str()));
        if let Some(quoted) = context {
            map.insert("context".to_owned(), json!({ "message_id": quoted }));
        }
        if let Some(ours) = biz_opaque_callback_data {
            map.insert("biz_opaque_callback_data".to_owned(), json!(ours));
        }
        // The body serialises as `{"<kind>": {…}}`, which is just the member that Meta wants beside `type`.
        if let Ok(Value::Object(content)) = serde_json::to_value(self) {
            map.extend(content);
        }
        Value::Object(map)
    }

    /// Checks Meta's limits on the content alone; paths start at the kind (`text.body`).
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        check::body(self)
    }
}

/// Marks an inbound message (and those before it) as read, and may show that we are typing. It makes no webhook and counts as no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRead {
    /// The inbound message, at most 30 days old.
    pub message_id: Wamid,
    /// Show "typing…" until we answer, or for 25 seconds.
    pub typing_indicator: bool,
}

impl MarkRead {
    /// The body of `POST /{number}/messages` that does it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": self.message_id });
        if let (true, Value::Object(map)) = (self.typing_indicator, &mut body) {
            map.insert("typing_indicator".to_owned(), json!({ "type": "text" }));
        }
        body
    }
}
