//! Listeners on free ports that end with the test.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use net::http::{HttpLimits, HttpServer, bind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A listener under test.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    task: JoinHandle<Result<(), net::http::Error>>,
}

impl Serving {
    pub(crate) async fn http(router: Router, limits: HttpLimits) -> Self {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.address(), CancellationToken::new());
        let serving = HttpServer::new("test", router, limits).serve(listener, stop.clone());
        Self { address, stop, task: spawn(serving) }
    }

    pub(crate) async fn grpc(router: Router, limits: net::grpc::GrpcLimits) -> Self {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.address(), CancellationToken::new());
        let serving = net::grpc::serve(listener, router, limits, stop.clone());
        Self { address, stop, task: spawn(serving) }
    }

    /// Tells it to stop and waits for its end.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("the listener ends");
        ended.unwrap().unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the handle is awaited by `Serving::end`")]
fn spawn(
    serving: impl Future<Output = Result<(), net::http::Error>> + Send + 'static,
) -> JoinHandle<Result<(), net::http::Error>> {
    tokio::spawn(serving)
}

/// Sends raw bytes and reads all that comes back until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

/// Reads until the other side closes, or breaks the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("the other side closes"));
    String::from_utf8_lossy(&answer).into_owned()
}
