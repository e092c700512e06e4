//! Request bodies with a size, an idle limit and a total limit.
//!
//! The limits belong to the listener; a part of the router may set its own, since the guard looks at them when
//! the body is first read, not when the request arrives.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// What a request body may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes: u64,
    /// Longest silence.
    pub idle: Duration,
    /// Longest time from first to last byte.
    pub total: Duration,
    /// Slowest average rate after the first five seconds; 0: any.
    pub least_bytes_per_second: u64,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            idle: Duration::from_secs(5),
            total: Duration::from_secs(30),
            least_bytes_per_second: 0,
        }
    }
}

/// Most bytes that are read of a body that nobody wants, and how long that may take.
const LINGER_BYTES: u64 = 16 << 20;
const LINGER: Duration = Duration::from_secs(5);
/// How long a body may be slower than its least rate.
const GRACE: Duration = Duration::from_secs(5);

/// Gives the routes of `router` limits of their own, tighter or wider than the listener's.
pub fn with_body_limits(router: Router, limits: BodyLimits) -> Router {
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| async move {
        if let Some(policy) = request.extensions().get::<Policy>() {
            policy.limits.store(Arc::new(limits));
        }
        next.run(request).await
    }))
}

/// Limits of one request and what became of them.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    limits: Arc<ArcSwap<BodyLimits>>,
    refused: Arc<AtomicU8>,
    left: Arc<Mutex<Option<Body>>>,
}

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

impl Policy {
    pub(super) fn new(limits: BodyLimits) -> Self {
        let limits = Arc::new(ArcSwap::from_pointee(limits));
        Self { limits, refused: Arc::new(AtomicU8::new(0)), left: Arc::default() }
    }

    /// Reads what the handler left of a body, up to a bound, and forgets it. A peer that is still writing when the
    /// connection closes under it loses the answer: most clients stop at the broken pipe and never look for one.
    pub(super) async fn linger(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left.filter(|body| body.size_hint().lower() <= LINGER_BYTES) else {
            return;
        };
        let rest = async {
            let mut dropped = 0;
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                dropped += frame.data_ref().map_or(0, Bytes::len) as u64;
                if dropped > LINGER_BYTES {
                    return;
                }
            }
        };
        if tokio::time::timeout(LINGER, rest).await.is_err() {
            tracing::debug!("a peer did not end the body of a request that was answered");
        }
    }

    /// What the caller must be told in place of whatever the handler made of a broken body.
    pub(super) fn refused(&self) -> Option<StatusCode> {
        match self.refused.load(Ordering::Relaxed) {
            TOO_LARGE => Some(StatusCode::PAYLOAD_TOO_LARGE),
            TOO_SLOW => Some(StatusCode::REQUEST_TIMEOUT),
            _ => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the request body is too large or too slow")]
struct Refused;

/// A body that ends with an error when it breaks its limits.
pub(super) struct Limited {
    inner: Body,
    policy: Policy,
    reading: Option<Reading>,
    /// The peer asked to be told whether to send it.
    waits: bool,
}

impl Drop for Limited {
    fn drop(&mut self) {
        // A peer that waits to be told to go on has written nothing yet, and need not.
        if !self.inner.is_end_stream() && (self.reading.is_some() || !self.waits) {
            let inner = std::mem::take(&mut self.inner);
            let mut left = self.policy.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = Some(inner);
        }
    }
}

struct Reading {
    limits: BodyLimits,
    started: Instant,
    received: u64,
    timer: Pin<Box<Sleep>>,
}

impl Limited {
    pub(super) const fn new(inner: Body, policy: Policy, waits: bool) -> Self {
        Self { inner, policy, reading: None, waits }
    }

    fn refuse(&self, why: u8) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.policy.refused.store(why, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(Refused))))
    }
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.reading.is_none() {
            let limits = **this.policy.limits.load();
            if this.inner.size_hint().lower() > limits.bytes {
                return this.refuse(TOO_LARGE);
            }
            let started = Instant::now();
            let timer = Box::pin(tokio::time::sleep(limits.idle.min(limits.total)));
            this.reading = Some(Reading { limits, started, received: 0, timer });
        }
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let more = frame.data_ref().map_or(0, Bytes::len);
                reading.received = reading.received.saturating_add(more as u64);
                if reading.received > reading.limits.bytes {
                    return this.refuse(TOO_LARGE);
                }
                let now = Instant::now();
                let passed = now - reading.started;
                let least = reading.limits.least_bytes_per_second;
                if passed > GRACE && reading.received / passed.as_secs().max(1) < least {
                    return this.refuse(TOO_SLOW);
                }
                let limit = reading.started + reading.limits.total;
                reading.timer.as_mut().reset(limit.min(now + reading.limits.idle));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => match reading.timer.as_mut().poll(cx) {
                Poll::Ready(()) => this.refuse(TOO_SLOW),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
