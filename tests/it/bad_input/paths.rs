//! What no route is for, and what is no HTTP.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{
    answer::{Cases, Told},
    house::{House, PATIENCE},
};

#[tokio::test]
async fn paths_of_nothing_are_told_so() {
    let house = House::start().await;
    let mut cases = Cases::of("paths");
    let unknown = (404, "ROUTE_UNKNOWN", "nothing at this path");
    let table = [
        ("nowhere", "/nowhere".to_owned(), unknown),
        ("no UTF-8", "/%ff".to_owned(), unknown),
        ("a NUL", "/%00".to_owned(), unknown),
        ("a slash too many", "/graphql/".to_owned(), unknown),
        ("an asset of nobody", "/assets/x.js".to_owned(), unknown),
        ("an asset that climbs", "/assets/..%2f..%2fetc%2fpasswd".to_owned(), unknown),
        ("an asset without UTF-8", "/assets/%ff".to_owned(), unknown),
        ("another webhook", "/webhooks/meta/".to_owned(), unknown),
        ("the sandbox's controls", "/_sandbox/v1/settings".to_owned(), unknown),
        ("metrics", "/metrics".to_owned(), unknown),
        (
            "a path of 9 kB",
            format!("/{}", "a".repeat(9_000)),
            (414, "REQUEST_LINE_TOO_LONG", "too long"),
        ),
        (
            "a query of 9 kB",
            format!("/?{}", "a".repeat(9_000)),
            (414, "REQUEST_LINE_TOO_LONG", "too long"),
        ),
    ];
    for (case, path, (status, code, says)) in table {
        cases.refused(case, &Told::of(house.get(&path)).await, status, code, says);
    }
    for path in ["/", "/auth/sign-in", "/oauth/token", "/.well-known/jwks.json", "/graphql/ws"] {
        let url = format!("{}{path}", house.api.gateway());
        let told = Told::of(house.api.http.delete(url)).await;
        cases.refused(&format!("DELETE {path}"), &told, 405, "METHOD_NOT_ALLOWED", "Allow");
        cases.hold(
            &format!("DELETE {path} says what goes"),
            !told.header("allow").is_empty(),
            &told,
        );
    }
    let many = (0..200).fold(house.get("/"), |asked, n| asked.header(format!("x-{n}"), "1"));
    let many = Told::of(many).await;
    cases.hold("200 headers", many.status == 431, &many);
    let long = Told::of(house.get("/").header("x-long", "a".repeat(40_000))).await;
    cases.hold("a header of 40 kB", long.status == 431, &long);
    for (case, bytes) in [
        ("garbage", &b"\x16\x03\x01\x00\xff\x00\r\n\r\n"[..]),
        ("an unknown version", b"GET / HTTP/9.9\r\n\r\n"),
        ("two lengths", b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef"),
        ("a length that is none", b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"),
        ("a NUL in a header", b"GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n"),
        ("a path with a space", b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n"),
    ] {
        let line = raw(&house, bytes).await;
        cases.hold(case, line.starts_with("HTTP/1.1 400"), &line);
    }
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

/// The status line that these bytes are answered.
async fn raw(house: &House, bytes: &[u8]) -> String {
    let address = house.api.gateway().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream.write_all(bytes).await.expect("room for a few bytes");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("an end within the patience").expect("an answer");
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}
