//! The judge before every method, in the order of ISO-3: the service's token, `callers`, the kind of method, the
//! user's token, the kind of user, the permission. The first that fails ends it, before the body is read and
//! before anything is looked up; what a handler then finds in the extensions was made by a verified token.

use std::sync::Arc;

use auth::{Principal, Scope, TokenError};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};

use crate::methods::{Access, INFRASTRUCTURE, Methods};
use crate::metrics;
use crate::security::Security;
use crate::status::StatusBuilder;

/// The header with our own token (AUTH-17); the user's is in `authorization`.
pub const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-switchboard-service");

struct Judge {
    methods: &'static Methods,
    security: Security,
    reflection: bool,
}

/// Puts the judge before all routes of `router`. Health is open, and so is reflection where it is served.
pub fn with_access(
    router: Router,
    methods: &'static Methods,
    security: Security,
    reflection: bool,
) -> Router {
    let judge = Arc::new(Judge { methods, security, reflection });
    router.layer(axum::middleware::from_fn_with_state(judge, decide))
}

async fn decide(State(judge): State<Arc<Judge>>, mut request: Request, next: Next) -> Response {
    match judge.judge(&mut request).await {
        Ok(()) => in_our_words(next.run(request).await),
        Err(refused) => {
            metrics::refused(refused.reason);
            refused.status.into_http()
        }
    }
}

/// A request that is no message of its method never reaches a handler: the codec answers, and calls it a fault of
/// ours. It is the caller's.
fn in_our_words(answer: Response) -> Response {
    let told =
        Status::from_header_map(answer.headers()).filter(|status| status.details().is_empty());
    let Some(told) = told else { return answer };
    let words = told.message();
    let (code, reason) = match told.code() {
        Code::Internal if MALFORMED.iter().any(|sign| words.starts_with(sign)) => {
            (Code::InvalidArgument, "MESSAGE_MALFORMED")
        }
        Code::OutOfRange if words.contains("message length too large") => {
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
        }
        _ => return answer,
    };
    metrics::refused(reason);
    let message = format!("the request is no message that this method takes: {words}");
    StatusBuilder::new(code, reason, message).build().into_http()
}

/// How the codec's words begin.
const MALFORMED: [&str; 3] = [
    "failed to decode Protobuf message",
    "protocol error: received message with",
    "Unexpected EOF",
];

struct Refused {
    reason: &'static str,
    status: Status,
}

fn refuse(code: Code, reason: &'static str, message: impl Into<String>) -> Refused {
    Refused { reason, status: StatusBuilder::new(code, reason, message).build() }
}

