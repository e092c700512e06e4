//! The admin listener: is the process alive, is it ready, what does it measure. Its port is never public.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::FollowedClock;
use crate::health::Readiness;
use crate::http::{Error, HttpLimits, HttpServer, Listener};

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    clock: Option<Arc<FollowedClock>>,
}

/// `/livez`: the process answers; `/readyz`: 200 or 503, and what it waits for; `/metrics`: Prometheus' text.
pub fn router(readiness: Readiness) -> Router {
    build(Shared { readiness, clock: None })
}

/// The same, where the business clock is followed: `/readyz` shows the version that this process has seen.
pub fn router_with_clock(readiness: Readiness, clock: Arc<FollowedClock>) -> Router {
    build(Shared { readiness, clock: Some(clock) })
}

fn build(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

/// Serves the admin router until `stop`.
pub async fn serve(
    listener: Listener,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Error> {
    // Scrapers come without a trace; those that bring one mean their own.
    let limits = HttpLimits { connections: 64, trace_context: false, ..HttpLimits::default() };
    HttpServer::new("admin", router, limits).serve(listener, stop).await
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let report = shared.readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = serde_json::to_value(&report).unwrap_or(Value::Null);
    if let (Some(clock), Value::Object(map)) = (&shared.clock, &mut body) {
        let shown = serde_json::json!({ "version": clock.version() });
        map.insert("clock".to_owned(), shown);
    }
    (status, axum::Json(body)).into_response()
}

async fn metrics() -> Response {
    let (kind, text) = telemetry::render_metrics();
    ([(CONTENT_TYPE, kind)], text).into_response()
}
