//! What a caller wants to send, read and checked as far as it can be without the database: Meta's limits
//! on the body, the recipient, the key.

use std::time::Duration;

use auth::{Environment, Scope};
use kernel::id::{MessageId, NumberId};
use kernel::ids::Ids;
use kernel::time::Timestamp;
use meta::Violation;
use meta::ids::{Bsuid, Recipient, WaId};
use meta::message::{MessageBody, OutboundMessage};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::KeyClaim;

use crate::domain::message::Origin;
use crate::error::Error;

/// Largest body that is read, in bytes.
const MOST_BODY: usize = 64 * 1024;
/// How far ahead a message may be handed in, and how long it may then try to leave: Meta keeps none longer.
const LONGEST_WAIT: Duration = Duration::from_hours(30 * 24);
/// The operation that idempotency keys of sends belong to.
const OPERATION: &str = "SendMessage";

/// A caller's wish, as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// From which number.
    pub(crate) number: Option<NumberId>,
    /// E.164 with or without `+`, or a BSUID.
    pub(crate) to: String,
    /// Meta's message object.
    pub(crate) body_json: String,
    /// What it quotes: our id, an edge id or Meta's wamid.
    pub(crate) context: String,
    /// The caller's key.
    pub(crate) key: String,
    /// The tenant's own data.
    pub(crate) callback_data: String,
    /// Where the call came from.
    pub(crate) origin: Option<Origin>,
    /// Not before then.
    pub(crate) send_at: Option<Timestamp>,
    /// Give up then.
    pub(crate) expires: Option<Timestamp>,
}

/// A message that another one quotes or reacts to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quote {
    /// By our id.
    Ours(MessageId),
    /// By an id in Meta's form.
    Meta(String),
}

impl Quote {
    /// Reads either.
    pub(crate) fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Meta(text.to_owned()), Self::Ours)
    }
}

/// A message that may be accepted as far as it itself goes. An item of the lane.
#[derive(Clone)]
pub(crate) struct Draft {
    /// Its id, minted once for all runs of the lane.
    pub(crate) id: MessageId,
    /// From which number.
    pub(crate) number: NumberId,
    /// To whom.
    pub(crate) recipient: Recipient,
    /// What it says.
    pub(crate) body: MessageBody,
    /// The same as JSON, as it is kept and shown.
    pub(crate) body_json: String,
    /// What it quotes or reacts to.
    pub(crate) quote: Option<Quote>,
    /// The caller's key.
    pub(crate) key: Option<KeyClaim>,
    /// The tenant's own data.
    pub(crate) callback_data: Option<String>,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// Not before then.
    pub(crate) send_at: Option<Timestamp>,
    /// Give up then.
    pub(crate) expires: Option<Timestamp>,
    /// The caller's environment.
    pub(crate) environment: Environment,
    /// The trace of the call.
    pub(crate) traceparent: Option<String>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Draft {
    /// Reads a request; all that is wrong with it is said at once.
    pub(crate) fn read(
        request: &Request,
        scope: &Scope,
        now: Timestamp,
        ids: &dyn Ids,
    ) -> Result<Self, Error> {
        let number = request.number.ok_or_else(|| Error::invalid("number_id", "is required"))?;
        let (message, body_json) = message(request)?;
        let origin = request.origin.unwrap_or(Origin::Api);
        if origin == Origin::PhoneApp {
            return Err(Error::invalid("origin", "is Meta's word about the phone app"));
        }
        if let (Some(at), Some(until)) = (request.send_at, request.expires)
            && until <= at
        {
            return Err(Error::invalid(
                "expires_us",
                "must lie after the time that the message waits for",
            ));
        }
        if request.expires.is_some_and(|until| until <= now) {
            return Err(Error::invalid("expires_us", "is over already"));
        }
        let leaves = request.send_at.map_or(now, |at| at.max(now));
        if leaves > now + LONGEST_WAIT {
            let why = "lies more than 30 days ahead; hand it in nearer to the time";
            return Err(Error::invalid("send_at_us", why));
        }
        if request.expires.is_some_and(|until| until > leaves + LONGEST_WAIT) {
            let why = "lies more than 30 days after the message may leave; leave it out for what suits the type";
            return Err(Error::invalid("expires_us", why));
        }
        let quote = match &message.body {
            MessageBody::Reaction(reaction) => Some(Quote::read(&reaction.message_id)),
            _ => message.context.as_ref().map(|context| Quote::read(context.as_str())),
        };
        if matches!(&quote, Some(Quote::Meta(text)) if text.starts_with("message_")) {
            // Meta's ids are opaque to us, but none has our prefix.
            return Err(Error::invalid("context_message_id", "is no id of a message"));
        }
        let environment = scope.environment();
        Ok(Self {
            id: MessageId::mint(ids, now),
            number,
            recipient: message.recipient,
            key: key(request, number, &body_json, environment)?,
            body: message.body,
            body_json,
            quote,
            callback_data: message.biz_opaque_callback_data,
            origin,
            send_at: request.send_at.filter(|at| *at > now),
            expires: request.expires,
            environment,
            traceparent: telemetry::propagation::current_traceparent(),
        })
    }
}

/// What Meta's object says otherwise than the request beside it: neither may win unseen.
fn contradictions(request: &Request, body: &Map<String, Value>) -> Vec<Violation> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let quoted = |value: &Value| value.get("message_id").map(text).unwrap_or_default();
    let beside = [
        ("to", &request.to, body.get("to").map(text)),
        ("recipient", &request.to, body.get("recipient").map(text)),
        ("context", &request.context, body.get("context").map(quoted)),
        (
            "biz_opaque_callback_data",
            &request.callback_data,
            body.get("biz_opaque_callback_data").map(text),
        ),
    ];
    let differs = |own: &str, said: &str| !own.is_empty() && plain(own) != plain(said);
    let found = beside
        .into_iter()
        .filter(|(_, own, said)| said.as_deref().is_some_and(|said| differs(own, said)));
    found
        .map(|(member, _, _)| {
            let why = "differs from what the request says beside it; say it once, or the same";
            Violation::new(format!("body_json.{member}"), why)
        })
        .collect()
}

