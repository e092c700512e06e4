//! The accept loop that HTTP and gRPC listeners share: connections are counted, in all and by peer, idle ones end,
//! headers have a limit in time and size, and stopping means finishing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use kernel::ids::SystemIds;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Error;
use super::body::BodyLimits;
use super::guard::{Guard, Peer, Refusal, guard, plain_refusal};
use super::idle::Usage;
use super::places::{Places, Slot};
use crate::metrics;

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// One that was bound already.
    pub fn of(inner: std::net::TcpListener) -> Result<Self, Error> {
        let address = inner.local_addr().map_err(|source| Error::Bind {
            address: "a listener that was handed over".to_owned(),
            source,
        })?;
        let failed = |source| Error::Listener { address, source };
        inner.set_nonblocking(true).map_err(failed)?;
        Ok(Self { inner: TcpListener::from_std(inner).map_err(failed)?, address })
    }

    /// Where it listens; the real port when 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Listens on `address`, such as `127.0.0.1:8080`; port 0 takes a free one.
pub async fn bind(address: &str) -> Result<Listener, Error> {
    let failed = |source| Error::Bind { address: address.to_owned(), source };
    if !address.contains(':') {
        return Err(Error::Address(address.to_owned()));
    }
    let inner = TcpListener::bind(address).await.map_err(failed)?;
    let address = inner.local_addr().map_err(failed)?;
    Ok(Listener { inner, address })
}

/// Listens on `address`, or on a free port of the same host when that one is taken: for default ports, which
/// nobody asked for.
pub async fn bind_or_free(address: &str) -> Result<Listener, Error> {
    match bind(address).await {
        Err(Error::Bind { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            bind(&format!("{host}:0")).await
        }
        other => other,
    }
}

/// What a listener takes from its peers.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Body of a request, unless its route says otherwise.
    pub body: BodyLimits,
    /// From accept to the end of the first headers, and for each later request of a connection.
    pub header_read: Duration,
    /// All headers of a request together.
    pub header_bytes: u32,
    /// Fields of a request.
    pub header_fields: usize,
    /// Path and query.
    pub request_line_bytes: usize,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one peer, by address (IPv6: /64). Not counted where `trusted_hops` says that peers are proxies:
    /// there it is theirs to bound.
    pub connections_per_peer: usize,
    /// After how long without a request a connection ends.
    pub idle: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Whether bodies with a `Content-Encoding` are refused (415).
    pub refuse_encoded: bool,
    /// Proxies before us that we trust (AUTH-16); absent: rules by network are off.
    pub trusted_hops: Option<usize>,
    /// Whether the caller's W3C trace context is continued.
    pub trace_context: bool,
    /// How long work in hand may take once the listener is told to stop.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body: BodyLimits::default(),
            header_read: Duration::from_secs(5),
            header_bytes: 16 << 10,
            header_fields: 64,
            request_line_bytes: 8 << 10,
            connections: 4096,
            connections_per_peer: 256,
            idle: Duration::from_mins(1),
            streams: 128,
            refuse_encoded: true,
            trusted_hops: None,
            trace_context: true,
            drain: Duration::from_secs(25),
        }
    }
}

/// In the extensions of each request: cancelled when the listener is told to stop. What answers without end
/// (a stream, a socket) ends then.
#[derive(Debug, Clone)]
pub struct Draining(pub CancellationToken);

/// An HTTP listener: a router behind the guard.
pub struct HttpServer {
    name: &'static str,
    router: Router,
    limits: HttpLimits,
    refusal: Refusal,
}

impl std::fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl HttpServer {
    /// Serves `router`; `name` says which listener it is, in metrics and spans.
    pub const fn new(name: &'static str, router: Router, limits: HttpLimits) -> Self {
        Self { name, router, limits, refusal: plain_refusal }
    }

    /// Words the listener's own refusals, such as 413, in another envelope.
    #[must_use]
    pub const fn refusals(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal;
        self
    }

    /// The router with the guard before it, for tests without a socket.
    pub fn into_router(self) -> Router {
        let state = Arc::new(Guard {
            name: self.name,
            limits: self.limits,
            refusal: self.refusal,
            ids: SystemIds::new(),
        });
        // The guard's limits count; axum's own of 2 MB would stand in their way.
        self.router
            .layer(DefaultBodyLimit::disable())
            .layer(axum::middleware::from_fn_with_state(state, guard))
    }

    /// Serves until `stop`, then until the work in hand is done or the drain limit has passed.
    pub async fn serve(self, listener: Listener, stop: CancellationToken) -> Result<(), Error> {
        let shape = Shape::of(self.name, &self.limits);
        accept(listener, self.into_router(), shape, stop).await
    }
}

