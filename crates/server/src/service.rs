//! One service as a process runs it: its gRPC methods behind the judge, its HTTP routes, its workers; started
//! together, drained together.
//!
//! A worker that fails or panics ends the service, and the service's end ends the process: what is half alive
//! helps nobody, and the orchestrator starts it again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use http::Request;
use net::grpc::GrpcLimits;
use net::health::Readiness;
use net::http::{HttpLimits, HttpServer, Listener};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;

use crate::layer::with_access;
use crate::methods::{Methods, MethodsError};
use crate::security::Security;

/// Any error, as a worker ends with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The role of the gRPC methods.
const API: &str = "api";

/// How long everything may take to end: the drain of calls and a little more (OVL-6).
const DRAIN: Duration = Duration::from_secs(28);

type Working = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type Start = Box<dyn FnOnce(CancellationToken) -> Working + Send>;

struct Worker {
    name: &'static str,
    role: &'static str,
    start: Start,
}

/// A service: what it serves and what works in it. Wired by the service's own crate, run by the binary.
pub struct Service {
    name: &'static str,
    routes: Routes,
    grpc: Vec<&'static str>,
    http: Option<Http>,
    workers: Vec<Worker>,
}

struct Http {
    role: &'static str,
    router: Router,
    limits: HttpLimits,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("grpc", &self.grpc)
            .field("workers", &self.workers.iter().map(|one| one.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Why a service ended, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its contracts are not sound.
    #[error("{service} does not start")]
    Contracts {
        /// The service.
        service: &'static str,
        /// What is wrong with them.
        #[source]
        source: MethodsError,
    },
    /// Reflection can't be served.
    #[error("{service} cannot describe itself")]
    Reflection {
        /// The service.
        service: &'static str,
        /// Why.
        #[source]
        source: tonic_reflection::server::Error,
    },
    /// A role that the service does not have.
    #[error("{service} has no role `{role}`; it has {known}")]
    Role {
        /// The service.
        service: &'static str,
        /// As it was asked for.
        role: String,
        /// Those it has.
        known: String,
    },
    /// A part of it failed.
    #[error("{part} of {service} failed")]
    Part {
        /// The service.
        service: &'static str,
        /// The worker or listener.
        part: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A part of it panicked; where, the log says.
    #[error("a part of {service} panicked")]
    Panicked {
        /// The service.
        service: &'static str,
    },
}

/// What the process gives a service to run with.
#[derive(Debug)]
pub struct ServiceRun {
    /// Where gRPC is served; absent for a service without, or for a role without `api`.
    pub grpc: Option<Listener>,
    /// Where HTTP is served, for a service that has routes in a role that runs.
    pub http: Option<Listener>,
    /// Which roles run; absent: all.
    pub roles: Option<BTreeSet<String>>,
    /// Whether reflection is served: on in `dev`, off by default in `serve`.
    pub reflection: bool,
    /// Judges calls.
    pub security: Security,
    /// What gRPC health answers.
    pub readiness: Readiness,
    /// Tells the service to end.
    pub stop: CancellationToken,
}

/// What a service consists of, for who checks it against the contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Full names of its gRPC services.
    pub grpc: Vec<&'static str>,
    /// Names of its workers, each with its role.
    pub workers: Vec<(&'static str, &'static str)>,
    /// Whether it has HTTP routes.
    pub http: bool,
}

impl Service {
    /// A service without anything in it.
    pub fn new(name: &'static str) -> Self {
        Self { name, routes: Routes::default(), grpc: Vec::new(), http: None, workers: Vec::new() }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a generated tonic server; make it with [`sized!`](crate::sized).
    #[must_use]
    pub fn grpc<S>(mut self, server: S) -> Self
    where
        S: tower::Service<Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(server);
        self.grpc.push(S::NAME);
        self
    }

    /// The HTTP routes that run in `role`, with the limits of their listener.
    #[must_use]
    pub fn http(mut self, role: &'static str, router: Router, limits: HttpLimits) -> Self {
        self.http = Some(Http { role, router, limits });
        self
    }

    /// Takes the HTTP routes out, for a process that serves them on another listener.
    pub fn take_http(&mut self) -> Option<Router> {
        self.http.take().map(|http| http.router)
    }

    /// The limits of its HTTP listener, where it has one: what the process knows of its surroundings goes there.
    pub fn http_limits(&mut self) -> Option<&mut HttpLimits> {
        self.http.as_mut().map(|http| &mut http.limits)
    }

    /// Adds a loop that runs in `role` from start to stop. It ends with `Ok` once `stop` is cancelled, or when its
    /// work is done for good.
    #[must_use]
    pub fn worker<F, W, E>(mut self, name: &'static str, role: &'static str, start: F) -> Self
    where
        F: FnOnce(CancellationToken) -> W + Send + 'static,
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let start: Start = Box::new(move |stop| {
            let work = start(stop);
            Box::pin(async move { work.await.map_err(Into::into) })
        });
        self.workers.push(Worker { name, role, start });
        self
    }

    /// What it consists of.
    pub fn parts(&self) -> Parts {
        Parts {
            grpc: self.grpc.clone(),
            workers: self.workers.iter().map(|one| (one.name, one.role)).collect(),
            http: self.http.is_some(),
        }
    }

    /// The roles that it can be split into.
    pub fn roles(&self) -> BTreeSet<&'static str> {
        let mut roles: BTreeSet<_> = self.workers.iter().map(|worker| worker.role).collect();
        roles.extend(self.http.as_ref().map(|http| http.role));
        if !self.grpc.is_empty() {
            roles.insert(API);
        }
        roles
    }

