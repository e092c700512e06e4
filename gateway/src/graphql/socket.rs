//! `graphql-transport-ws`: subscriptions, and whatever else a client likes to ask over a socket.
//!
//! A socket belongs to one session. Its origin is checked before it opens, its token must come within five seconds,
//! and it closes with 4401 when that token has expired or was revoked (AUTH-21); with an API key it stays, and the
//! token is renewed. One task serves a socket, and reads nothing from its subscriptions while the peer takes
//! nothing: nobody's slowness costs memory here. Nothing is kept: a peer whose socket broke comes back with the
//! last cursor of each subscription.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use net::http::{Draining, Slot};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::StreamMap;
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use super::call::Services;
use super::error::server_error;
use super::execute::{self, Answer, Asked, Ready, Stopped};
use crate::admission::Admitted;
use crate::bearer::Session;
use crate::house::House;
use crate::refusal::{Kind, Refusal};
use crate::request::{About, Failure, is_known_origin};

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a peer may take to take a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How often token and silence are looked at: well within the five seconds of T14.
const LOOK: Duration = Duration::from_secs(1);
/// Longest id of an operation.
const LONGEST_ID: usize = 128;

/// Why a socket closes: the protocol's codes, and two of the WebSocket's own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Close(u16, String);

impl Close {
    fn new(code: u16, reason: &str) -> Self {
        Self(code, reason.to_owned())
    }

    /// The peer speaks another language.
    fn invalid(why: impl std::fmt::Display) -> Self {
        // A close frame holds 123 bytes of text.
        Self(4400, format!("Invalid message: {why}").chars().take(110).collect())
    }

    fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }
}

/// `GET /graphql/ws`.
pub(crate) async fn upgrade(
    State(house): State<Arc<House>>,
    about: About,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if !is_known_origin(&house.settings, &parts.headers) {
        let refused = Failure::new(
            StatusCode::FORBIDDEN,
            "ORIGIN_NOT_ALLOWED",
            "scripts of this origin may not open a socket; see gateway.allowed_origins",
        );
        return refused.respond(&about);
    }
    let socket = match WebSocketUpgrade::from_request_parts(&mut parts, &house).await {
        Ok(socket) => socket,
        Err(rejection) => {
            let message = format!("{}; this is a WebSocket", rejection.body_text());
            return Failure::new(rejection.status(), "NO_WEBSOCKET", message).respond(&about);
        }
    };
    let offered = parts.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let ours = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|name| name.trim() == PROTOCOL);
    if !ours {
        let message = format!("the subprotocol is `{PROTOCOL}`");
        return Failure::new(StatusCode::BAD_REQUEST, "SUBPROTOCOL_UNKNOWN", message)
            .respond(&about);
    }
    let draining = parts.extensions.get::<Draining>().map(|draining| draining.0.clone());
    // The socket keeps its connection's place among those that the listener allows.
    let slot = parts.extensions.get::<Slot>().cloned();
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let header = header.map(str::to_owned);
    let most = house.settings.graphql.body_bytes;
    let sockets = house.sockets.clone();
    socket
        .protocols([PROTOCOL])
        .max_message_size(most)
        .max_frame_size(most)
        .on_upgrade(move |socket| {
            sockets.track_future(async move {
                let connection = Connection::new(house, about, socket, header);
                connection.serve(draining.unwrap_or_default()).await;
                drop(slot);
            })
        })
        .into_response()
}

/// What a peer says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", expecting = "an object with `type`")]
enum Said {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Value>,
    },
    Ping {},
    Pong {},
    Subscribe {
        id: String,
        payload: Value,
    },
    Complete {
        id: String,
    },
}

/// What an operation says.
#[derive(Debug)]
enum Event {
    Next(String),
    Error(String),
    Complete,
}

struct Connection {
    house: Arc<House>,
    about: About,
    socket: WebSocket,
    /// What the upgrade's own header said, for peers that can set one.
    header: Option<String>,
    session: Option<Arc<Session>>,
    /// Its place among the sockets of its tenant.
    admitted: Option<Admitted>,
    operations: StreamMap<String, BoxStream<'static, Event>>,
    opened: Instant,
    heard: Instant,
    pinged: Instant,
}

impl Connection {
    fn new(house: Arc<House>, about: About, socket: WebSocket, header: Option<String>) -> Self {
        let now = Instant::now();
        Self {
            house,
            about,
            socket,
            header,
            session: None,
            admitted: None,
            operations: StreamMap::new(),
            opened: now,
            heard: now,
            pinged: now,
        }
    }

