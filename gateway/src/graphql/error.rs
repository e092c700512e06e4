//! Two roads for what goes wrong: what a mutation's caller can mend is `userErrors` in its payload; what is about
//! the token, or about us, is a top-level error with a code. Each carries a stable reason.

use std::sync::Arc;

use async_graphql::{ErrorExtensions as _, ServerError, SimpleObject};
use kernel::time::Timestamp;
use tonic::{Response, Status};

use super::call::Call;
use super::execute::MOST_ERRORS;
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
        let one = |field: Option<Vec<String>>, message: &str| UserError {
            code: refusal.reason.clone(),
            field,
            message: message.to_owned(),
            docs_url: self.docs_of(&refusal.reason),
            retry_at: refusal.retry.map(|after| DateTime(self.now() + after)),
        };
        if refusal.violations.is_empty() {
            return vec![one(None, &refusal.message)];
        }
        let violations = refusal.violations.iter().take(MOST_ERRORS);
        violations
            .map(|(field, message)| one(Some(input_path(field)), without_name(field, message)))
            .collect()
    }
}

fn error_of(refusal: &Refusal, now: Timestamp) -> async_graphql::Error {
    // By the arguments' own names, where the service says which they are.
    let named = refusal.violations.iter().take(MOST_ERRORS).map(|(field, message)| {
        let path = input_path(field).split_off(1).join(".");
        format!("`{path}`: {}", without_name(field, message))
    });
    let named: Vec<String> = named.collect();
    let message = if named.is_empty() { refusal.message.clone() } else { named.join("; ") };
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
    let async_graphql::Error { message, extensions, .. } = error_of(refusal, now);
    ServerError { extensions, ..ServerError::new(message, None) }
}

/// What is wrong with a field, where the sentence begins with the contract's name of it.
fn without_name<'a>(field: &str, message: &'a str) -> &'a str {
    let rest = message.strip_prefix(field).filter(|rest| rest.starts_with([':', ' ']));
    rest.map_or(message, |rest| rest.trim_start_matches([':', ' ']))
}

/// The path of an input's field, from the name that the contract has for it: `components_json[0].text` is
/// `["input", "components", "0", "text"]`.
fn input_path(field: &str) -> Vec<String> {
    let parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
    let mut path = vec!["input".to_owned()];
    for (depth, part) in parts.enumerate() {
        path.push(if depth == 0 { root_field(part) } else { camel(part) });
    }
    path
}

/// Fields that GraphQL names otherwise than the contracts do.
fn root_field(name: &str) -> String {
    match name {
        "key_id" => "apiKeyId".to_owned(),
        "body_json" => "content".to_owned(),
        "expires_in_s" => "expiresInSeconds".to_owned(),
        _ => match name.strip_suffix("_us") {
            // Instants: `expires_us`, and `send_at_us`, which has its "at" already.
            Some(at) if at.ends_with("_at") => camel(at),
            Some(bare) => camel(&format!("{bare}_at")),
            None => camel(name.strip_suffix("_json").unwrap_or(name)),
        },
    }
}

fn camel(snake: &str) -> String {
    let mut out = String::with_capacity(snake.len());
    let mut upper = false;
    for letter in snake.chars() {
        if letter == '_' {
            upper = !out.is_empty();
        } else if upper {
            out.extend(letter.to_uppercase());
            upper = false;
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("name", &["input", "name"])]
    #[case("waba_id", &["input", "wabaId"])]
    #[case("key_id", &["input", "apiKeyId"])]
    #[case("expires_us", &["input", "expiresAt"])]
    #[case("send_at_us", &["input", "sendAt"])]
    #[case("expires_in_s", &["input", "expiresInSeconds"])]
    #[case("components_json[0].text", &["input", "components", "0", "text"])]
    #[case("body_json.text.preview_url", &["input", "content", "text", "previewUrl"])]
    fn a_violation_names_the_argument(#[case] field: &str, #[case] path: &[&str]) {
        assert_eq!(input_path(field), path);
    }
}
