//! The gRPC listener: the same accept loop as HTTP, speaking HTTP/2 alone.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio_util::sync::CancellationToken;

use super::guard::guard;
use crate::http::{Error, Listener, Shape, accept};

/// What a gRPC listener takes from its peers. Messages have the limits of [`super::MAX_DECODE`] and
/// [`super::MAX_ENCODE`], set where a service is made.
#[derive(Debug, Clone, Copy)]
pub struct GrpcLimits {
    /// Connections in all.
    pub connections: usize,
    /// Calls at once on one connection.
    pub streams: u32,
    /// All headers of a call together.
    pub header_bytes: u32,
    /// How long calls in hand may take once the listener is told to stop.
    pub drain: Duration,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            streams: super::STREAMS,
            header_bytes: 16 << 10,
            drain: Duration::from_secs(25),
        }
    }
}

/// Serves `router` (of `tonic::service::Routes::into_axum_router`) until `stop`, then until the calls in hand are
/// done or the drain limit has passed. Streams end by themselves: they watch the same token.
pub async fn serve(
    listener: Listener,
    router: Router,
    limits: GrpcLimits,
    stop: CancellationToken,
) -> Result<(), Error> {
    let shape = Shape {
        name: "grpc",
        http2_only: true,
        header_read: Duration::from_secs(5),
        header_bytes: limits.header_bytes,
        header_fields: 64,
        connections: limits.connections,
        // Its peers are our own processes, whose few connections stay.
        connections_per_peer: None,
        idle: None,
        streams: limits.streams,
        drain: limits.drain,
    };
    let router = router.layer(DefaultBodyLimit::disable()).layer(axum::middleware::from_fn(guard));
    accept(listener, router, shape, stop).await
}
