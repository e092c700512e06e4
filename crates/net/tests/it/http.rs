//! IN-1: slow, large, encoded, broken requests; drain.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Extension;
use axum::routing::{get, post};
use futures::StreamExt as _;
use net::http::{BodyLimits, Draining, HttpLimits, RequestId, with_body_limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{PATIENCE, Serving, raw, rest};

fn limits() -> HttpLimits {
    HttpLimits {
        body: BodyLimits {
            bytes: 1000,
            idle: Duration::from_millis(200),
            total: Duration::from_millis(600),
            least_bytes_per_second: 0,
        },
        header_read: Duration::from_millis(200),
        drain: Duration::from_millis(500),
        ..HttpLimits::default()
    }
}

fn router() -> Router {
    let large =
        Router::new().route("/media", post(|body: Bytes| async move { body.len().to_string() }));
    let large = with_body_limits(large, BodyLimits { bytes: 5000, ..limits().body });
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body.len().to_string() }))
        .route(
            "/boom",
            get(|| async {
                let secret = "4915112345678".to_owned();
                assert!(secret.is_empty(), "about {secret}");
            }),
        )
        .route("/id", get(|Extension(id): Extension<RequestId>| async move { id.0 }))
        .merge(large)
}

#[tokio::test]
async fn an_ordinary_request_is_answered_with_its_id() {
    let serving = Serving::http(router(), limits()).await;
    let url = format!("http://{}/id?access_token=secret", serving.address);
    let answer = client().get(url).send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.text().await.unwrap(), id);
    serving.end().await;
}