/// Serves `router` on `listener` until `stop`; see [`HttpServer`].
pub async fn serve(
    listener: Listener,
    router: Router,
    limits: HttpLimits,
    stop: CancellationToken,
) -> Result<(), Error> {
    HttpServer::new("http", router, limits).serve(listener, stop).await
}

/// What the accept loop needs of the limits of either protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) http2_only: bool,
    pub(crate) header_read: Duration,
    pub(crate) header_bytes: u32,
    pub(crate) header_fields: usize,
    pub(crate) connections: usize,
    /// Of one peer; absent: as many as there are in all.
    pub(crate) connections_per_peer: Option<usize>,
    /// After how long without a request a connection ends; absent: never.
    pub(crate) idle: Option<Duration>,
    pub(crate) streams: u32,
    pub(crate) drain: Duration,
}

impl Shape {
    const fn of(name: &'static str, limits: &HttpLimits) -> Self {
        Self {
            name,
            http2_only: false,
            header_read: limits.header_read,
            header_bytes: limits.header_bytes,
            header_fields: limits.header_fields,
            connections: limits.connections,
            connections_per_peer: match limits.trusted_hops {
                None | Some(0) => Some(limits.connections_per_peer),
                Some(_) => None,
            },
            idle: Some(limits.idle),
            streams: limits.streams,
            drain: limits.drain,
        }
    }
}

/// Accepts until `stop`, then waits for the connections, up to the drain limit, and cuts what is left.
pub(crate) async fn accept(
    listener: Listener,
    router: Router,
    shape: Shape,
    stop: CancellationToken,
) -> Result<(), Error> {
    let places = Places::new(shape.connections, shape.connections_per_peer);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // At the cap nothing is accepted: the system's backlog holds the rest back.
        let waited = stop.run_until_cancelled(places.any()).await;
        let Some(Some(place)) = waited else { break };
        match stop.run_until_cancelled(listener.inner.accept()).await {
            None => break,
            Some(Ok((stream, peer))) => {
                let Some(slot) = places.of(peer.ip(), place) else {
                    // Closed without a word: it costs no more than the accept.
                    metrics::connection_refused(shape.name);
                    continue;
                };
                let router = router.clone();
                connections.spawn(connection(stream, peer, router, shape, slot, stop.clone()));
            }
            // Out of descriptors, or a peer that left at once: the next one may do better.
            Some(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    listener = shape.name,
                    "could not accept a connection"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shape.drain, rest).await.is_err() {
        tracing::warn!(
            listener = shape.name,
            open = connections.len(),
            "connections were cut: they did not end within the drain limit"
        );
        connections.shutdown().await;
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shape: Shape,
    slot: Slot,
    stop: CancellationToken,
) {
    let _open = metrics::connection(shape.name);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(error = &error as &dyn std::error::Error, "no TCP_NODELAY");
    }
    let spoken = Arc::new(AtomicBool::new(false));
    let usage = Usage::new();
    let service = {
        let (spoken, usage, stop) = (Arc::clone(&spoken), usage.clone(), stop.clone());
        service_fn(move |request: Request<Incoming>| {
            spoken.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Draining(stop.clone()));
            request.extensions_mut().insert(slot.clone());
            let (in_hand, answer) = (usage.begin(), router.clone().oneshot(request));
            async move {
                let answer = answer.await;
                drop(in_hand);
                answer
            }
        })
    };
    let builder = builder(&shape);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // hyper's own header limit starts when it knows the protocol, which a peer may spell out for ever.
    let first = tokio::time::sleep(shape.header_read * 2);
    tokio::pin!(first);
    let idle = tokio::time::sleep(shape.idle.unwrap_or_default());
    tokio::pin!(idle);
    let (mut waiting, mut draining) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = error.as_ref() as &dyn std::error::Error, "connection broke");
                }
                return;
            }
            () = stop.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if waiting => {
                waiting = false;
                if !spoken.load(Ordering::Relaxed) {
                    return;
                }
            }
            () = idle.as_mut(), if shape.idle.is_some() && !draining => {
                let end = usage.idle_at(shape.idle.unwrap_or_default());
                if end > Instant::now() {
                    idle.as_mut().reset(end);
                } else {
                    // The peer is told not to ask here again; an answer that is still being read is finished.
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(shape: &Shape) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if shape.http2_only {
        builder = builder.http2_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(shape.header_read)
        .max_headers(shape.header_fields)
        // The least that hyper takes is 8 KiB.
        .max_buf_size((shape.header_bytes as usize).max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(shape.streams)
        .max_header_list_size(shape.header_bytes)
        .max_pending_accept_reset_streams(32)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
