//! Statuses with the details that callers act on: `google.rpc.ErrorInfo` with a stable reason, field violations,
//! and when to repeat. The gateway reads them back with [`Refusal::of`].

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of every reason of ours.
pub const DOMAIN: &str = "switchboard";

/// What a caller hears of an internal fault (SEC-6).
const INTERNAL: &str = "internal error; the log has it under the request's trace id";

/// Longest text of a status, in bytes.
const LONGEST: usize = 600;
/// All violations of a status together, in bytes.
const LONGEST_ALL: usize = 4_000;

/// The text, cut where it is too long.
fn bounded(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// Builds a status piece by piece.
#[derive(Debug, Clone)]
pub struct StatusBuilder {
    code: Code,
    message: String,
    reason: String,
    metadata: HashMap<String, String>,
    violations: Vec<(String, String)>,
    retry: Option<Duration>,
}

impl StatusBuilder {
    /// A status; `reason` is stable and documented, `message` names the thing and the way out.
    pub fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason: reason.to_owned(),
            metadata: HashMap::new(),
            violations: Vec::new(),
            retry: None,
        }
    }

    /// A request with fields that can't be taken; name them with [`Self::violation`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", message)
    }

    /// A value that the caller can use, such as Meta's code.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// A field, as the request names it, and what is wrong with it.
    #[must_use]
    pub fn violation(mut self, field: &str, description: impl Into<String>) -> Self {
        self.violations.push((field.to_owned(), description.into()));
        self
    }

    /// When it is worth repeating.
    #[must_use]
    pub const fn retry(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }

    /// The status. Its words are bounded: they may quote what was sent, and they travel in headers, which a peer takes
    /// up to 16 KiB.
    pub fn build(self) -> Status {
        let metadata = self.metadata.into_iter().map(|(key, value)| (key, bounded(value, LONGEST)));
        let metadata: HashMap<_, _> = metadata.collect();
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, metadata);
        let mut room = LONGEST_ALL;
        for (field, description) in self.violations {
            let (field, description) = (bounded(field, LONGEST), bounded(description, LONGEST));
            let Some(left) = room.checked_sub(field.len() + description.len()) else { break };
            room = left;
            details.add_bad_request_violation(field, description);
        }
        if self.retry.is_some() {
            details.set_retry_info(self.retry);
        }
        Status::with_error_details(self.code, bounded(self.message, LONGEST), details)
    }
}

impl From<StatusBuilder> for Status {
    fn from(builder: StatusBuilder) -> Self {
        builder.build()
    }
}

/// The status of an error: its `Display` is what the caller reads, except of an internal one, which is logged,
/// once and here, and hidden.
pub fn status(code: Code, reason: &str, error: &(impl Error + 'static)) -> Status {
    match code {
        Code::Internal | Code::Unknown | Code::DataLoss => {
            tracing::error!(error = error as &dyn Error, reason, "internal fault");
            StatusBuilder::new(code, reason, INTERNAL).build()
        }
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unavailable
        | Code::Unauthenticated => {
            tracing::debug!(error = error as &dyn Error, reason, "refused");
            StatusBuilder::new(code, reason, error.to_string()).build()
        }
    }
}

/// An internal fault without an error of its own; `what` is logged, not told.
pub fn internal(what: &'static str) -> Status {
    tracing::error!(what, "internal fault");
    StatusBuilder::new(Code::Internal, "INTERNAL", INTERNAL).build()
}

/// What a status says, read back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// The stable reason; empty if the status is not one of ours.
    pub reason: String,
    /// Values that go with it.
    pub metadata: BTreeMap<String, String>,
    /// Fields and what is wrong with them.
    pub violations: Vec<(String, String)>,
    /// When it is worth repeating.
    pub retry: Option<Duration>,
}

impl Refusal {
    /// Reads the details of a status.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let (reason, metadata) = details
            .error_info()
            .filter(|info| info.domain == DOMAIN)
            .map(|info| (info.reason.clone(), info.metadata.clone().into_iter().collect()))
            .unwrap_or_default();
        let violations = details.bad_request().map_or_else(Vec::new, |request| {
            let fields = request.field_violations.iter();
            fields.map(|one| (one.field.clone(), one.description.clone())).collect()
        });
        let retry = details.retry_info().and_then(|info| info.retry_delay);
        Self { reason, metadata, violations, retry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("Key (email)=(someone@example.com) already exists")]
    struct Telling;

    #[test]
    fn what_is_built_is_read_back() {
        let status = StatusBuilder::new(Code::InvalidArgument, "NAME_TAKEN", "the name is taken")
            .metadata("name", "welcome")
            .violation("template.name", "is taken")
            .retry(Duration::from_secs(3))
            .build();
        let refusal = Refusal::of(&status);
        assert_eq!(status.message(), "the name is taken");
        assert_eq!(refusal.reason, "NAME_TAKEN");
        assert_eq!(refusal.metadata["name"], "welcome");
        assert_eq!(refusal.violations, [("template.name".to_owned(), "is taken".to_owned())]);
        assert_eq!(refusal.retry, Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_quoted_does_not_outgrow_the_headers() {
        let long = "ä".repeat(70_000);
        let mut builder =
            StatusBuilder::invalid(format!("`{long}` is no role")).metadata("role", &long);
        for _ in 0..2_000 {
            builder = builder.violation(&long, "is no role");
        }
        let status = builder.build();
        assert!(status.message().len() < 700 && status.message().ends_with('…'));
        assert!(status.details().len() < 8_000, "{} bytes", status.details().len());
        assert!(!Refusal::of(&status).violations.is_empty());
    }

    #[test]
    fn an_internal_fault_keeps_its_text_inside() {
        let status = status(Code::Internal, "STORE", &Telling);
        assert!(!status.message().contains("example.com"));
        assert_eq!(Refusal::of(&status).reason, "STORE");
    }

    #[test]
    fn other_faults_tell_the_caller_the_way_out() {
        assert_eq!(status(Code::NotFound, "X", &Telling).message(), Telling.to_string());
    }

    #[test]
    fn a_status_of_others_has_no_reason_of_ours() {
        assert_eq!(Refusal::of(&Status::unavailable("away")), Refusal::default());
    }
}
