//! What a caller can see of an answer, in a form that two answers can be compared in.

use serde_json::Value;
use testkit::Refusal;
use tonic::{Code, Status};

/// Members that differ between any two answers: minted for each, or counted up.
const VOLATILE: [&str; 18] = [
    "secret",
    "hint",
    "token",
    "set_password_token",
    "set_password_expires_us",
    "cursors",
    "next_page_token",
    "page_info",
    "created_us",
    "requestId",
    "request_id",
    "setPasswordUrl",
    "setPasswordExpiresAt",
    "createdAt",
    "url",
    "last_used_us",
    "lastUsedAt",
    // They come by an event, soon after what they are of.
    "figures",
];

/// Values that are given anew to each request: ids of what was made, unique names and addresses.
fn is_minted(text: &str) -> bool {
    let of_ours = kernel::id::prefix_of(text).is_some_and(|_| text.len() > 26);
    of_ours || text.starts_with("Isolation ") || text.starts_with("isolation")
}

/// Puts a word in place of all that differs anyhow.
pub(crate) fn still(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().map(|(name, value)| {
                let value =
                    if VOLATILE.contains(&name.as_str()) { Value::Null } else { still(value) };
                (name.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(still).collect(),
        Value::String(text) if is_minted(text) => Value::String("<minted>".to_owned()),
        other => other.clone(),
    }
}

/// A gRPC answer: all that a caller can tell from it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) code: Code,
    /// Of a refusal: message, reason, metadata, violations, retry, names of headers. Of an answer: its body.
    told: String,
    /// The same without `still`, to look for others' ids in.
    pub(crate) raw: String,
}

/// Two answers are alike when nothing tells them apart but what is minted for each.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.told == other.told
    }
}

impl Seen {
    /// An answer to a request that named `id`, which is taken out wherever it is repeated.
    pub(crate) fn of(answer: &Result<Value, Status>, id: &str) -> Self {
        let (code, told, raw) = match answer {
            Ok(body) => (Code::Ok, still(body).to_string(), body.to_string()),
            Err(status) => {
                let Refusal { reason, metadata, violations, retry } = Refusal::of(status);
                let headers = status.metadata().keys();
                let mut headers: Vec<String> = headers
                    .map(|key| format!("{key:?}"))
                    .filter(|key| !key.contains("date"))
                    .collect();
                headers.sort();
                let text = format!(
                    "{reason}: {} {metadata:?} {violations:?} {retry:?} {headers:?}",
                    status.message()
                );
                (status.code(), text.clone(), text)
            }
        };
        let out = |text: String| if id.is_empty() { text } else { text.replace(id, "<id>") };
        Self { code, told: out(told), raw: out(raw) }
    }

    /// The first of these that the answer names.
    pub(crate) fn names<'a>(&self, marks: &[&'a str]) -> Option<&'a str> {
        marks.iter().find(|mark| self.raw.contains(**mark)).copied()
    }

    /// Whether it is an answer or a refusal that a caller can do something about, and no fault of ours.
    pub(crate) const fn is_clear(&self) -> bool {
        matches!(
            self.code,
            Code::Ok
                | Code::NotFound
                | Code::PermissionDenied
                | Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::AlreadyExists
                | Code::Unauthenticated
        )
    }
}
