//! What a service's refusal means to our caller, whatever wire it came by: REST, OAuth or GraphQL.
//!
//! Words that a service of ours chose for its caller are passed on; all others (of transports, of faults inside)
//! stay here: the caller gets a fixed text and the request's id (SEC-6).

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use tonic::{Code, Status};

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The kind, as gRPC tells them apart.
    pub(crate) code: Code,
    /// Stable; each has its paragraph in the docs.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// Values that go with the reason.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Fields of the request and what is wrong with them, as the service names them.
    pub(crate) violations: Vec<(String, String)>,
    /// When it is worth repeating.
    pub(crate) retry: Option<Duration>,
}

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The caller, about what was asked.
    Domain,
    /// Nobody: it is not there.
    NotFound,
    /// The caller, about the token.
    Unauthenticated,
    /// Who gives permissions.
    Denied,
    /// Nobody: repeat.
    Unavailable,
    /// We.
    Internal,
}

impl Refusal {
    pub(crate) fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            retry: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", message)
    }

    /// A field of the request, as the service names it, and what is wrong with it.
    pub(crate) fn of_field(field: &str, problem: &str) -> Self {
        let violations = vec![(field.to_owned(), problem.to_owned())];
        Self { violations, ..Self::invalid(format!("{field} {problem}")) }
    }

    pub(crate) fn unauthenticated(reason: &str, message: &str) -> Self {
        Self::new(Code::Unauthenticated, reason, message)
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self.code {
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::ResourceExhausted => Kind::Domain,
            Code::NotFound => Kind::NotFound,
            Code::Unauthenticated => Kind::Unauthenticated,
            Code::PermissionDenied => Kind::Denied,
            Code::Unavailable | Code::DeadlineExceeded => Kind::Unavailable,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Kind::Internal,
        }
    }

    /// The code's name, as `extensions.code` shows it.
    pub(crate) const fn code_name(&self) -> &'static str {
        match self.code {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::NotFound => "NOT_FOUND",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => "INTERNAL",
        }
    }

    /// The HTTP status of a plain answer.
    pub(crate) const fn http_status(&self) -> StatusCode {
        match self.code {
            Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Refusals of the gateway itself: the caller can do nothing about them.
fn is_our_fault(reason: &str) -> bool {
    matches!(
        reason,
        "SERVICE_TOKEN_MISSING"
            | "SERVICE_TOKEN_INVALID"
            | "CALLER_NOT_ALLOWED"
            | "USER_TOKEN_REFUSED"
            | "METHOD_UNKNOWN"
    )
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let told = server::Refusal::of(&status);
        let mut refusal = Self {
            code: status.code(),
            reason: told.reason,
            message: status.message().to_owned(),
            metadata: told.metadata,
            violations: told.violations,
            retry: told.retry,
        };
        let ours = !refusal.reason.is_empty();
        if is_our_fault(&refusal.reason) || refusal.kind() == Kind::Internal {
            tracing::error!(
                error = &status as &dyn std::error::Error,
                reason = refusal.reason,
                "a call failed"
            );
            return Self::new(
                Code::Internal,
                "INTERNAL",
                "internal error; tell the operator the request's id",
            );
        }
        if !ours {
            // Not our words: a transport's, or a library's.
            tracing::warn!(
                error = &status as &dyn std::error::Error,
                "a call was refused in foreign words"
            );
            refusal.reason = refusal.code_name().to_owned();
            let fixed = match refusal.kind() {
                Kind::Unavailable => "a part of the system cannot be reached now; repeat",
                Kind::Domain => "the request was refused",
                Kind::NotFound => "not found",
                Kind::Unauthenticated => "the token is not valid",
                Kind::Denied => "the token does not permit this",
                Kind::Internal => "internal error",
            };
            fixed.clone_into(&mut refusal.message);
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use server::StatusBuilder;

    use super::*;

    #[test]
    fn a_transports_words_stay_inside() {
        let refusal = Refusal::from(Status::unavailable("tcp connect error: 10.0.0.7:50051"));
        assert_eq!(refusal.kind(), Kind::Unavailable);
        assert!(!refusal.message.contains("10.0.0.7"));
        assert_eq!(refusal.reason, "UNAVAILABLE");
    }

    #[test]
    fn a_faults_words_stay_inside() {
        let status = StatusBuilder::new(Code::Internal, "STORE", "Key (email)=(a@b.test)").build();
        let refusal = Refusal::from(status);
        assert_eq!(refusal.reason, "INTERNAL");
        assert!(!refusal.message.contains("a@b.test"));
    }

    #[rstest]
    #[case("SERVICE_TOKEN_INVALID", Code::Unauthenticated)]
    #[case("CALLER_NOT_ALLOWED", Code::PermissionDenied)]
    fn a_refusal_of_the_gateway_is_not_the_callers(#[case] reason: &str, #[case] code: Code) {
        let refusal = Refusal::from(StatusBuilder::new(code, reason, "no").build());
        assert_eq!(refusal.kind(), Kind::Internal);
    }

    #[test]
    fn a_services_words_are_passed_on() {
        let status = StatusBuilder::invalid("the name is too long")
            .violation("name", "at most 200 characters")
            .retry(Duration::from_secs(3))
            .build();
        let refusal = Refusal::from(status);
        assert_eq!(refusal.message, "the name is too long");
        assert_eq!(refusal.violations, [("name".to_owned(), "at most 200 characters".to_owned())]);
        assert_eq!(refusal.retry, Some(Duration::from_secs(3)));
        assert_eq!(refusal.http_status(), StatusCode::BAD_REQUEST);
    }
}
