//! Headers that tell a browser what it must not do (AUTH-22), and caches that answers are nobody else's (ISO-7).

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What is added to answers that do not say it themselves.
#[derive(Debug, Clone, Copy)]
pub struct SecurityHeaders {
    /// The content security policy.
    pub content_security_policy: &'static str,
    /// Which windows may keep a handle on ours.
    pub opener_policy: &'static str,
    /// Whether browsers reach us by TLS alone, and may be told to remember it.
    pub tls: bool,
}

impl SecurityHeaders {
    /// For pages of ours that load nothing from elsewhere, and for answers that are no pages.
    pub const STRICT: Self = Self {
        content_security_policy: "default-src 'none'; script-src 'self'; style-src 'self'; \
                                  img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; \
                                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        opener_policy: "same-origin",
        tls: false,
    };
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Adds the headers to each answer of `router` that lacks them. A route that needs others sets its own.
pub fn with_security_headers(router: Router, headers: SecurityHeaders) -> Router {
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| async move {
        let mut response: Response = next.run(request).await;
        let map = response.headers_mut();
        put(map, CONTENT_SECURITY_POLICY, headers.content_security_policy);
        put(map, OPENER_POLICY, headers.opener_policy);
        put(map, X_CONTENT_TYPE_OPTIONS, "nosniff");
        put(map, REFERRER_POLICY, "no-referrer");
        put(map, CACHE_CONTROL, "no-store");
        put(map, VARY, "Authorization");
        if headers.tls {
            put(map, STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
        }
        response
    }))
}

fn put(map: &mut HeaderMap, name: HeaderName, value: &'static str) {
    map.entry(name).or_insert(HeaderValue::from_static(value));
}
