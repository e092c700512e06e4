//! `/graphql/ws`: handshakes, frames and messages that are none, and tokens of nobody.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::forge;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{
    answer::{Cases, Told},
    house::{House, PATIENCE},
};
use crate::support::text;

#[tokio::test]
async fn sockets_close_with_a_word() {
    let house = House::start().await;
    let mut cases = Cases::of("/graphql/ws");
    handshakes(&house, &mut cases).await;
    let key = house.api.key(0);
    let begin =
        json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {key}")}})
            .to_string();
    let other =
        json!({"type": "connection_init", "payload": {"authorization": "Bearer sb_test_x"}})
            .to_string();
    let subscribe = json!({"type": "subscribe", "id": "a", "payload": {"query": "subscription { messageUpdates { cursor } }"}}).to_string();
    let say = |text: &str| Message::text(text.to_owned());
    let table: Vec<(&str, Vec<Message>, u16, &str)> = vec![
        ("no JSON", vec![say("hello")], 4400, "expected"),
        ("an unknown type", vec![say("{\"type\":\"shout\"}")], 4400, "`shout`"),
        ("no type", vec![say("{}")], 4400, "`type`"),
        ("a list", vec![say("[]")], 4400, "`type`"),
        ("bytes", vec![Message::binary(vec![0_u8, 255])], 4400, "not text"),
        ("subscribe first", vec![say(&subscribe)], 4401, "Unauthorized"),
        ("no token", vec![say("{\"type\":\"connection_init\"}")], 4403, "TOKEN_MISSING"),
        (
            "a token that is a number",
            vec![say("{\"type\":\"connection_init\",\"payload\":{\"token\":7}}")],
            4403,
            "TOKEN_MISSING",
        ),
        ("a key of nobody", vec![say(&other)], 4403, "API_KEY_INVALID"),
        ("a beginning twice", vec![say(&begin), say(&begin)], 4429, "Too many"),
        (
            "an id twice",
            vec![say(&begin), say(&subscribe), say(&subscribe)],
            4409,
            "already exists",
        ),
        (
            "an empty id",
            vec![say(&begin), say(&subscribe.replace("\"a\"", "\"\""))],
            4400,
            "1 to 128",
        ),
        (
            "an id of 10 kB",
            vec![
                say(&begin),
                say(&subscribe.replace("\"a\"", &format!("\"{}\"", "a".repeat(10_000)))),
            ],
            4400,
            "1 to 128",
        ),
        (
            "no payload",
            vec![say(&begin), say("{\"type\":\"subscribe\",\"id\":\"a\"}")],
            4400,
            "payload",
        ),
        (
            "2 MB",
            vec![say(&begin), say(&format!("{}{subscribe}", " ".repeat(2 << 20)))],
            1009,
            "1048576 bytes",
        ),
    ];
    for (case, said, code, says) in table {
        let closed = closed(&house, &said).await;
        cases.hold(
            &format!("{case}: {closed:?}"),
            closed.0 == code && closed.1.contains(says),
            &closed,
        );
    }
    let genuine = house.api.exchange(house.api.key(0)).await;
    let jwks = house.api.jwks().await;
    for forged in forge::forgeries(&genuine, &jwks).expect("forgeries") {
        let begin = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", forged.token)}});
        let closed = closed(&house, &[say(&begin.to_string())]).await;
        cases.hold(&forged.name, closed == (4403, "Forbidden: TOKEN_INVALID".to_owned()), &closed);
    }
    operations(&house, &mut cases, &begin).await;
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

/// What is refused before there is a socket.
async fn handshakes(house: &House, cases: &mut Cases) {
    let asked = || {
        house
            .get("/graphql/ws")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let plain = Told::of(house.get("/graphql/ws")).await;
    cases.refused("no upgrade", &plain, 400, "NO_WEBSOCKET", "WebSocket");
    let none = Told::of(asked()).await;
    cases.refused("no subprotocol", &none, 400, "SUBPROTOCOL_UNKNOWN", "graphql-transport-ws");
    let old = Told::of(asked().header("sec-websocket-protocol", "graphql-ws")).await;
    cases.refused("the old subprotocol", &old, 400, "SUBPROTOCOL_UNKNOWN", "graphql-transport-ws");
    let foreign = asked()
        .header("sec-websocket-protocol", "graphql-transport-ws")
        .header("origin", "https://evil.test");
    cases.refused(
        "a foreign page",
        &Told::of(foreign).await,
        403,
        "ORIGIN_NOT_ALLOWED",
        "allowed_origins",
    );
}

/// What is refused on a socket that stays: the operation ends, the others go on.
async fn operations(house: &House, cases: &mut Cases, begin: &str) {
    let mut socket = open(house).await;
    socket.send(Message::text(begin.to_owned())).await.expect("an open socket");
    for (case, payload, says) in [
        ("an empty payload", json!({}), "`query`"),
        ("a payload that is a text", json!("{__typename}"), "`query`"),
        ("an unknown field", json!({"query": "subscription { nothing { id } }"}), "nothing"),
        (
            "two root fields",
            json!({"query": "subscription { messageUpdates { cursor } inboundMessages { cursor } }"}),
            "one root field",
        ),
        (
            "a NUL",
            json!({"query": "subscription($a: String) { messageUpdates(after: $a) { cursor } }", "variables": {"a": "\0"}}),
            "variables.a: U+0000",
        ),
        (
            "a cursor of nobody",
            json!({"query": "subscription { messageUpdates(after: \"x\") { cursor } }"}),
            "cursor",
        ),
        (
            "a number that is none",
            json!({"query": "subscription { messageUpdates(numberId: \"x\") { cursor } }"}),
            "number_",
        ),
    ] {
        let said = json!({"type": "subscribe", "id": case, "payload": payload}).to_string();
        socket.send(Message::text(said)).await.expect("an open socket");
        let mut heard = Vec::new();
        let refused = loop {
            let word = word(&mut socket).await;
            let Ok(Message::Text(word)) = word else { break false };
            let about: Value = serde_json::from_str(&word).expect("JSON");
            heard.push(about.clone());
            if about.get("id") == Some(&json!(case)) {
                break about.to_string().contains(says) && about.to_string().contains("\"code\"");
            }
        };
        cases.hold(case, refused, &heard);
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(house: &House) -> Socket {
    let url = text(&house.api.json, "/gateway/graphql_ws");
    let mut request = url.into_client_request().expect("a URL");
    let protocol = http::HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    connect_async(request).await.expect("a socket").0
}

/// The next word of a socket; the end where there is none.
async fn word(socket: &mut Socket) -> Result<Message, String> {
    let word =
        tokio::time::timeout(PATIENCE, socket.next()).await.expect("a word within the patience");
    word.ok_or_else(|| "gone".to_owned())?.map_err(|error| error.to_string())
}

/// The code and reason that a socket closes with once these were said.
async fn closed(house: &House, said: &[Message]) -> (u16, String) {
    let mut socket = open(house).await;
    for message in said {
        if socket.send(message.clone()).await.is_err() {
            break;
        }
    }
    loop {
        match word(&mut socket).await {
            Ok(Message::Close(Some(frame))) => {
                return (frame.code.into(), frame.reason.to_string());
            }
            Ok(_) => {}
            Err(why) => return (0, why),
        }
    }
}