impl Judge {
    async fn judge(&self, request: &mut Request) -> Result<(), Refused> {
        // Whatever a peer may have smuggled into extensions, it did not come from here.
        request.extensions_mut().remove::<Scope>();
        request.extensions_mut().remove::<auth::Caller>();

        let path = request.uri().path();
        let Some(method) = self.methods.get(path) else {
            let (health, reflection) = INFRASTRUCTURE.split_first().unwrap_or((&"", &[]));
            let open = path.starts_with(health)
                || (self.reflection && reflection.iter().any(|prefix| path.starts_with(prefix)));
            return if open {
                Ok(())
            } else {
                Err(refuse(Code::Unimplemented, "METHOD_UNKNOWN", "no such method"))
            };
        };
        let service_token = single(request.headers(), &SERVICE_TOKEN)?.map(str::to_owned);
        let user_token = single(request.headers(), &AUTHORIZATION)?.map(str::to_owned);

        let callers = match &method.access {
            Access::Public => return Ok(()),
            Access::User { callers, .. } | Access::Service { callers } => callers,
        };
        if !self.security.has_keys() {
            return Err(refuse(
                Code::Unavailable,
                "NOT_READY",
                "the service has no keys to verify tokens with yet",
            ));
        }
        let service_token = service_token.ok_or_else(|| {
            refuse(Code::Unauthenticated, "SERVICE_TOKEN_MISSING", "the call has no service token")
        })?;
        let caller = self.security.service(&service_token).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "service token refused");
            refuse(Code::Unauthenticated, "SERVICE_TOKEN_INVALID", "the service token is not valid")
        })?;
        if !callers.contains(&caller.service()) {
            return Err(refuse(
                Code::PermissionDenied,
                "CALLER_NOT_ALLOWED",
                format!("{} may not call this method", caller.service()),
            ));
        }
        request.extensions_mut().insert(caller);

        let (permission, principals) = match &method.access {
            Access::User { permission, principals, .. } => (*permission, principals),
            Access::Public | Access::Service { .. } => {
                return if user_token.is_none() {
                    Ok(())
                } else {
                    Err(refuse(
                        Code::PermissionDenied,
                        "USER_TOKEN_REFUSED",
                        "the method is for services on their own behalf and takes no user token",
                    ))
                };
            }
        };
        let scope = self.user(user_token.as_deref()).await?;
        if !principals.contains(&scope.principal()) {
            return Err(refuse(
                Code::PermissionDenied,
                "PRINCIPAL_NOT_ALLOWED",
                format!("the method is not for {}", kind_of(scope.principal())),
            ));
        }
        if !scope.permits(permission) {
            let status = StatusBuilder::new(
                Code::PermissionDenied,
                "PERMISSION_MISSING",
                format!("the token does not permit {permission}"),
            );
            let status = status.metadata("permission", permission.as_str()).build();
            return Err(Refused { reason: "PERMISSION_MISSING", status });
        }
        request.extensions_mut().insert(scope);
        Ok(())
    }

    async fn user(&self, header: Option<&str>) -> Result<Scope, Refused> {
        let header = header.ok_or_else(|| {
            refuse(Code::Unauthenticated, "USER_TOKEN_MISSING", "the call has no user token")
        })?;
        let token = bearer(header).ok_or_else(|| {
            refuse(Code::Unauthenticated, "USER_TOKEN_INVALID", "authorization is no bearer token")
        })?;
        self.security.user(token).await.map_err(|error| {
            let reason = reason_of(&error);
            tracing::debug!(error = &error as &dyn std::error::Error, "user token refused");
            refuse(Code::Unauthenticated, reason, message_of(reason))
        })
    }
}

/// The token of an `authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The one value of a header. A second one is refused: which of the two counts must never be a question.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse(
            Code::InvalidArgument,
            "DUPLICATE_HEADER",
            format!("{name} stands twice in the call"),
        ));
    }
    value.to_str().map(Some).map_err(|_| {
        refuse(Code::InvalidArgument, "MALFORMED_HEADER", format!("{name} is not readable"))
    })
}

const fn kind_of(principal: Principal) -> &'static str {
    match principal {
        Principal::User => "callers of a tenant",
        Principal::Partner => "partners",
        Principal::Operator => "operators",
    }
}

/// What a caller can do about it: sign in again, or come back with another token. Why a token is not ours is
/// nobody else's to know.
pub(crate) const fn reason_of(error: &TokenError) -> &'static str {
    match error {
        TokenError::Expired => "TOKEN_EXPIRED",
        TokenError::Dead => "TOKEN_REVOKED",
        TokenError::TooLong
        | TokenError::Malformed
        | TokenError::Type
        | TokenError::UnknownKey
        | TokenError::Algorithm
        | TokenError::Signature
        | TokenError::Shape
        | TokenError::Issuer
        | TokenError::Audience
        | TokenError::Claims(_)
        | TokenError::NotYet
        | TokenError::LivesTooLong => "USER_TOKEN_INVALID",
    }
}

pub(crate) fn message_of(reason: &str) -> &'static str {
    match reason {
        "TOKEN_EXPIRED" => "the token has expired; come back with a fresh one",
        "TOKEN_REVOKED" => "the token was revoked; sign in again",
        _ => "the token is not valid",
    }
}
