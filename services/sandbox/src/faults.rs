//! Faults that a test plants: for which calls, how often, and what then happens. They are kept in
//! memory and on disk, so that a restart of the sandbox does not heal it.

use serde::{Deserialize, Serialize};

use crate::model::Doc;

/// A planted fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fault {
    #[serde(default)]
    pub(crate) id: String,
    /// Name of the operation, or `any`.
    pub(crate) operation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waba_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number_id: Option<String>,
    /// Only for this share of the calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
    pub(crate) action: Action,
    /// How often still; absent = until deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
}

impl Doc for Fault {
    const KIND: &'static str = "fault";
    fn key(&self) -> String {
        self.id.clone()
    }
}

/// What a fault does; several may stand together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Action {
    /// All the work is done, then the connection closes without an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) drop_answer: bool,
    /// The connection closes before any work.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) drop_before: bool,
    /// A refusal in Meta's envelope, no work done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorAction>,
    /// The call waits first, in the machine's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// The first status webhook arrives before the answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) webhook_first: bool,
    /// Each status webhook comes so many times more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duplicate_webhooks: Option<u32>,
    /// A bare HTTP failure, no work done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    /// 200, then a `failed` webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) async_error: Option<ErrorAction>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// An error of Meta's to answer with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorAction {
    pub(crate) code: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subcode: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<String>,
}

/// The call that faults are matched with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    pub(crate) operation: &'a str,
    pub(crate) method: &'a str,
    pub(crate) app_id: Option<&'a str>,
    pub(crate) waba_id: Option<&'a str>,
    pub(crate) number_id: Option<&'a str>,
}

impl Fault {
    /// Whether this call is meant; a filter that the call does not answer does not match.
    pub(crate) fn meets(&self, target: Target<'_>) -> bool {
        let same = |wanted: Option<&str>, got: Option<&str>| wanted.is_none_or(|w| got == Some(w));
        self.times != Some(0)
            && (self.operation == "any" || self.operation == target.operation)
            && self
                .method
                .as_deref()
                .is_none_or(|method| method.eq_ignore_ascii_case(target.method))
            && same(self.app_id.as_deref(), target.app_id)
            && same(self.waba_id.as_deref(), target.waba_id)
            && same(self.phone_number_id.as_deref(), target.number_id)
            && self.share.is_none_or(|share| rand::random_range(0.0..1.0) < share)
    }
}

impl Action {
    /// Lays another fault of the same call over this one.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            drop_answer: self.drop_answer || other.drop_answer,
            drop_before: self.drop_before || other.drop_before,
            error: self.error.or(other.error),
            delay_ms: self.delay_ms.max(other.delay_ms),
            webhook_first: self.webhook_first || other.webhook_first,
            duplicate_webhooks: self.duplicate_webhooks.max(other.duplicate_webhooks),
            http_status: self.http_status.or(other.http_status),
            async_error: self.async_error.or(other.async_error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_only_the_calls_it_names() {
        let fault: Fault = serde_json::from_str(
            r#"{"operation":"messages","app_id":"1","action":{"drop_answer":true},"times":2}"#,
        )
        .unwrap();
        let target = Target {
            operation: "messages",
            method: "POST",
            app_id: Some("1"),
            ..Target::default()
        };
        assert!(fault.meets(target));
        assert!(!fault.meets(Target { app_id: Some("2"), ..target }));
        assert!(!fault.meets(Target { app_id: None, ..target }));
        assert!(!fault.meets(Target { operation: "register", ..target }));
        assert!(!Fault { times: Some(0), ..fault }.meets(target));
    }
}
