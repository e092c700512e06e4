//! What stands before every route: id, span, limits of the request, and the net under a panic.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::{HeaderName, HeaderValue, StatusCode};
use kernel::ids::{SystemIds, random_token};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::body::{BodyLimits, Limited, Policy};
use super::{ClientAddr, HttpLimits};
use crate::metrics;

/// Header that names the request in every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: in its extensions, its span and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Makes the answer where the listener itself refuses: the status, a sentence, the path and the request's id.
pub type Refusal = fn(StatusCode, &'static str, &str, &RequestId) -> Response;

/// A refusal as a small JSON object, for who has no envelope of their own.
pub fn plain_refusal(
    status: StatusCode,
    message: &'static str,
    _path: &str,
    id: &RequestId,
) -> Response {
    json_refusal(status, code_of(status), message, id)
}

/// A refusal in JSON: a word for programs, a sentence for people, and the request's id.
pub fn json_refusal(status: StatusCode, code: &str, message: &str, id: &RequestId) -> Response {
    let body = serde_json::json!({
        "error": { "code": code, "message": message, "request_id": id.0 },
    });
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The word that a program tells refusals apart by.
const fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "BODY_TOO_LARGE",
        StatusCode::REQUEST_TIMEOUT => "BODY_TOO_SLOW",
        StatusCode::URI_TOO_LONG => "REQUEST_LINE_TOO_LONG",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UNSUPPORTED_MEDIA_TYPE",
        _ => "INTERNAL",
    }
}

pub(super) struct Guard {
    pub(super) name: &'static str,
    pub(super) limits: HttpLimits,
    pub(super) refusal: Refusal,
    pub(super) ids: SystemIds,
}

/// Address of the peer, put there by the connection.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId(random_token(&guard.ids, 12));
    let started = Instant::now();
    let (method, version) = (request.method().clone(), request.version());
    let path = request.uri().path().to_owned();
    // The route, never what stands in its places: a query may carry a token (SEC-5), and so may a path (an invitation).
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = tracing::info_span!(
        "http.request",
        otel.name = %format_args!("{method} {}", route.as_ref().map_or(guard.name, MatchedPath::as_str)),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route.as_ref().map(MatchedPath::as_str),
        http.response.status_code = tracing::field::Empty,
        request.id = %id.0,
    );
    if guard.limits.trace_context {
        telemetry::propagation::set_parent(
            &span,
            telemetry::propagation::extract_http(request.headers()),
        );
    }

    let policy = Policy::new(guard.limits.body);
    let refused = refusal_of(&request, &guard.limits);
    prepare(&mut request, &guard.limits, &policy, &id);

    let mut response = if let Some((status, message)) = refused {
        (guard.refusal)(status, message, &path, &id)
    } else {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        match answer.instrument(span.clone()).await {
            Ok(response) => match policy.refused() {
                Some(status) => {
                    let mut response = (guard.refusal)(status, message_of(status), &path, &id);
                    // What is left of the body is not read: the connection can't be used again.
                    if version <= http::Version::HTTP_11 {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    response
                }
                None => response,
            },
            // Its place is in the log; its text may hold values and goes nowhere.
            Err(_panic) => {
                (guard.refusal)(StatusCode::INTERNAL_SERVER_ERROR, "internal error", &path, &id)
            }
        }
    };
    if version <= http::Version::HTTP_11 {
        policy.linger().await;
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    let took = started.elapsed();
    span.in_scope(|| tracing::debug!(duration_ms = millis(took), "answered"));
    metrics::http_request(guard.name, &method, status, took);
    response
}

fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn refusal_of(request: &Request, limits: &HttpLimits) -> Option<(StatusCode, &'static str)> {
    let line = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if line > limits.request_line_bytes {
        return Some((StatusCode::URI_TOO_LONG, message_of(StatusCode::URI_TOO_LONG)));
    }
    let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if limits.refuse_encoded && request.headers().get_all(CONTENT_ENCODING).iter().any(encoded) {
        return Some((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message_of(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ));
    }
    None
}

const fn message_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the request body is too large",
        StatusCode::REQUEST_TIMEOUT => "the request body came too slowly",
        StatusCode::URI_TOO_LONG => "the request line is too long",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "encoded request bodies are not accepted",
        _ => "the request was refused",
    }
}

fn prepare(request: &mut Request, limits: &HttpLimits, policy: &Policy, id: &RequestId) {
    if let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() {
        let client = ClientAddr::of(peer, request.headers(), limits.trusted_hops);
        request.extensions_mut().insert(client);
    }
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(policy.clone());
    let body = std::mem::take(request.body_mut());
    let waits = request.headers().contains_key(EXPECT);
    *request.body_mut() = Body::new(Limited::new(body, policy.clone(), waits));
}

impl HttpLimits {
    /// The same with other limits of the body.
    #[must_use]
    pub const fn with_body(mut self, body: BodyLimits) -> Self {
        self.body = body;
        self
    }
}
