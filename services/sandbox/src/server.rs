//! The listener. Our own accept loop, because a planted fault must be able to close a connection
//! without an answer: what the service refuses to answer, hyper closes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Marks a response that must not be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropConnection;

/// Serves until `stop`, then lets requests in hand end for as long as `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut connections: JoinSet<()> = JoinSet::new();
    let builder = Arc::new(Builder::new(TokioExecutor::new()));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that died while it waited, or no free descriptor: the next one may do.
                let Ok((stream, _peer)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                stream.set_nodelay(true).ok();
                let router = router.clone();
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    answer(router.clone(), request)
                });
                let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    // Callers hang up, and planted faults end connections: both are no news here.
                    connection.await.ok();
                });
            }
            Some(_ended) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    let _late = tokio::time::timeout(drain, graceful.shutdown()).await;
    connections.shutdown().await;
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
) -> Result<axum::response::Response, io::Error> {
    let response = match router.oneshot(request.map(axum::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<DropConnection>().is_some() {
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    }
    Ok(response)
}