    /// The gRPC methods behind the judge, with health and, where wanted, reflection.
    fn router(
        routes: Routes,
        name: &'static str,
        grpc: &[&'static str],
        run: &ServiceRun,
    ) -> Result<Router, RunError> {
        let contracts = |source| RunError::Contracts { service: name, source };
        let methods = Methods::ours().map_err(contracts)?;
        let without: Vec<_> = grpc
            .iter()
            .filter(|service| !methods.has_service(service))
            .map(|service| (*service).to_owned())
            .collect();
        if !without.is_empty() {
            return Err(contracts(MethodsError::NoContract(without)));
        }
        let names = grpc.iter().map(|service| (*service).to_owned());
        let mut routes = routes.add_service(run.readiness.grpc(names, run.stop.clone()));
        if run.reflection {
            let described = |source| RunError::Reflection { service: name, source };
            routes = routes
                .add_service(reflection(grpc).build_v1().map_err(described)?)
                .add_service(reflection(grpc).build_v1alpha().map_err(described)?);
        }
        let router = routes.prepare().into_axum_router();
        Ok(with_access(router, methods, run.security.clone(), run.reflection))
    }

    /// Runs until `stop`, or until a part fails; then everything ends within the drain limit.
    pub async fn run(self, mut run: ServiceRun) -> Result<(), RunError> {
        let name = self.name;
        if let Some(asked) = &run.roles {
            let known = self.roles();
            if let Some(role) = asked.iter().find(|role| !known.contains(role.as_str())) {
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(RunError::Role { service: name, role: role.clone(), known });
            }
        }
        let wanted = |role: &str| run.roles.as_ref().is_none_or(|roles| roles.contains(role));
        let api = wanted(API);
        let http = self.http.filter(|http| wanted(http.role));
        let workers: Vec<_> =
            self.workers.into_iter().filter(|worker| wanted(worker.role)).collect();
        // The contracts are judged whatever runs: a worker of an unsound build must not start either.
        let grpc = Self::router(self.routes, name, &self.grpc, &run)?;

        // A child: a part that fails stops its siblings, not the rest of the process.
        let stop = run.stop.child_token();
        let mut parts: JoinSet<Result<(), (String, BoxError)>> = JoinSet::new();
        if let Some(listener) = run.grpc.take().filter(|_| api) {
            let serving = net::grpc::serve(listener, grpc, GrpcLimits::default(), stop.clone());
            parts.spawn(async move { serving.await.map_err(|e| ("gRPC".to_owned(), e.into())) });
        }
        if let (Some(listener), Some(http)) = (run.http.take(), http) {
            let server = HttpServer::new(name, http.router, http.limits);
            let serving = server.serve(listener, stop.clone());
            parts.spawn(async move { serving.await.map_err(|e| ("HTTP".to_owned(), e.into())) });
        }
        for worker in workers {
            let work = (worker.start)(stop.clone());
            let part = worker.name.to_owned();
            parts.spawn(async move { work.await.map_err(|error| (part, error)) });
        }
        supervise(name, parts, &run.readiness, &stop).await
    }
}

async fn supervise(
    service: &'static str,
    mut parts: JoinSet<Result<(), (String, BoxError)>>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut outcome = Ok(());
    // A service without parts (all roles elsewhere) still stays until it is told to stop.
    while outcome.is_ok() && !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = parts.join_next() => outcome = judged(service, ended),
        }
    }
    readiness.drain();
    stop.cancel();
    let rest = async {
        while let Some(ended) = parts.join_next().await {
            let ended = judged(service, ended);
            if outcome.is_ok() {
                outcome = ended;
            }
        }
    };
    if tokio::time::timeout(DRAIN, rest).await.is_err() {
        tracing::warn!(service, under_way = parts.len(), "parts were cut at the drain limit");
        parts.shutdown().await;
    }
    outcome
}

fn judged(
    service: &'static str,
    ended: Result<Result<(), (String, BoxError)>, tokio::task::JoinError>,
) -> Result<(), RunError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err((part, source))) => Err(RunError::Part { service, part, source }),
        Err(panicked) if panicked.is_panic() => Err(RunError::Panicked { service }),
        // Cancelled: by us, at the drain limit.
        Err(_cancelled) => Ok(()),
    }
}

fn reflection(services: &[&'static str]) -> tonic_reflection::server::Builder<'static> {
    let mut builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health");
    for service in services {
        builder = builder.with_service_name(*service);
    }
    builder
}
