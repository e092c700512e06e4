//! Scalars of ours, and the small turns from the contracts' words to GraphQL's.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use kernel::time::Timestamp;

use crate::refusal::Refusal;

pub(crate) use async_graphql::ID;

/// Any JSON.
pub(crate) type Json = async_graphql::Json<serde_json::Value>;

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime(pub(crate) Timestamp);

/// An instant in RFC 3339, such as `2026-11-23T09:30:00Z`.
#[Scalar(specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Timestamp::parse_rfc3339(text)
                .map(Self)
                .map_err(|error| InputValueError::custom(error.to_string())),
            Value::Null
            | Value::Number(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_)
            | Value::List(_)
            | Value::Object(_) => Err(InputValueError::expected_type(value)),
        }
    }

    // Asked before anything runs, so that the refusal names the argument.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if Timestamp::parse_rfc3339(text).is_ok())
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.rfc3339())
    }
}

/// The instant that the contracts write as microseconds.
pub(crate) const fn at(micros: i64) -> DateTime {
    DateTime(Timestamp::from_micros(micros))
}

/// The same, where it may be absent.
pub(crate) fn maybe_at(micros: Option<i64>) -> Option<DateTime> {
    micros.map(at)
}

/// Microseconds of an instant that was given.
pub(crate) fn micros(at: Option<DateTime>) -> Option<i64> {
    at.map(|at| at.0.as_micros())
}

/// Contracts write "none" as an empty text; GraphQL has null.
pub(crate) fn some(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// An id, where there is one.
pub(crate) fn some_id(text: &str) -> Option<ID> {
    some(text).map(ID::from)
}

/// An optional id of an input, as the contracts write it.
pub(crate) fn given(id: Option<ID>) -> String {
    id.map(|id| id.0).unwrap_or_default()
}

/// JSON that a service keeps as text; null where it is none.
pub(crate) fn json(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok().map(async_graphql::Json)
}

/// Longest idempotency key, in characters.
const LONGEST_KEY: usize = 255;

/// An idempotency key as the contracts have it, where "" is none. Who sends one means to be safe from doing a thing twice,
/// so that an empty one is no absent one.
pub(crate) fn idempotency_key(given: Option<String>) -> Result<String, Refusal> {
    let Some(key) = given else { return Ok(String::new()) };
    let lawful =
        !key.is_empty() && key.chars().count() <= LONGEST_KEY && !key.chars().any(char::is_control);
    if lawful {
        return Ok(key);
    }
    let why = "must be 1 to 255 printable characters; leave it out for none";
    Err(Refusal::of_field("idempotency_key", why))
}
