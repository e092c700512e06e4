//! Whether a process is ready, and what it waits for.
//!
//! Every part that others depend on reports here by name; `/readyz` and gRPC health show the same answer. A
//! process that drains is not ready, whatever its parts say.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum State {
    /// It can be used.
    Ready,
    /// It can't, and this is what it waits for.
    Waiting(String),
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether everything is ready.
    pub ready: bool,
    /// Whether the process is about to end.
    pub draining: bool,
    /// Each part by name.
    pub parts: BTreeMap<String, State>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    draining: bool,
    parts: BTreeMap<String, State>,
}

impl Inner {
    fn is_ready(&self) -> bool {
        !self.draining && self.parts.values().all(|state| *state == State::Ready)
    }
}

/// The parts of a process, each ready or waiting. A handle: clones share it.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<Inner>>);

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Nothing is known to be missing yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Inner::default())))
    }

    /// Says how the part `name` is. The first word of a part that is not there yet should be said before it is
    /// started, else the process looks ready in between.
    pub fn set(&self, name: &str, state: State) {
        self.0.send_if_modified(|inner| {
            if inner.parts.get(name) == Some(&state) {
                return false;
            }
            inner.parts.insert(name.to_owned(), state);
            true
        });
    }

    /// The part `name` can be used.
    pub fn ready(&self, name: &str) {
        self.set(name, State::Ready);
    }

    /// The part `name` waits for something.
    pub fn waiting(&self, name: &str, reason: impl Into<String>) {
        self.set(name, State::Waiting(reason.into()));
    }

    /// The process is about to end: not ready from now on (OVL-6).
    pub fn drain(&self) {
        self.0.send_if_modified(|inner| !std::mem::replace(&mut inner.draining, true));
    }

    /// Whether everything is ready.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().is_ready()
    }

    /// Everything that is known.
    pub fn report(&self) -> Report {
        let inner = self.0.borrow();
        Report { ready: inner.is_ready(), draining: inner.draining, parts: inner.parts.clone() }
    }

    /// Returns once everything is ready.
    pub async fn wait(&self) {
        let mut changes = self.0.subscribe();
        // The sender lives as long as `self`: there is no other end.
        drop(changes.wait_for(Inner::is_ready).await.map(|_| ()));
    }

    /// gRPC health (`grpc.health.v1`) for the services `names` and for the process as a whole.
    pub fn grpc(
        &self,
        names: impl IntoIterator<Item = String>,
        stop: CancellationToken,
    ) -> HealthServer<GrpcHealth> {
        HealthServer::new(GrpcHealth {
            readiness: self.clone(),
            names: names.into_iter().collect(),
            stop,
        })
    }
}

/// Answers health checks from a [`Readiness`].
#[derive(Debug)]
pub struct GrpcHealth {
    readiness: Readiness,
    names: Vec<String>,
    stop: CancellationToken,
}

impl GrpcHealth {
    fn knows(&self, name: &str) -> bool {
        name.is_empty() || self.names.iter().any(|known| known == name)
    }
}

fn answer(ready: bool) -> HealthCheckResponse {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("no service of that name is served here"));
        }
        Ok(Response::new(answer(self.readiness.is_ready())))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if !self.knows(&request.get_ref().service) {
            // By the health protocol an unknown service is an answer, since it may come to be known.
            let unknown = HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() };
            let stream = futures::stream::iter([Ok(unknown)]);
            return Ok(Response::new(Box::pin(stream)));
        }
        let changes = WatchStream::new(self.readiness.0.subscribe())
            .map(|inner| inner.is_ready())
            .map(|ready| Ok(answer(ready)))
            .take_until(self.stop.clone().cancelled_owned())
            .chain(futures::stream::iter([Err(Status::unavailable("the server is stopping"))]));
        Ok(Response::new(Box::pin(changes)))
    }
}
