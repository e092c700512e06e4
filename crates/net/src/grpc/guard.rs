//! What stands before every method: span, deadline, the net under a panic, and the measure of the call.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt as _;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use super::deadline::{self, CAP, Deadline};
use crate::metrics;

/// Text of an internal fault; what happened is in the log (SEC-6).
const INTERNAL: &str = "internal error";

pub(super) async fn guard(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.uri().path().trim_start_matches('/').to_owned();
    let span = tracing::info_span!(
        "rpc",
        otel.name = %method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = %method,
        rpc.grpc.status_code = tracing::field::Empty,
    );
    let parent = telemetry::propagation::extract_http(request.headers());
    telemetry::propagation::set_parent(&span, parent);

    let asked = match deadline::of(request.headers()) {
        Ok(asked) => asked,
        Err(malformed) => return Status::invalid_argument(malformed.to_string()).into_http(),
    };
    // A unary call is bounded in any case; a stream beyond its head by the caller's own word alone.
    let head = Deadline(started + asked.unwrap_or(CAP).min(CAP));
    let whole = asked.and_then(|asked| started.checked_add(asked));
    if head.has_passed() {
        // Nobody waits for it any more: work that has not begun is dropped (OVL-2).
        return expired().into_http();
    }
    request.extensions_mut().insert(head);

    let work = deadline::within(head, AssertUnwindSafe(next.run(request)).catch_unwind());
    let answer = tokio::time::timeout_at(head.0, work.instrument(span.clone())).await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => Status::internal(INTERNAL).into_http(),
        Err(_elapsed) => expired().into_http(),
    };
    let call = Call { method, span, started, code: code_of(response.headers()), told: false };
    response.map(|inner| {
        let timer = whole.map(|end| Box::pin(tokio::time::sleep_until(end)));
        Body::new(Watched { inner, timer, call, ended: false })
    })
}

fn expired() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// One call, measured when its answer is complete, or when the caller has gone.
struct Call {
    method: String,
    span: Span,
    started: Instant,
    code: Option<Code>,
    told: bool,
}

impl Call {
    fn tell(&mut self) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        // An answer without trailers was cut short by the caller.
        let code = self.code.unwrap_or(Code::Cancelled);
        let took = self.started.elapsed();
        self.span.record("rpc.grpc.status_code", code as i32);
        self.span.in_scope(|| {
            tracing::debug!(code = name_of(code), duration_ms = millis(took), "answered");
        });
        // A path that no service has must not become a label.
        let method = if code == Code::Unimplemented { "unknown" } else { self.method.as_str() };
        metrics::rpc(method, name_of(code), took);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.tell();
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// An answer that ends in trailers of ours when its deadline passes or its source panics.
struct Watched {
    inner: Body,
    timer: Option<Pin<Box<Sleep>>>,
    call: Call,
    ended: bool,
}

impl Watched {
    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.ended = true;
        self.inner = Body::empty();
        self.call.code = Some(status.code());
        self.call.tell();
        let mut trailers = HeaderMap::new();
        // A status of ours is plain text: it always fits into a header.
        if let Err(error) = status.add_header(&mut trailers) {
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(timer) = &mut this.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            return this.end(&expired());
        }
        let entered = this.call.span.clone();
        let inner = Pin::new(&mut this.inner);
        let polled = entered
            .in_scope(|| std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx))));
        match polled {
            Err(_panic) => this.end(&Status::internal(INTERNAL)),
            Ok(Poll::Ready(Some(Ok(frame)))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.code = code_of(trailers).or(this.call.code);
                    this.call.tell();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(other) => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

const fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
