//! Deadlines, panics and drains of gRPC listeners, by raw calls: what counts is what stands on the wire.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt as _;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use net::grpc::deadline::{self, Deadline};
use net::grpc::{GrpcClientConfig, GrpcLimits};
use net::health::Readiness;
use tokio::sync::Notify;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceExt as _;

use crate::support::{PATIENCE, Serving};

fn endless(first: &'static str) -> Response {
    let first = futures::stream::once(async move { Ok::<_, std::io::Error>(first) });
    Response::new(Body::from_stream(first.chain(futures::stream::pending())))
}

fn router() -> Router {
    Router::new()
        .route("/t.T/Never", post(std::future::pending::<Response>))
        .route("/t.T/Stream", post(|| async { endless("first") }))
        .route(
            "/t.T/Left",
            post(|Extension(deadline): Extension<Deadline>| async move {
                let left = deadline::remaining().unwrap_or_default();
                assert!(left <= deadline.remaining() + Duration::from_millis(50));
                left.as_millis().to_string()
            }),
        )
        .route("/t.T/Panic", post(|| async { panic!("about {}", 4_915_112_345_678_u64) as () }))
        .route(
            "/t.T/LatePanic",
            post(|| async {
                let late = futures::stream::poll_fn(
                    |_| -> std::task::Poll<Option<Result<&str, std::io::Error>>> { panic!("late") },
                );
                Response::new(Body::from_stream(late))
            }),
        )
}

struct Answer {
    code: Option<Code>,
    text: String,
}

async fn call(serving: &Serving, path: &str, timeout: Option<&str>) -> Answer {
    let mut request = Request::post(format!("http://{}{path}", serving.address));
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    // By hand over HTTP/2: tonic's own client would enforce the timeout itself.
    let stream = tokio::net::TcpStream::connect(serving.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let answer = async {
        let response = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
        let head = code_of(response.headers());
        let body = response.into_body().collect().await.unwrap();
        let trailers = body.trailers().and_then(code_of);
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        Answer { code: trailers.or(head), text }
    };
    let answer = tokio::time::timeout(PATIENCE, answer);
    tokio::pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => answer.expect("an answer"),
        // Ended by a drain: what was answered is already here.
        _ = connection => answer.await.expect("an answer"),
    }
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(headers).map(|status| status.code())
}

#[tokio::test]
async fn an_expired_deadline_is_deadline_exceeded() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    assert_eq!(call(&serving, "/t.T/Never", Some("50m")).await.code, Some(Code::DeadlineExceeded));
    serving.end().await;
}

#[tokio::test]
async fn work_whose_deadline_has_passed_is_not_begun() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    let answer = call(&serving, "/t.T/Left", Some("0S")).await;
    assert_eq!((answer.code, answer.text.as_str()), (Some(Code::DeadlineExceeded), ""));
    serving.end().await;
}

#[tokio::test]
async fn a_stream_with_a_deadline_ends_with_it() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    let answer = call(&serving, "/t.T/Stream", Some("100m")).await;
    assert_eq!((answer.code, answer.text.as_str()), (Some(Code::DeadlineExceeded), "first"));
    serving.end().await;
}

#[tokio::test]
async fn a_malformed_deadline_is_invalid_argument() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    for malformed in ["1s", "123456789S", "", "S", "-1S"] {
        let answer = call(&serving, "/t.T/Left", Some(malformed)).await;
        assert_eq!(answer.code, Some(Code::InvalidArgument), "{malformed:?}");
    }
    serving.end().await;
}

#[tokio::test]
async fn a_deadline_is_capped_and_handed_on() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    let left = async |asked: Option<&str>| -> u64 {
        call(&serving, "/t.T/Left", asked).await.text.parse().unwrap()
    };
    assert!((1..=5000).contains(&left(Some("5S")).await));
    assert!((20_000..=30_000).contains(&left(Some("10H")).await));
    assert!((20_000..=30_000).contains(&left(None).await));
    serving.end().await;
}

#[tokio::test]
async fn a_panic_is_internal_whenever_it_happens() {
    let serving = Serving::grpc(router(), GrpcLimits::default()).await;
    for path in ["/t.T/Panic", "/t.T/LatePanic"] {
        let answer = call(&serving, path, None).await;
        assert_eq!(answer.code, Some(Code::Internal), "{path}");
        assert!(!answer.text.contains("4915112345678"));
    }
    assert!(call(&serving, "/t.T/Left", None).await.text.parse::<u64>().is_ok());
    serving.end().await;
}

fn channel(serving: &Serving) -> Channel {
    net::grpc::channel(&serving.address.to_string(), GrpcClientConfig::default()).unwrap()
}

#[tokio::test]
async fn health_follows_readiness_and_its_watch_ends_with_the_drain() {
    let readiness = Readiness::new();
    readiness.waiting("keys", "the keys of identity");
    let stop = tokio_util::sync::CancellationToken::new();
    let health = readiness.grpc(["switchboard.test".to_owned()], stop.clone());
    let router = tonic::service::Routes::new(health).into_axum_router();
    let serving = Serving::grpc(router, GrpcLimits::default()).await;

    let mut client = HealthClient::new(channel(&serving));
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let status = client.check(ask("switchboard.test")).await.unwrap().into_inner().status;
    assert_eq!(status, 2, "not serving");
    assert_eq!(client.check(ask("other")).await.unwrap_err().code(), Code::NotFound);

    let mut watch = client.watch(ask("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    readiness.ready("keys");
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);

    stop.cancel();
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    serving.end().await;
}

#[tokio::test]
async fn a_drain_ends_though_a_stream_does_not() {
    let limits = GrpcLimits { drain: Duration::from_millis(300), ..GrpcLimits::default() };
    let serving = Serving::grpc(router(), limits).await;
    let request = Request::post("/t.T/Stream").body(tonic::body::Body::empty()).unwrap();
    let response = channel(&serving).oneshot(request).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    serving.end().await;
    assert!(body.frame().await.is_none_or(|frame| frame.is_err()), "cut");
}

#[tokio::test]
async fn a_drain_finishes_a_call_that_is_under_way() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let router = Router::new().route(
        "/t.T/Slow",
        post(move || async move {
            told.notify_one();
            wait.notified().await;
            "finished"
        }),
    );
    let serving = Serving::grpc(router, GrpcLimits::default()).await;
    let stop = serving.stop.clone();
    let steps = async {
        begun.notified().await;
        stop.cancel();
        go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(call(&serving, "/t.T/Slow", None), steps);
    assert_eq!(answer.text, "finished");
    serving.end().await;
}
