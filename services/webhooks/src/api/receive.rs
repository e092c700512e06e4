//! `/webhooks/meta/{app}`: Meta's verification of the address, and its deliveries (IN-5 to IN-7).
//!
//! A delivery is answered 200 once its bytes are committed, and by nothing else: the signature is checked over the raw
//! bytes as they come in, nothing is parsed, looked up or read before the answer. What cannot be stored in time is answered
//! 503, and Meta sends it again. A process that dies before the answer leaves Meta to repeat; the repeat is dropped later.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kernel::secret::ExposeSecret as _;
use net::http::{BodyLimits, HttpLimits, RequestId, json_refusal, with_body_limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::app::App;
use crate::app::log::{Delivered, RawLog};
use crate::domain::{challenge, signature, signature::Check};
use crate::metrics::{self, Answered};

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// Largest body: Meta sends 3 MB at most, and an event with all of it must still fit the bus.
const MOST_BYTES: usize = 4 << 20;
/// Of the body of a delivery. Meta drops the connection after some seconds itself.
const BODY: BodyLimits = BodyLimits {
    bytes: MOST_BYTES as u64,
    idle: Duration::from_secs(5),
    total: Duration::from_secs(15),
    least_bytes_per_second: 0,
};

/// Limits of the listener.
pub(crate) fn limits() -> HttpLimits {
    // Nobody out there is part of our traces.
    HttpLimits { body: BODY, trace_context: false, ..HttpLimits::default() }
}

/// What the routes work with.
#[derive(Clone)]
struct Receiver {
    app: App,
    /// Bytes of bodies that may still be taken into memory.
    room: Arc<Semaphore>,
}

/// The routes.
pub(crate) fn router(app: App) -> Router {
    let bytes =
        app.config.bodies_in_flight_bytes.max(u32::try_from(MOST_BYTES).unwrap_or(u32::MAX));
    let room = usize::try_from(bytes).unwrap_or(MOST_BYTES).min(Semaphore::MAX_PERMITS);
    let receiver = Receiver { app, room: Arc::new(Semaphore::new(room)) };
    let route = get(verify).post(receive).fallback(wrong_method);
    with_body_limits(Router::new().route("/webhooks/meta/{app}", route).with_state(receiver), BODY)
}

async fn verify(
    State(receiver): State<Receiver>,
    app: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    id: Option<Extension<RequestId>>,
) -> Response {
    let known = app.ok().and_then(|Path(app)| receiver.app.apps.get(&app));
    let Some(app) = known else { return Refused::UnknownApp.respond(id) };
    let token = app.verify_token.expose_secret();
    let Some(echo) = challenge::answer(&query.unwrap_or_default(), token) else {
        tracing::warn!(app.id = %app.id, "a verification of the webhook address was refused");
        return Refused::Verification.respond(id);
    };
    let headers = [(CONTENT_TYPE, "text/plain"), (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, echo).into_response()
}

async fn wrong_method(id: Option<Extension<RequestId>>) -> Response {
    Refused::Method.respond(id)
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    UnknownApp,
    Verification,
    Method,
    Encoded,
    Signature,
    TooLarge,
    Broken,
    NoRoom,
    NotStored,
}

impl Refused {
    const fn status(self) -> StatusCode {
        match self {
            Self::UnknownApp => StatusCode::NOT_FOUND,
            Self::Verification => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Signature => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NoRoom | Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn outcome(self) -> Answered {
        match self {
            Self::UnknownApp
            | Self::Verification
            | Self::Method
            | Self::Encoded
            | Self::Signature
            | Self::TooLarge
            | Self::Broken => Answered::Refused,
            Self::NoRoom | Self::NotStored => Answered::NotStored,
        }
    }

    /// Meta reads the status alone; the words are for who sets the app up, or sends by hand.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownApp => (
                "META_APP_UNKNOWN",
                "no Meta app with this id is configured; the path is /webhooks/meta/{app id}",
            ),
            Self::Verification => (
                "VERIFICATION_REFUSED",
                "a verification has hub.mode=subscribe, hub.verify_token with this app's verify token, and hub.challenge, once each",
            ),
            Self::Method => {
                ("METHOD_NOT_ALLOWED", "Meta verifies the address by GET and delivers by POST")
            }
            Self::Encoded => ("UNSUPPORTED_MEDIA_TYPE", "encoded request bodies are not accepted"),
            Self::Signature => (
                "SIGNATURE_INVALID",
                "X-Hub-Signature-256 is not there once, or is not this app's signature of these very bytes",
            ),
            Self::TooLarge => ("BODY_TOO_LARGE", "a delivery has at most 4 MiB"),
            Self::Broken => ("BODY_INCOMPLETE", "the body broke off"),
            Self::NoRoom => ("BUSY", "too many deliveries are on their way in; repeat"),
            Self::NotStored => ("NOT_STORED", "the delivery could not be stored; repeat"),
        }
    }

    fn respond(self, id: Option<Extension<RequestId>>) -> Response {
        let id = id.map_or_else(|| RequestId(String::new()), |Extension(id)| id);
        let (code, message) = self.words();
        let mut response = json_refusal(self.status(), code, message, &id);
        if matches!(self, Self::NoRoom | Self::NotStored) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self == Self::Method {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,POST"));
        }
        response
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    app: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    id: Option<Extension<RequestId>>,
    body: Body,
) -> Response {
    let began = Instant::now();
    let taken = match app {
        Ok(Path(app)) => receiver.take(&app, &headers, body).await,
        Err(_) => Err(Refused::UnknownApp),
    };
    let outcome = taken.err().map_or(Answered::Stored, Refused::outcome);
    metrics::answered(outcome, began.elapsed());
    match taken {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refused) => refused.respond(id),
    }
}

impl Receiver {
    #[tracing::instrument(name = "webhooks.receive", skip_all, fields(app.id = app))]
    async fn take(&self, app: &str, headers: &HeaderMap, body: Body) -> Result<(), Refused> {
        // The business clock's: when Meta told it, as far as the windows of conversations care.
        let received = self.app.clock.now();
        let app = self.app.apps.get(app).ok_or(Refused::UnknownApp)?;
        let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
        if headers.get_all(CONTENT_ENCODING).iter().any(encoded) {
            return Err(Refused::Encoded);
        }
        let values = headers.get_all(SIGNATURE).iter().map(HeaderValue::as_bytes);
        let refused = || {
            tracing::warn!(app.id = %app.id, "a delivery without a good signature was refused");
            Refused::Signature
        };
        let signature = signature::parse(values).ok_or_else(refused)?;
        let length =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > MOST_BYTES) {
            return Err(Refused::TooLarge);
        }
        let mut check = Check::of(app).ok_or_else(refused)?;
        let (body, held) = self.read(body, length.unwrap_or_default(), &mut check).await?;
        let (signed_by, sha256) = check.end(&signature).ok_or_else(refused)?;
        let delivered = Delivered {
            app_id: app.id.as_str().to_owned(),
            signed_by,
            sha256,
            body,
            traceparent: telemetry::propagation::current_traceparent(),
            received,
            held: held.map(Arc::new),
        };
        self.store(delivered).await
    }

    /// The body, and its share of the memory; every byte goes through the check on its way.
    async fn read(
        &self,
        body: Body,
        length: usize,
        check: &mut Check,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refused> {
        let mut frames = body.into_data_stream();
        let mut bytes = BytesMut::with_capacity(length.min(64 << 10));
        let mut held: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = frames.next().await {
            // Too slow or too large: the listener, which cut it, answers.
            let frame = frame.map_err(|_| Refused::Broken)?;
            if bytes.len() + frame.len() > MOST_BYTES {
                return Err(Refused::TooLarge);
            }
            let share = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            let room = Arc::clone(&self.room).try_acquire_many_owned(share);
            let room = room.map_err(|_| Refused::NoRoom)?;
            match &mut held {
                Some(held) => held.merge(room),
                None => held = Some(room),
            }
            check.update(&frame);
            bytes.extend_from_slice(&frame);
        }
        Ok((bytes.freeze(), held))
    }

    async fn store(&self, delivered: Delivered) -> Result<(), Refused> {
        let lane = self.app.store.system_lane::<RawLog>();
        let stored = tokio::time::timeout(self.app.config.store_within(), lane.submit(delivered));
        match stored.await {
            Ok(Ok(())) => {
                self.app.logged.notify_one();
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a delivery could not be stored; Meta sends it again"
                );
                Err(Refused::NotStored)
            }
            Err(_elapsed) => {
                tracing::warn!("a delivery was not stored in time; Meta sends it again");
                Err(Refused::NotStored)
            }
        }
    }
}
