//! Two roads for what goes wrong: what a mutation's caller can mend is `userErrors` in its payload; what is about
//! the token, or about us, is a top-level error with a code. Each carries a stable reason.

use std::sync::Arc;

use async_graphql::{ErrorExtensions as _, ServerError, SimpleObject};
use kernel::time::Timestamp;
use tonic::{Response, Status};

use super::call::Call;
use super::execute::MOST_ERRORS;
use super::fields;
use super::scalars::DateTime;
use crate::refusal::{Kind, Refusal};

/// Why a mutation did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct UserError {
    /// Stable, such as `TEMPLATE_NOT_SENDABLE`.
    code: String,
    /// Path of the argument that is to blame, where one is.
    field: Option<Vec<String>>,
    /// What is wrong, and the way out.
    message: String,
    /// What the code means and what to do about it.
    docs_url: String,
    /// When it is worth repeating.
    retry_at: Option<DateTime>,
}

/// A payload of a mutation, which may be a refusal.
pub(crate) trait Payload {
    /// The payload that says why nothing was done.
    fn refused(user_errors: Vec<UserError>) -> Self;
}

/// Declares payloads: what was made or changed, and why not.
macro_rules! payloads {
    ($($name:ident { $($(#[$about:meta])* $field:ident: $type:ty),* $(,)? })+) => { $(
        #[derive(Debug, Default, async_graphql::SimpleObject)]
        pub(crate) struct $name {
            $($(#[$about])* pub(crate) $field: Option<$type>,)*
            /// Why it was not done; empty when it was.
            pub(crate) user_errors: Vec<$crate::graphql::error::UserError>,
        }

        impl $crate::graphql::error::Payload for $name {
            fn refused(user_errors: Vec<$crate::graphql::error::UserError>) -> Self {
                Self { user_errors, ..Self::default() }
            }
        }
    )+ };
}
pub(crate) use payloads;

/// What was tried, or the mutation's payload that says why not.
macro_rules! or_refuse {
    ($call:expr, $tried:expr) => {
        match $tried {
            Ok(value) => value,
            Err(refusal) => return $call.refused(&refusal),
        }
    };
}
pub(crate) use or_refuse;

impl Call {
    /// A refusal as a top-level error.
    pub(crate) fn error(&self, refusal: impl Into<Refusal>) -> async_graphql::Error {
        error_of(&refusal.into(), self.now())
    }

    /// A service's answer to a mutation as its payload.
    pub(crate) fn settle<T, P: Payload>(
        &self,
        answer: Result<Response<T>, Status>,
        done: impl FnOnce(T) -> P,
    ) -> async_graphql::Result<P> {
        let refusal = match answer {
            Ok(answer) => return Ok(done(answer.into_inner())),
            Err(status) => Refusal::from(status),
        };
        self.refused(&refusal)
    }

    /// A refusal as a mutation's payload, where its caller can mend it.
    pub(crate) fn refused<P: Payload>(&self, refusal: &Refusal) -> async_graphql::Result<P> {
        match refusal.kind() {
            Kind::Domain | Kind::NotFound => Ok(P::refused(self.user_errors(refusal))),
            Kind::Unauthenticated | Kind::Denied | Kind::Unavailable | Kind::Internal => {
                Err(error_of(refusal, self.now()))
            }
        }
    }

    /// What a service answered to a question about one thing: null where it is not there.
    pub(crate) fn found<T>(
        &self,
        answer: Result<Response<T>, Status>,
    ) -> async_graphql::Result<Option<T>> {
        match answer.map_err(Refusal::from) {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(refusal) if refusal.kind() == Kind::NotFound => Ok(None),
            Err(refusal) => Err(error_of(&refusal, self.now())),
        }
    }

    /// What a service answered to any other question.
    pub(crate) fn answered<T>(
        &self,
        answer: Result<Response<T>, Status>,
    ) -> async_graphql::Result<T> {
        answer.map(Response::into_inner).map_err(|status| self.error(status))
    }

    fn user_errors(&self, refusal: &Refusal) -> Vec<UserError> {
        let one = |field: Option<Vec<String>>, message: String| UserError {
            code: refusal.reason.clone(),
            field,
            message,
            docs_url: self.docs_of(&refusal.reason),
            retry_at: refusal.retry.map(|after| DateTime(self.now() + after)),
        };
        if refusal.violations.is_empty() {
            return vec![one(None, fields::sentence(&refusal.message))];
        }
        let violations = refusal.violations.iter().take(MOST_ERRORS);
        violations
            .map(|(field, message)| {
                one(Some(fields::input_path(field)), fields::problem(field, message))
            })
            .collect()
    }
}

fn error_of(refusal: &Refusal, now: Timestamp) -> async_graphql::Error {
    // By the arguments' own names, where the service says which they are.
    let named = refusal.violations.iter().take(MOST_ERRORS).map(|(field, message)| {
        format!("`{}`: {}", fields::argument(field), fields::problem(field, message))
    });
    let named: Vec<String> = named.collect();
    let message =
        if named.is_empty() { fields::sentence(&refusal.message) } else { named.join("; ") };
    async_graphql::Error { message, source: Some(Arc::new(refusal.clone())), extensions: None }
        .extend_with(|_, extensions| {
            extensions.set("code", refusal.code_name());
            extensions.set("reason", refusal.reason.as_str());
            if let Some(after) = refusal.retry {
                extensions.set("retryAt", (now + after).rfc3339());
            }
        })
}

/// A refusal of what GraphQL has not looked at yet.
pub(crate) fn server_error(refusal: &Refusal, now: Timestamp) -> ServerError {
    let async_graphql::Error { message, extensions, source } = error_of(refusal, now);
    ServerError { extensions, source, ..ServerError::new(message, None) }
}
