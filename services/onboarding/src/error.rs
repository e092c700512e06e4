//! What can go wrong for a caller of onboarding, and the one place where it meets gRPC codes.

use kernel::page::CursorError;
use tonic::{Code, Status};

use crate::app::settle::Trouble;

/// A failure that a caller can do something about, or an internal one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such tenant")]
    TenantNotFound,
    #[error("this business is suspended; contact your provider")]
    TenantSuspended,
    #[error("the operator suspended this business, and only the operator resumes it")]
    SuspendedByOperator,
    #[error("no such partner")]
    PartnerNotFound,
    #[error("no such onboarding")]
    OnboardingNotFound,
    #[error("no such WABA")]
    WabaNotFound,
    #[error("this invitation is unknown, used or expired; ask for a new one")]
    InvitationNotFound,
    #[error(
        "the signup page was opened elsewhere or again; reload it and start the dialog once more"
    )]
    StateRefused,
    #[error("this holds for all WABAs of the business, and the caller is limited to some of them")]
    LimitedCaller,
    #[error("{field} {problem}")]
    Invalid { field: &'static str, problem: String },
    #[error("no Meta app `{0}` is configured")]
    UnknownApp(String),
    #[error("the onboarding is {state}; {way_out}")]
    WrongState { state: &'static str, way_out: &'static str },
    #[error("{}", .0.text)]
    Signup(Trouble),
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("the page token is not one of this list's: {0}")]
    Cursor(#[from] CursorError),
    #[error("a secret could not be sealed or opened")]
    Seal(#[source] seal::SealError),
    #[error("{0}")]
    Internal(&'static str),
    #[error("the registry could not be read or written")]
    Store(#[from] store::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = match &error {
            Error::TenantNotFound => (Code::NotFound, "TENANT_NOT_FOUND"),
            Error::TenantSuspended | Error::SuspendedByOperator => {
                (Code::FailedPrecondition, "TENANT_SUSPENDED")
            }
            Error::PartnerNotFound => (Code::NotFound, "PARTNER_NOT_FOUND"),
            Error::OnboardingNotFound => (Code::NotFound, "ONBOARDING_NOT_FOUND"),
            Error::WabaNotFound => (Code::NotFound, "WABA_NOT_FOUND"),
            Error::InvitationNotFound => (Code::NotFound, "INVITATION_NOT_FOUND"),
            Error::StateRefused => (Code::FailedPrecondition, "SIGNUP_STATE_REFUSED"),
            Error::Invalid { field, .. } => {
                return server::StatusBuilder::invalid(error.to_string())
                    .violation(field, error.to_string())
                    .build();
            }
            Error::UnknownApp(_) => {
                let problem = "names no Meta app that is configured";
                return server::StatusBuilder::new(
                    Code::InvalidArgument,
                    "META_APP_UNKNOWN",
                    format!("app_id {problem}"),
                )
                .violation("app_id", problem)
                .build();
            }
            Error::WrongState { .. } => (Code::FailedPrecondition, "ONBOARDING_WRONG_STATE"),
            Error::Signup(trouble) => return signup(trouble),
            Error::LimitedCaller => (Code::PermissionDenied, "CALLER_LIMITED_TO_WABAS"),
            Error::KeyReused => (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED"),
            Error::Cursor(_) => (Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            Error::Seal(_) | Error::Internal(_) => (Code::Internal, "INTERNAL"),
            Error::Store(source) => {
                (Code::from_i32(source.class().grpc_code()), source.class().reason())
            }
        };
        server::status(code, reason, &error)
    }
}

/// What went wrong in the dialog's last step, with Meta's own words beside ours.
fn signup(trouble: &Trouble) -> Status {
    let mut status = server::StatusBuilder::new(
        Code::FailedPrecondition,
        "SIGNUP_REFUSED",
        trouble.text.clone(),
    );
    if let Some(meta) = &trouble.meta {
        status = status
            .metadata("meta_code", meta.code.to_string())
            .metadata("meta_subcode", meta.subcode.map(|code| code.to_string()).unwrap_or_default())
            .metadata("meta_message", meta.message.clone())
            .metadata("meta_details", meta.details.clone())
            .metadata("fbtrace_id", meta.fbtrace_id.clone());
    }
    status.build()
}
