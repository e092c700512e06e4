//! An envelope as an AMQP message, and back.
//!
//! Promises that a message whose account does not fit its routing key is refused, one without an account too.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::RabbitConfig;
use crate::envelope::{CONTENT_TYPE, Envelope, Unreadable};
use crate::key;
use crate::transport::{Refusal, Refused};

/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// Properties of the message that carries `envelope`, published by the account `user`.
pub(super) fn properties(envelope: &Envelope, user: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in envelope.headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default()
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(envelope.id.to_string().into())
        .with_type(envelope.kind.as_str().into())
        .with_app_id("switchboard".into())
        .with_user_id(user.into())
        .with_headers(headers)
}

/// Reads a message; `dead` where it comes from a dead queue, whose own routing key says nothing.
pub(super) fn read(
    config: &RabbitConfig,
    routing_key: &str,
    properties: &BasicProperties,
    data: Vec<u8>,
    dead: bool,
) -> Result<Envelope, Box<Refused>> {
    let table = properties.headers().clone().unwrap_or_default();
    let headers = texts(&table);
    let body = Bytes::from(data);
    let key = if dead { first_key(&table).unwrap_or_default() } else { routing_key.to_owned() };
    let refuse = |why: Refusal| {
        Box::new(Refused { why, headers: headers.clone(), body: body.clone(), key: key.clone() })
    };
    let service =
        key::service_of(&key).ok_or_else(|| refuse(Refusal::Unreadable(Unreadable::Key)))?;
    let expected = config.account_of(service);
    let user = properties.user_id().as_ref().map(ToString::to_string);
    if user.as_deref() != Some(expected.as_str()) {
        return Err(refuse(Refusal::Forged { expected, user }));
    }
    Envelope::from_parts(&key, &headers, body.clone())
        .map_err(|why| refuse(Refusal::Unreadable(why)))
}

fn texts(table: &FieldTable) -> BTreeMap<String, String> {
    let text = |value: &AMQPValue| match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        _ => None,
    };
    table
        .inner()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
        .collect()
}

/// The routing key that a dead-lettered message was published with, in the broker's own record of its deaths.
fn first_key(table: &FieldTable) -> Option<String> {
    let Some(AMQPValue::FieldArray(deaths)) = table.inner().get("x-death") else { return None };
    let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().last() else { return None };
    let Some(AMQPValue::FieldArray(keys)) = death.inner().get("routing-keys") else { return None };
    match keys.as_slice().first() {
        Some(AMQPValue::LongString(key)) => {
            std::str::from_utf8(key.as_bytes()).ok().map(str::to_owned)
        }
        _ => None,
    }
}