/// A phone number in one form; anything else as it is.
fn plain(text: &str) -> String {
    WaId::new(text).map_or_else(|_| text.to_owned(), |wa_id| wa_id.e164())
}

/// Reads Meta's object with what the request says beside it, and gives it back as it is kept.
fn message(request: &Request) -> Result<(OutboundMessage, String), Error> {
    if request.body_json.len() > MOST_BODY {
        return Err(Error::invalid(
            "body_json",
            format!("has {} bytes; at most {MOST_BODY} are taken", request.body_json.len()),
        ));
    }
    let mut body: Map<String, Value> = serde_json::from_str(&request.body_json)
        .map_err(|error| Error::invalid("body_json", format!("is no JSON object: {error}")))?;
    let contradictions = contradictions(request, &body);
    if !contradictions.is_empty() {
        return Err(Error::Invalid(contradictions));
    }
    body.entry("messaging_product").or_insert_with(|| json!("whatsapp"));
    if !request.to.is_empty() {
        body.remove("recipient");
        body.remove("to");
        let member = if Bsuid::new(request.to.as_str()).is_ok() { "recipient" } else { "to" };
        body.insert(member.to_owned(), json!(request.to));
    }
    if !request.context.is_empty() {
        body.insert("context".to_owned(), json!({ "message_id": request.context }));
    }
    if !request.callback_data.is_empty() {
        body.insert("biz_opaque_callback_data".to_owned(), json!(request.callback_data));
    }
    let message = OutboundMessage::from_json(&Value::Object(body)).map_err(Error::Invalid)?;
    let mut kept = Map::new();
    kept.insert("type".to_owned(), json!(message.body.kind().as_str()));
    if let Some(hash) = &message.recipient_identity_key_hash {
        kept.insert("recipient_identity_key_hash".to_owned(), json!(hash));
    }
    if let Ok(Value::Object(content)) = serde_json::to_value(&message.body) {
        kept.extend(content);
    }
    Ok((message, Value::Object(kept).to_string()))
}

/// The caller's key with what it stands for: the same key with another request is refused (DEL-7).
fn key(
    request: &Request,
    number: NumberId,
    body_json: &str,
    environment: Environment,
) -> Result<Option<KeyClaim>, Error> {
    if request.key.is_empty() {
        return Ok(None);
    }
    let printable = request.key.chars().all(|sign| !sign.is_control());
    if request.key.chars().count() > 255 || !printable {
        let violation = Violation::new("idempotency_key", "must be 1 to 255 printable characters");
        return Err(Error::Invalid(vec![violation]));
    }
    let to = plain(&request.to);
    let mut hash = Sha256::new();
    let number = number.to_string();
    let time = |at: Option<Timestamp>| at.map(|at| at.as_micros().to_string()).unwrap_or_default();
    let (send_at, expires) = (time(request.send_at), time(request.expires));
    let parts =
        [&number, &to, body_json, &request.context, &request.callback_data, &send_at, &expires];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Ok(Some(KeyClaim {
        operation: OPERATION,
        key: request.key.clone(),
        fingerprint: hash.finalize().into(),
        environment,
    }))
}
