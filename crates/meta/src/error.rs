//! Meta's errors: the envelope of an answer, and the one table of what each code means, who can mend it and what to do.
//!
//! Logic keys on `code`, never on HTTP status or text: texts are not stable and are translated to the token's user. Whether a message may be posted a
//! second time is decided by [`refused_before_send`] alone (rule I2): a code stands there only if Meta promises by it that nothing was sent.

mod table;

use crate::words::{Extra, opt_int, opt_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

pub use table::all;

/// Who can mend the cause of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mender {
    /// The business that sends.
    Tenant,
    /// The BSP that runs this installation.
    Operator,
    /// Meta.
    Meta,
    /// The person who was written to.
    Customer,
}

/// Whether the same call may be made again. Of sends, rule I2 decides first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// It will never succeed.
    Never,
    /// Later, by itself.
    Later,
    /// Once something was changed.
    AfterChange,
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The token.
    Authentication,
    /// What the token may do.
    Permission,
    /// A budget or a rate.
    Throttling,
    /// Meta's policies.
    Integrity,
    /// The call itself.
    Parameter,
    /// The person written to.
    Recipient,
    /// The template.
    Template,
    /// The 24-hour window.
    Window,
    /// Money owed to Meta.
    Payment,
    /// The business phone number.
    Number,
    /// A file.
    Media,
    /// A fault of Meta's.
    Service,
    /// Groups.
    Group,
    /// Calls.
    Calling,
    /// Flows.
    Flow,
    /// Orders and payments of customers.
    Commerce,
    /// Business usernames.
    Username,
    /// Signup, migration, sharing.
    Onboarding,
    /// Analytics.
    Analytics,
}

/// What the dispatcher does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// The number is too fast: send again, no attempt counted, at half its rate, rising.
    RequeueRate,
    /// This recipient gets too much: park the pair 4^n seconds, let others go on.
    ParkPair,
    /// Too many blocks and reports: stop marketing and bulk of the number for hours, alert.
    StopMarketing,
    /// Meta spares this person marketing: final; no marketing to them for 24 hours.
    SpareRecipient,
    /// This person said stop: final; no marketing to them until they resume.
    OptedOut,
    /// The window is closed: final, unless our own record says open, then once more after 30 seconds.
    WindowClosed,
    /// The budget of management calls is spent: wait for what the usage header says; sends go on.
    SlowManagement,
    /// A fault of Meta's, outcome open: reads back off; a message is `unknown` and is settled, never posted again.
    Unknown,
    /// The number is being upgraded: send again, at most five times in 30 minutes.
    Maintenance,
    /// Token or permission: stop the WABA, keep its messages, go on when it is connected again.
    StopWaba,
    /// Blocked or locked by Meta: stop the WABA, alert the operator.
    LockWaba,
    /// Final.
    Terminal,
}

/// What the product knows of an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code, or the first of a range.
    pub code: i64,
    /// The last of the range; the code itself for a single one.
    pub last: i64,
    /// The subcode that narrows it, where there is one.
    pub subcode: Option<i64>,
    /// A short name.
    pub title: &'static str,
    /// What it is about.
    pub class: Class,
    /// Why it happens.
    pub cause: &'static str,
    /// Who can mend it.
    pub mender: Mender,
    /// What to do next.
    pub remedy: &'static str,
    /// Whether the same call may be made again.
    pub retry: Retry,
    /// At least this long before it is, in seconds; 0 where Meta names no time.
    pub wait_seconds: u32,
    /// Whether it promises that the message was not sent, so that it may be posted again (rule I2 b).
    pub refused_before_send: bool,
    /// What the dispatcher does about it.
    pub reaction: Reaction,
}

/// What is known of a code. A subcode of the management side is found too, by itself.
#[must_use]
pub fn explain(code: i64) -> Option<&'static Explanation> {
    let rows = all();
    rows.iter()
        .find(|row| row.subcode.is_none() && row.code == code)
        .or_else(|| {
            rows.iter().find(|row| row.subcode.is_none() && (row.code..=row.last).contains(&code))
        })
        .or_else(|| rows.iter().find(|row| code > 999 && row.subcode == Some(code)))
}

/// What is known of a code with its subcode; of the code alone where the subcode is unknown.
#[must_use]
pub fn explain_with(code: i64, subcode: Option<i64>) -> Option<&'static Explanation> {
    subcode
        .and_then(|subcode| {
            all()
                .iter()
                .find(|row| row.subcode == Some(subcode) && (row.code..=row.last).contains(&code))
        })
        .or_else(|| explain(code))
}