    async fn serve(mut self, draining: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let close = loop {
            // All are cancel-safe: what is not taken in this turn is taken in another.
            let turn = tokio::select! {
                biased;
                () = draining.cancelled() => Err(Some(Close::new(1001, "going away; come back"))),
                said = self.socket.recv() => match said {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(error)) => Err(self.broken(error)),
                    None => Err(None),
                },
                Some((id, event)) = self.operations.next(), if !self.operations.is_empty() => {
                    self.tell(&id, event).await
                }
                _ = tick.tick() => self.look().await,
            };
            if let Err(close) = turn {
                break close;
            }
        };
        self.operations.clear();
        self.close(close).await;
    }

    /// What is said about a message that can't be read. Where the connection itself broke, nobody would hear it.
    fn broken(&self, error: axum::Error) -> Option<Close> {
        let most = self.house.settings.graphql.body_bytes;
        match *error.into_inner().downcast::<tungstenite::Error>().ok()? {
            tungstenite::Error::Capacity(_) => {
                Some(Close(1009, format!("a message has at most {most} bytes")))
            }
            tungstenite::Error::Utf8(_) => Some(Close::new(1007, "a message is text in UTF-8")),
            tungstenite::Error::Protocol(_) => Some(Close::new(1002, "this is no WebSocket frame")),
            _ => None,
        }
    }

    /// Takes one message. An error ends the socket, with a frame where there is somebody to read it.
    async fn hear(&mut self, message: Message) -> Result<(), Option<Close>> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Some(Close::invalid("it is not text"))),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(None),
        };
        let said: Said =
            serde_json::from_str(&text).map_err(|error| Some(Close::invalid(error)))?;
        match said {
            Said::ConnectionInit { payload } => self.begin(payload.as_ref()).await,
            Said::Ping {} => self.send(json!({ "type": "pong" }).to_string()).await,
            Said::Pong {} => Ok(()),
            Said::Subscribe { id, payload } => self.subscribe(id, payload).await,
            Said::Complete { id } => {
                drop(self.operations.remove(&id));
                Ok(())
            }
        }
    }

    async fn begin(&mut self, payload: Option<&Value>) -> Result<(), Option<Close>> {
        if self.session.is_some() {
            return Err(Some(Close::new(4429, "Too many initialisation requests")));
        }
        let told = payload.and_then(token_of).or(self.header.as_deref()).unwrap_or_default();
        match self.house.bearer.of_text(told, &self.about.client).await {
            Ok(session) => {
                let (admission, scope) = (&self.house.admission, session.scope());
                let admitted = admission.request(&scope).and_then(|()| admission.socket(&scope));
                match admitted {
                    Ok(admitted) => self.admitted = Some(admitted),
                    Err(refusal) => return Err(Some(Close(1013, refusal.message))),
                }
                self.session = Some(Arc::new(session));
                self.send(json!({ "type": "connection_ack" }).to_string()).await
            }
            Err(refusal) if refusal.kind() == Kind::Unavailable => {
                Err(Some(Close::new(1013, "try again later")))
            }
            Err(refusal) => Err(Some(Close(4403, format!("Forbidden: {}", refusal.reason)))),
        }
    }

    async fn subscribe(&mut self, id: String, payload: Value) -> Result<(), Option<Close>> {
        let Some(session) = self.session.clone() else { return Err(Some(Close::unauthorized())) };
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(Some(Close::invalid("an id has 1 to 128 bytes")));
        }
        if self.operations.contains_key(&id) {
            return Err(Some(Close(
                4409,
                format!("Subscriber for {id} already exists").chars().take(110).collect(),
            )));
        }
        let most = self.house.settings.socket.operations;
        if self.operations.len() >= most {
            let message = format!("a socket has at most {most} operations at once");
            let errors = [ServerError::new(message, None)];
            return self.refuse(&id, "TOO_MANY_OPERATIONS", &errors).await;
        }
        let scope = session.scope();
        if let Err(refusal) = self.house.admission.request(&scope) {
            return self.refuse_with(&id, &refusal).await;
        }
        let ready = match Asked::of(payload).map_err(Stopped::Malformed) {
            Ok(asked) => execute::prepare(&self.house, asked).await,
            Err(stopped) => Err(stopped),
        };
        match ready {
            Ok(ready) => {
                let admission = &self.house.admission;
                let admitted = if ready.kind == OperationType::Subscription {
                    admission.subscription(&scope)
                } else {
                    admission.call(&scope)
                };
                let admitted = match admitted {
                    Ok(admitted) => admitted,
                    Err(refusal) => return self.refuse_with(&id, &refusal).await,
                };
                let services = Services::new(Arc::clone(&self.house), session);
                let events = self.events(services, ready, admitted);
                self.operations.insert(id, events);
                Ok(())
            }
            Err(Stopped::Malformed(why)) => {
                self.refuse(&id, "BAD_REQUEST", &[ServerError::new(why.0, None)]).await
            }
            Err(Stopped::Refused { code, errors }) => self.refuse(&id, code, &errors).await,
        }
    }

    fn events(
        &self,
        services: Services,
        ready: Ready,
        admitted: Admitted,
    ) -> BoxStream<'static, Event> {
        let request_id = self.about.request_id.clone();
        let house = Arc::clone(&self.house);
        let answers = if ready.kind == OperationType::Subscription {
            execute::start(&house, services, ready).map(Answer::of).boxed()
        } else {
            async move { execute::run(&house, services, ready).await }.into_stream().boxed()
        };
        answers
            .map(move |answer| event(&answer, &request_id))
            .chain(futures::stream::once(async move {
                drop(admitted);
                Event::Complete
            }))
            .boxed()
    }

    async fn tell(&mut self, id: &str, event: Event) -> Result<(), Option<Close>> {
        let name = Value::from(id);
        let text = match event {
            Event::Next(payload) => {
                format!(r#"{{"id":{name},"type":"next","payload":{payload}}}"#)
            }
            Event::Error(payload) => {
                drop(self.operations.remove(id));
                format!(r#"{{"id":{name},"type":"error","payload":{payload}}}"#)
            }
            Event::Complete => {
                drop(self.operations.remove(id));
                format!(r#"{{"id":{name},"type":"complete"}}"#)
            }
        };
        self.send(text).await
    }

    async fn refuse(
        &mut self,
        id: &str,
        code: &str,
        errors: &[ServerError],
    ) -> Result<(), Option<Close>> {
        let payload = execute::errors(errors, code, &self.about.request_id);
        let text = json!({ "id": id, "type": "error", "payload": payload }).to_string();
        self.send(text).await
    }

    async fn refuse_with(&mut self, id: &str, refusal: &Refusal) -> Result<(), Option<Close>> {
        let error = server_error(refusal, self.house.wall.now());
        self.refuse(id, refusal.code_name(), &[error]).await
    }

    /// Looks at what comes with time: the first word, the token, and silence.
    async fn look(&mut self) -> Result<(), Option<Close>> {
        let limits = self.house.settings.socket;
        let Some(session) = &self.session else {
            let limit = Duration::from_secs(limits.init_timeout_seconds);
            return if self.opened.elapsed() >= limit {
                Err(Some(Close::new(4408, "Connection initialisation timeout")))
            } else {
                Ok(())
            };
        };
        if let Err(refusal) = self.house.bearer.still_holds(session) {
            self.outlive(Arc::clone(session), &refusal).await?;
        }
        if self.heard.elapsed() >= Duration::from_secs(limits.silence_seconds) {
            return Err(Some(Close::new(1001, "no sign of life")));
        }
        let due = Duration::from_secs(limits.ping_seconds);
        if self.heard.elapsed() >= due && self.pinged.elapsed() >= due {
            self.pinged = Instant::now();
            return self.put(Message::Ping(Vec::new().into())).await;
        }
        Ok(())
    }

    /// What becomes of a socket whose token has ended.
    async fn outlive(&mut self, session: Arc<Session>, why: &Refusal) -> Result<(), Option<Close>> {
        if session.has_key() {
            match self.house.bearer.renew(&session).await {
                Ok(_) => return Ok(()),
                // Identity is away: its streams end by themselves, and the next look tries again.
                Err(refusal) if refusal.kind() == Kind::Unavailable => return Ok(()),
                Err(_) => {}
            }
        }
        let expired = why.reason == "TOKEN_EXPIRED" && !session.has_key();
        Err(Some(Close::new(4401, if expired { "token expired" } else { "token revoked" })))
    }

    async fn send(&mut self, text: String) -> Result<(), Option<Close>> {
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Option<Close>> {
        match tokio::time::timeout(PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }

    /// Says why, where it is we who close, and gives the peer a moment for its part of the goodbye. Where the peer
    /// closes, reading on is what sends our answer.
    async fn close(mut self, close: Option<Close>) {
        if let Some(Close(code, reason)) = close {
            let frame = CloseFrame { code, reason: reason.into() };
            if self.put(Message::Close(Some(frame))).await.is_err() {
                return;
            }
        }
        let goodbye = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        if tokio::time::timeout(GOODBYE, goodbye).await.is_err() {
            tracing::debug!("a peer did not answer the close of its socket");
        }
    }
}

/// The token in a `connection_init`, under the names that clients use.
fn token_of(payload: &Value) -> Option<&str> {
    ["authorization", "Authorization", "token"]
        .into_iter()
        .find_map(|name| payload.get(name).and_then(Value::as_str))
}

fn event(answer: &Answer, request_id: &str) -> Event {
    let body = answer.body(request_id);
    let text = match answer {
        Answer::Ran(_) => serde_json::to_string(&body).map(Event::Next),
        Answer::Refused { .. } | Answer::TimedOut(_) => {
            serde_json::to_string(&body.errors).map(Event::Error)
        }
    };
    text.unwrap_or_else(|_| Event::Error(r#"[{"message":"internal error"}]"#.to_owned()))
}
