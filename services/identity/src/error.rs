//! What can go wrong for a caller of identity, and the one place where it meets gRPC codes.

use std::time::Duration;

use server::StatusBuilder;
use tonic::{Code, Status};

use crate::domain::password::PasswordError;

/// A failure that a caller can do something about, or an internal one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("e-mail address or password is wrong")]
    SignInRefused,
    #[error("too many tries; wait before the next one")]
    Throttled(Duration),
    #[error("too many sign-ins at once; try again in a moment")]
    HashingBusy,
    #[error("the person has no place in any tenant, partner or desk")]
    NoMembership,
    #[error("the person has no such membership")]
    MembershipNotFound,
    #[error("the tenant is suspended; its provider can resume it")]
    TenantSuspended,
    #[error("the refresh token is not valid; sign in again")]
    RefreshInvalid,
    #[error("the refresh token was used before, so its session was ended; sign in again")]
    RefreshReused,
    #[error("the session has ended; sign in again")]
    SessionEnded,
    #[error("the link was used or has expired; ask for a fresh one")]
    LinkInvalid,
    #[error("the address has a password; the link works with that one")]
    LinkNeedsPassword,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("the API key is not valid")]
    KeyRefused,
    #[error("the assertion is not valid")]
    AssertionRefused,
    #[error("no such person in this tenant")]
    PersonNotFound,
    #[error("the person works at a desk, and desks put nobody of their own into a tenant")]
    PersonAtDesk,
    #[error("the tenant has an owner, who adds its people")]
    TenantHasOwner,
    #[error("no such tenant")]
    TenantNotFound,
    #[error("no such partner")]
    PartnerNotFound,
    #[error("no such API key")]
    KeyNotFound,
    #[error("no such dead letter")]
    DeadLetterNotFound,
    #[error("the role permits more than the caller has")]
    RoleTooHigh,
    #[error("the token does not permit {0}")]
    NotPermitted(&'static str),
    #[error("the person has another role there; change it instead")]
    OtherRole,
    #[error("a tenant keeps at least one owner; make another one first")]
    LastOwner,
    #[error("this needs a person who signed in")]
    NotAPerson,
    #[error("this needs a sign-in of the last minutes; sign in again")]
    SignInAgain,
    #[error("{field}: {why}")]
    Invalid { field: &'static str, why: String },
    #[error("{what} is more than the caller has")]
    BeyondCaller { what: String },
    #[error("a tenant has at most {0} live API keys; revoke one first")]
    TooManyKeys(u64),
    #[error("a stored answer of an idempotency key cannot be read")]
    StoredAnswer,
    #[error("a secret could not be sealed or opened")]
    Seal(#[from] seal::SealError),
    #[error("a token could not be signed")]
    Signing(#[from] auth::KeyError),
    #[error("a password could not be hashed: {0}")]
    Hashing(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// A field of a request that cannot be taken.
    #[expect(clippy::needless_pass_by_value, reason = "errors are given away to it")]
    pub(crate) fn invalid(field: &'static str, why: impl ToString) -> Self {
        Self::Invalid { field, why: why.to_string() }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = match &error {
            Error::SignInRefused => (Code::Unauthenticated, "SIGN_IN_REFUSED"),
            Error::Throttled(after) => {
                return StatusBuilder::new(
                    Code::ResourceExhausted,
                    "SIGN_IN_THROTTLED",
                    error.to_string(),
                )
                .retry(*after)
                .build();
            }
            Error::HashingBusy => {
                return StatusBuilder::new(
                    Code::ResourceExhausted,
                    "SIGN_IN_BUSY",
                    error.to_string(),
                )
                .retry(Duration::from_secs(1))
                .build();
            }
            Error::NoMembership => (Code::PermissionDenied, "MEMBERSHIP_MISSING"),
            Error::MembershipNotFound => (Code::NotFound, "MEMBERSHIP_NOT_FOUND"),
            Error::TenantSuspended => (Code::PermissionDenied, "TENANT_SUSPENDED"),
            Error::RefreshInvalid => (Code::Unauthenticated, "REFRESH_INVALID"),
            Error::RefreshReused => (Code::Unauthenticated, "REFRESH_REUSED"),
            Error::SessionEnded => (Code::Unauthenticated, "SESSION_ENDED"),
            Error::LinkNeedsPassword => (Code::FailedPrecondition, "LINK_NEEDS_PASSWORD"),
            Error::LinkInvalid => (Code::FailedPrecondition, "LINK_INVALID"),
            Error::Password(wrong) => {
                return StatusBuilder::new(
                    Code::InvalidArgument,
                    match wrong {
                        PasswordError::TooShort(_) => "PASSWORD_TOO_SHORT",
                        PasswordError::TooLong => "PASSWORD_TOO_LONG",
                        PasswordError::Common => "PASSWORD_COMMON",
                        PasswordError::Context => "PASSWORD_GUESSABLE",
                    },
                    wrong.to_string(),
                )
                .violation("password", wrong.to_string())
                .build();
            }
            Error::KeyRefused => (Code::Unauthenticated, "API_KEY_REFUSED"),
            Error::AssertionRefused => (Code::Unauthenticated, "ASSERTION_REFUSED"),
            Error::PersonNotFound => (Code::NotFound, "PERSON_NOT_FOUND"),
            Error::PersonAtDesk => (Code::FailedPrecondition, "PERSON_AT_DESK"),
            Error::TenantHasOwner => (Code::FailedPrecondition, "TENANT_HAS_OWNER"),
            Error::TenantNotFound => (Code::NotFound, "TENANT_NOT_FOUND"),
            Error::PartnerNotFound => (Code::NotFound, "PARTNER_NOT_FOUND"),
            Error::KeyNotFound => (Code::NotFound, "API_KEY_NOT_FOUND"),
            Error::DeadLetterNotFound => (Code::NotFound, "DEAD_LETTER_NOT_FOUND"),
            Error::RoleTooHigh => (Code::PermissionDenied, "ROLE_BEYOND_CALLER"),
            Error::NotPermitted(_) => (Code::PermissionDenied, "PERMISSION_MISSING"),
            Error::OtherRole => (Code::AlreadyExists, "PERSON_HAS_OTHER_ROLE"),
            Error::LastOwner => (Code::FailedPrecondition, "LAST_OWNER"),
            Error::NotAPerson => (Code::PermissionDenied, "PERSON_NEEDED"),
            Error::SignInAgain => (Code::FailedPrecondition, "SIGN_IN_AGAIN"),
            Error::Invalid { field, why } => {
                return StatusBuilder::invalid(error.to_string())
                    .violation(field, why.clone())
                    .build();
            }
            Error::BeyondCaller { .. } => (Code::PermissionDenied, "BEYOND_CALLER"),
            Error::TooManyKeys(_) => (Code::FailedPrecondition, "TOO_MANY_API_KEYS"),
            Error::StoredAnswer | Error::Seal(_) | Error::Signing(_) | Error::Hashing(_) => {
                (Code::Internal, "INTERNAL")
            }
            Error::Store(source) => {
                let class = source.class();
                (Code::from_i32(class.grpc_code()), class.reason())
            }
        };
        server::status(code, reason, &error)
    }
}
