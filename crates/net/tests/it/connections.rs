//! One peer never has all connections of a listener, and none that it does not use (OVL-1).

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::http::HttpLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{PATIENCE, Serving};

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A connection from another loopback address: another peer.
async fn from(address: &str, serving: &Serving) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(serving.address).await.unwrap()
}

/// Whether a request on this connection is answered; the connection stays.
async fn is_served(stream: &mut TcpStream) -> bool {
    // Where it was closed, the write may fail already.
    drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
    let mut answer = [0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.expect("an answer or an end").is_ok_and(|_| &answer == b"HTTP/1.1 200")
}

/// As long as a test: what is open stays open.
fn patient() -> HttpLimits {
    HttpLimits { header_read: PATIENCE, ..HttpLimits::default() }
}

#[tokio::test]
async fn a_peers_connection_beyond_its_share_is_closed_while_others_connect() {
    let serving = Serving::http(router(), patient()).await;
    let most = patient().connections_per_peer;
    assert_eq!(most, 256);
    let mut open = Vec::new();
    for _ in 0..most {
        let mut stream = from("127.0.0.2", &serving).await;
        assert!(is_served(&mut stream).await);
        open.push(stream);
    }
    assert!(!is_served(&mut from("127.0.0.2", &serving).await).await, "one too many");
    assert!(is_served(&mut from("127.0.0.3", &serving).await).await, "another peer");
    // A place that is given back is given again.
    open.pop();
    let again = async { while !is_served(&mut from("127.0.0.2", &serving).await).await {} };
    tokio::time::timeout(PATIENCE, again).await.expect("the place is free again");
    drop(open);
    serving.end().await;
}

#[tokio::test]
async fn a_proxy_that_is_trusted_has_as_many_as_there_are() {
    let limits = HttpLimits { connections_per_peer: 1, trusted_hops: Some(1), ..patient() };
    let serving = Serving::http(router(), limits).await;
    let mut first = from("127.0.0.2", &serving).await;
    assert!(is_served(&mut first).await);
    assert!(is_served(&mut from("127.0.0.2", &serving).await).await);
    drop(first);
    serving.end().await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_ended_though_it_answers_pings() {
    let limits = HttpLimits { idle: Duration::from_millis(100), ..patient() };
    let serving = Serving::http(router(), limits).await;
    let io = TokioIo::new(TcpStream::connect(serving.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let ask = async {
        let request = Request::get(format!("http://{}/", serving.address));
        let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
        // The sender is kept: it is not we who close.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = ask => {}
        ended = tokio::time::timeout(PATIENCE, connection) => drop(ended.expect("it is closed")),
    }
    serving.end().await;
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_a_connection_may_idle_is_given() {
    let slow = get(|| async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "late"
    });
    let limits = HttpLimits { idle: Duration::from_millis(50), ..patient() };
    let serving = Serving::http(Router::new().route("/", slow), limits).await;
    let io = TokioIo::new(TcpStream::connect(serving.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let request = Request::get(format!("http://{}/", serving.address));
    let answer = async {
        let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    tokio::pin!(answer);
    let told = tokio::select! {
        told = answer.as_mut() => told,
        _ = connection => answer.await,
    };
    assert_eq!(told, "late");
    serving.end().await;
}
