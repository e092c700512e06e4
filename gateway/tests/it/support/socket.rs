//! A peer that speaks `graphql-transport-ws`.

use std::time::Duration;

use ::http::Request;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Peer(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What a socket said last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Json(Value),
    Closed(u16, String),
    Gone,
}

impl Peer {
    /// Opens a socket with more headers; the status where it is refused.
    pub(crate) async fn open(address: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = Request::get(format!("ws://{address}/graphql/ws"))
            .header("host", address)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match connect_async(request.body(()).unwrap()).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket as clients do.
    pub(crate) async fn connect(address: &str) -> Self {
        let headers = [("sec-websocket-protocol", "graphql-transport-ws")];
        Self::open(address, &headers).await.unwrap()
    }

    /// Opens a socket and shows a token.
    pub(crate) async fn begun(address: &str, token: &str) -> Self {
        let mut peer = Self::connect(address).await;
        peer.say(&init(token)).await;
        assert_eq!(peer.hear().await, Word::Json(json!({ "type": "connection_ack" })));
        peer
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(&json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
    }

    /// The next word that is not about the connection itself.
    pub(crate) async fn hear(&mut self) -> Word {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a word");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Word::Json(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Word::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Word::Gone,
            }
        }
    }

    /// The next word, which is JSON.
    pub(crate) async fn json(&mut self) -> Value {
        match self.hear().await {
            Word::Json(value) => value,
            other => panic!("expected JSON, heard {other:?}"),
        }
    }

    /// The code and reason that the socket closes with.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.hear().await {
                Word::Closed(code, reason) => return (code, reason),
                Word::Json(_) => {}
                Word::Gone => panic!("the socket is gone without a word"),
            }
        }
    }
}

pub(crate) fn init(token: &str) -> Value {
    json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } })
}
