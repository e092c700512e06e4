//! A service that runs inside the test's process, on a free port.

use net::{health::Readiness, http::bind};
use server::{Security, Service, ServiceRun};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts a service for gRPC alone and answers its address. It drains at `stop` and is cut off when the set goes.
pub async fn serve(
    service: Service,
    security: Security,
    readiness: Readiness,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> String {
    let listener = bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let run = ServiceRun {
        grpc: Some(listener),
        http: None,
        roles: None,
        reflection: false,
        security,
        readiness,
        stop: stop.clone(),
    };
    tasks.spawn(async move { service.run(run).await.unwrap() });
    address
}