#[tokio::test]
async fn headers_that_never_end_are_cut() {
    let serving = Serving::http(router(), limits()).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    assert!(!rest(&mut stream).await.contains("hello"));
    serving.end().await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_half_a_preface_is_cut() {
    let serving = Serving::http(router(), limits()).await;
    for said in ["", "PRI * HT"] {
        assert_eq!(raw(serving.address, said.as_bytes()).await, "", "after {said:?}");
    }
    serving.end().await;
}

#[tokio::test]
async fn headers_that_are_too_many_or_too_long_are_refused() {
    let serving = Serving::http(router(), limits()).await;
    let many = "a: b\r\n".repeat(100);
    let long = format!("a: {}\r\n", "b".repeat(20_000));
    for headers in [many, long] {
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let answer = raw(serving.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let path = "a".repeat(9000);
    let head = format!("GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(raw(serving.address, head.as_bytes()).await.starts_with("HTTP/1.1 414"));
    serving.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_whether_announced_or_not() {
    let serving = Serving::http(router(), limits()).await;
    let announced = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    let answer = raw(serving.address, announced.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let chunked = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let sent = format!("{chunked}{chunk}{chunk}");
    let answer = raw(serving.address, sent.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_id"), "{answer}");
    serving.end().await;
}

#[tokio::test]
async fn a_route_may_take_more_than_its_listener() {
    let serving = Serving::http(router(), limits()).await;
    let post = |path: &str, size: usize| {
        let url = format!("http://{}{path}", serving.address);
        client().post(url).body("x".repeat(size)).send()
    };
    assert_eq!(post("/echo", 1000).await.unwrap().text().await.unwrap(), "1000");
    assert_eq!(post("/echo", 1001).await.unwrap().status(), 413);
    assert_eq!(post("/media", 5000).await.unwrap().text().await.unwrap(), "5000");
    assert_eq!(post("/media", 5001).await.unwrap().status(), 413);
    serving.end().await;
}

#[tokio::test]
async fn a_body_that_pauses_or_drips_is_408() {
    let serving = Serving::http(router(), limits()).await;
    let head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\nabc";
    let answer = raw(serving.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");

    // One byte every 100 ms never is idle, and never is done in time.
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(head).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let drip = async {
        loop {
            every.tick().await;
            if writing.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = drip => {}
        read = tokio::time::timeout(PATIENCE, reading.read_exact(&mut answer)) => {
            read.expect("an answer").unwrap();
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    serving.end().await;
}

#[tokio::test]
async fn an_encoded_body_is_415() {
    let serving = Serving::http(router(), limits()).await;
    let url = format!("http://{}/echo", serving.address);
    let answer = client().post(url).header("content-encoding", "gzip").body("x").send().await;
    assert_eq!(answer.unwrap().status(), 415);
    serving.end().await;
}

#[tokio::test]
async fn a_panic_is_500_with_an_id_and_without_its_text() {
    let serving = Serving::http(router(), limits()).await;
    let answer = client().get(format!("http://{}/boom", serving.address)).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let text = answer.text().await.unwrap();
    assert!(text.contains(&id) && !text.contains("4915112345678"), "{text}");
    let url = format!("http://{}/", serving.address);
    assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), "hello");
    serving.end().await;
}

#[tokio::test]
async fn at_the_cap_a_connection_waits_for_a_place() {
    let limits = HttpLimits { connections: 1, header_read: Duration::from_secs(2), ..limits() };
    let serving = Serving::http(router(), limits).await;
    let first = TcpStream::connect(serving.address).await.unwrap();
    let url = format!("http://{}/", serving.address);
    let second = client().get(url).send();
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(200), second.as_mut()).await;
    assert!(early.is_err(), "the second connection had to wait");
    drop(first);
    let answer = tokio::time::timeout(PATIENCE, second).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    serving.end().await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_hand_and_takes_nothing_new() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            told.notify_one();
            wait.notified().await;
            "finished"
        }),
    );
    let serving = Serving::http(router, HttpLimits { drain: PATIENCE, ..limits() }).await;
    let (address, stop) = (serving.address, serving.stop.clone());
    let slow = client().get(format!("http://{address}/slow")).send();
    let steps = async {
        begun.notified().await;
        stop.cancel();
        // The listener closes at once: nobody is taken in any more.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
    };
    let (slow, ()) = tokio::join!(slow, steps);
    assert_eq!(slow.unwrap().text().await.unwrap(), "finished");
    serving.end().await;
}

#[tokio::test]
async fn a_stream_ends_on_drain_and_one_that_does_not_is_cut() {
    for watches in [true, false] {
        let router = Router::new().route(
            "/stream",
            get(move |Extension(Draining(stop)): Extension<Draining>| async move {
                let first = futures::stream::once(async { Ok::<_, std::io::Error>("first") });
                let never = futures::stream::pending();
                let never = never.take_until(async move {
                    if watches {
                        stop.cancelled().await;
                    } else {
                        std::future::pending::<()>().await;
                    }
                });
                axum::body::Body::from_stream(first.chain(never))
            }),
        );
        let serving = Serving::http(router, limits()).await;
        let url = format!("http://{}/stream", serving.address);
        let mut answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "first");
        serving.end().await;
        assert_eq!(answer.chunk().await.is_ok(), watches, "ended well, or cut");
    }
}

fn client() -> reqwest::Client {
    net::http::client(&net::http::ClientConfig::default()).unwrap()
}

#[tokio::test]
async fn a_default_port_that_is_taken_gives_way_and_one_that_was_asked_for_does_not() {
    let taken = net::http::bind("127.0.0.1:0").await.unwrap();
    let address = taken.address().to_string();
    let other = net::http::bind_or_free(&address).await.unwrap();
    assert_ne!(other.address(), taken.address());
    let error = net::http::bind(&address).await.unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
    let error = net::http::bind("here").await.unwrap_err();
    assert!(error.to_string().contains("expected one such as"), "{error}");
}

#[tokio::test]
async fn security_headers_are_added_where_a_route_does_not_set_its_own() {
    let routes = Router::new()
        .route("/", get(|| async { "page" }))
        .route("/own", get(|| async { ([("cache-control", "public, max-age=60")], "asset") }));
    let router = net::http::with_security_headers(routes, net::http::SecurityHeaders::STRICT);
    let serving = Serving::http(router, limits()).await;
    let get = |path: &str| client().get(format!("http://{}{path}", serving.address)).send();
    let page = get("/").await.unwrap();
    for (name, expected) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("vary", "Authorization"),
    ] {
        assert_eq!(page.headers()[name], expected);
    }
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(get("/own").await.unwrap().headers()["cache-control"], "public, max-age=60");
    serving.end().await;
}