/// Whether Meta promises by this code that the message was not sent.
#[must_use]
pub fn refused_before_send(code: i64) -> bool {
    explain(code).is_some_and(|row| row.subcode.is_none() && row.refused_before_send)
}

/// What the dispatcher does about a code; a code that is not listed is final.
#[must_use]
pub fn reaction(code: i64) -> Reaction {
    explain(code).map_or(Reaction::Terminal, |row| row.reaction)
}

/// An operator's changes to the list of rule I2: Meta may change what a code means before a release does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refusals {
    /// Codes that also promise that nothing was sent.
    pub also: Vec<i64>,
    /// Codes that no longer do.
    pub not: Vec<i64>,
}

impl Refusals {
    /// Whether a code promises that the message was not sent.
    #[must_use]
    pub fn contains(&self, code: i64) -> bool {
        !self.not.contains(&code) && (self.also.contains(&code) || refused_before_send(code))
    }
}

/// The error envelope of an answer of the Graph API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphError {
    /// The key for all logic.
    pub code: i64,
    /// Narrows it, on management calls.
    pub subcode: Option<i64>,
    /// `OAuthException`, `GraphMethodException` …
    pub kind: String,
    /// Meta's words; not stable.
    pub message: String,
    /// `error_data.details`, the reason for humans.
    pub details: Option<String>,
    /// What Meta's support asks for.
    pub fbtrace_id: Option<String>,
    /// Meta says that it may pass by itself; a hint on management calls.
    pub is_transient: bool,
    /// A title for the person at the screen, translated.
    pub user_title: Option<String>,
    /// A text for the person at the screen, translated.
    pub user_msg: Option<String>,
    /// `error_data` as it came; where it was JSON in a string, what that string says.
    pub error_data: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope {
    error: Wire,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "opt_int")]
    code: Option<i64>,
    #[serde(deserialize_with = "opt_int")]
    error_subcode: Option<i64>,
    #[serde(rename = "type", deserialize_with = "opt_text")]
    kind: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    message: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    fbtrace_id: Option<String>,
    is_transient: Option<bool>,
    #[serde(deserialize_with = "opt_text")]
    error_user_title: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    error_user_msg: Option<String>,
    error_data: Option<Value>,
    #[serde(flatten)]
    _extra: Extra,
}

impl GraphError {
    /// Reads the envelope; `None` where the body is none, or names no code: then nobody has said no.
    #[must_use]
    pub fn from_body(body: &[u8]) -> Option<Self> {
        let Envelope { error } = serde_json::from_slice(body).ok()?;
        let error_data = error.error_data.map(|data| match &data {
            Value::String(text) => {
                serde_json::from_str::<Value>(text).ok().filter(Value::is_object).unwrap_or(data)
            }
            _ => data,
        });
        let details = error_data.as_ref().and_then(|data| match data {
            Value::String(text) => Some(text.clone()),
            other => other.get("details")?.as_str().map(str::to_owned),
        });
        Some(Self {
            code: error.code?,
            subcode: error.error_subcode,
            kind: error.kind.unwrap_or_default(),
            message: error.message.unwrap_or_default(),
            details,
            fbtrace_id: error.fbtrace_id,
            is_transient: error.is_transient.unwrap_or_default(),
            user_title: error.error_user_title,
            user_msg: error.error_user_msg,
            error_data,
        })
    }

    /// What the product knows of it.
    #[must_use]
    pub fn explain(&self) -> Option<&'static Explanation> {
        explain_with(self.code, self.subcode)
    }

    /// Whether it says that the object is not there, or not for this token (100/33 live, 803 in Meta's generated samples).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!((self.code, self.subcode), (100, Some(33)) | (33 | 803, _))
    }

    /// Whether it says that the token is dead or lacks the right.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self.code, 0 | 3 | 10 | 102 | 104 | 190 | 200..=299)
    }

    /// Whether it says that a budget of calls is spent.
    #[must_use]
    pub const fn is_throttled(&self) -> bool {
        matches!(self.code, 4 | 17 | 32 | 613 | 80_007 | 80_008 | 130_429)
    }
}

/// Code, subcode and trace id: Meta's words may name people, so they are fields and not part of what is logged.
impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meta answered error {}", self.code)?;
        if let Some(subcode) = self.subcode {
            write!(f, "/{subcode}")?;
        }
        if let Some(known) = self.explain() {
            write!(f, " ({})", known.title)?;
        }
        if let Some(trace) = &self.fbtrace_id {
            write!(f, ", fbtrace_id {trace}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphError")
            .field("code", &self.code)
            .field("subcode", &self.subcode)
            .field("kind", &self.kind)
            .field("fbtrace_id", &self.fbtrace_id)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for GraphError {}

#[cfg(test)]
mod tests;
