//! Streams and subscriptions: what happens to the victim is seen by the victim and by nobody else (ISO-8).
//!
//! Everybody watches at once. Something happens to the victim; when the victim has seen it, something happens to each
//! attacker: whoever sees its own has been served past the victim's, and must not have seen that. The same once more with
//! the victim's own cursor in an attacker's hand.

use std::time::Duration;

use futures::future::join_all;
use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use proto::options::v1::Principal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use tonic::Status;

use super::{
    callers::Caller,
    fill::unique,
    matrix::{Matrix, Verdict},
    subject::Subject,
    world::{PATIENCE, World},
};
use crate::support::{
    grpc::{Items, Rpc},
    text,
};

/// What is watched over gRPC.
const STREAMS: [&str; 3] =
    ["messaging.WatchMessages", "onboarding.WatchOnboardings", "onboarding.WatchOwnOnboardings"];
/// The same in GraphQL, with things that loaders add.
const SUBSCRIPTIONS: [(&str, &str); 3] = [
    (
        "messageUpdates",
        "subscription($after: String, $of: ID) { messageUpdates(after: $after, numberId: $of) { cursor resync message { id body number { id } contact { id e164 } conversation { id } } } }",
    ),
    (
        "inboundMessages",
        "subscription($after: String, $of: ID) { inboundMessages(after: $after, numberId: $of) { cursor resync message { id body number { id } contact { id e164 } conversation { id } } } }",
    ),
    (
        "onboardingSteps",
        "subscription($after: String, $of: ID) { onboardingSteps(after: $after, tenantId: $of) { cursor resync onboarding { id state tenant { id name } } } }",
    ),
];

/// How long a stream that was opened a moment ago may take to tell of the first thing.
const SOON: Duration = Duration::from_secs(2);
/// How long a stream is looked at that should show nothing.
const A_MOMENT: Duration = Duration::from_millis(300);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Somebody who watches, in whatever way.
enum Watch {
    Stream(Box<Items>),
    Socket(Box<Socket>),
}

/// A stream, or why it did not open.
type Opened = Result<Watch, String>;

impl Watch {
    /// The next thing that is told, as JSON.
    async fn next(&mut self) -> Result<Value, String> {
        match self {
            Self::Stream(items) => match items.next().await {
                Ok(item) => item.ok_or_else(|| "the stream ended".to_owned()),
                Err(status) => Err(why(&status)),
            },
            Self::Socket(socket) => loop {
                let frame = heard(socket).await?;
                if frame.get("id") != Some(&json!("1")) {
                    continue;
                }
                let payload = frame.get("payload").cloned().unwrap_or_default();
                let is_item = frame.get("type") == Some(&json!("next"));
                if !is_item || payload.get("errors").is_some() {
                    return Err(frame.to_string());
                }
                let data = payload.get("data").and_then(Value::as_object);
                return Ok(data.and_then(|data| data.values().next()).cloned().unwrap_or_default());
            },
        }
    }

    /// All that is told until `mark` is, and the cursor of that.
    async fn until(&mut self, mark: &str, patience: Duration) -> Result<(String, String), String> {
        let mut seen = String::new();
        let reading = async {
            loop {
                let item = self.next().await?;
                seen.push_str(&item.to_string());
                if item.to_string().contains(mark) {
                    return Ok::<_, String>(text(&item, "/cursor").to_owned());
                }
            }
        };
        match tokio::time::timeout(patience, reading).await {
            Ok(Ok(cursor)) => Ok((seen, cursor)),
            Ok(Err(why)) => Err(format!("{why}, after {seen}")),
            Err(_) => Err(format!("{mark} was not seen within {} s: {seen}", patience.as_secs())),
        }
    }
}

/// The next frame of a socket.
async fn heard(socket: &mut Socket) -> Result<Value, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(frame))) => {
                return serde_json::from_str(&frame).map_err(|error| error.to_string());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => return Err(format!("the socket said {other:?}")),
        }
    }
}

fn why(status: &Status) -> String {
    format!("{:?} {}", status.code(), super::methods::told(status))
}

/// A stream that must be refused so, in gRPC's word or in GraphQL's.
async fn refused(watch: Opened, code: &str, word: &'static str) -> Verdict {
    let why = match watch {
        Ok(mut watch) => match tokio::time::timeout(PATIENCE, watch.next()).await {
            Ok(Ok(item)) => return Err(format!("was shown {item}")),
            Ok(Err(why)) => why,
            Err(_) => return Err("was let in".to_owned()),
        },
        Err(why) => why,
    };
    if why.contains(code) || why.contains(word) { Ok(word) } else { Err(why) }
}

fn rpc(name: &str) -> Rpc {
    let found = Rpc::all().into_iter().find(|rpc| rpc.name() == name);
    found.unwrap_or_else(|| panic!("no method {name}"))
}

/// The field of a stream's request that names what is watched, and its kind.
fn filter(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "onboarding.WatchOwnOnboardings" => None,
        "onboarding.WatchOnboardings" | "onboardingSteps" => Some(("tenant_id", "tenant")),
        _ => Some(("number_id", "number")),
    }
}

/// What a stream shows in a moment, after all that should have been shown elsewhere was.
async fn in_passing(watch: Opened) -> String {
    let mut seen = String::new();
    let Ok(mut watch) = watch else { return seen };
    while let Ok(Ok(item)) = tokio::time::timeout(A_MOMENT, watch.next()).await {
        seen.push_str(&item.to_string());
    }
    seen
}

/// The method that a stream is, or that a subscription stands on for this caller.
fn behind(name: &str, caller: &Caller) -> Rpc {
    rpc(match name {
        "messageUpdates" | "inboundMessages" => "messaging.WatchMessages",
        "onboardingSteps" if caller.principal() == Principal::User => {
            "onboarding.WatchOwnOnboardings"
        }
        "onboardingSteps" => "onboarding.WatchOnboardings",
        stream => stream,
    })
}

/// Watches as everybody.
pub(super) async fn every_stream() {
    let world = World::build().await;
    let mut matrix = Matrix::new("streams and subscriptions");
    let all: Vec<String> = Rpc::all().iter().filter(|rpc| rpc.streams()).map(Rpc::name).collect();
    // Services alone may call that one: `methods` knocks at its doors.
    for name in all.iter().filter(|name| *name != "identity.Watch") {
        assert!(
            STREAMS.contains(&name.as_str()),
            "{name} is a stream that nobody attacks; add it here"
        );
    }
    let schema = super::schema::Schema::read(&world.api, &world.owner.bearer).await;
    for field in schema.fields(&schema.subscription) {
        assert!(
            SUBSCRIPTIONS.iter().any(|(name, _)| *name == field.name),
            "nobody attacks the subscription {}",
            field.name
        );
    }
    for name in STREAMS.into_iter().chain(SUBSCRIPTIONS.map(|(name, _)| name)) {
        world.watch(name, &mut matrix).await;
    }
    matrix.finish();
}

impl World {
    async fn watch(&self, name: &'static str, matrix: &mut Matrix) {
        let rightful =
            if name == "onboarding.WatchOnboardings" { &self.operator } else { &self.owner };
        // The desk's own streams are the operator's to see.
        let attackers: Vec<&Caller> = self
            .attackers
            .iter()
            .filter(|caller| {
                caller.principal() != Principal::Operator || !caller.may_call(&behind(name, caller))
            })
            .collect();
        let now = attackers.iter().map(|caller| self.open(name, caller, &caller.own, json!({})));
        let now = join_all(now).await;
        // The victim's alone, by its id.
        let of = filter(name).map(|(_, kind)| json!({"of": self.victim.get(kind)}));
        let of = of.unwrap_or_else(|| json!({}));
        let named = attackers.iter().map(|caller| self.begin(name, caller, of.clone()));
        let named = join_all(named).await;
        let mut control = self.open(name, rightful, &self.victim, of).await;
        // First to the victim, and when that has been told, to everybody else.
        let mark = self.happens(name, &self.victim).await;
        let seen = match &mut control {
            Ok(watch) => watch.until(&mark, PATIENCE).await,
            Err(why) => Err(why.clone()),
        };
        let cursor = match seen {
            Ok((_, cursor)) => cursor,
            Err(why) => return matrix.control(name, Err(why)),
        };
        matrix.control(name, Ok(()));
        let after =
            attackers.iter().map(|caller| self.begin(name, caller, json!({"after": cursor})));
        let after = join_all(after).await;
        for (caller, (now, after)) in attackers.iter().zip(now.into_iter().zip(after)) {
            let may = caller.may_call(&behind(name, caller));
            let own = if may { Some(self.happens(name, &caller.own).await) } else { None };
            let own = own.as_deref();
            matrix.cell(name, "from now", caller.name, self.look(caller, now, &mark, own).await);
            // Whoever is of the victim's tenant may hold its cursor, and sees no more by it.
            let within = caller.claim("tid") == Some(self.victim.get("tenant"));
            let verdict = if may && !within {
                refused(after, "InvalidArgument", "INVALID_ARGUMENT").await
            } else {
                self.look(caller, after, &mark, own).await
            };
            matrix.cell(name, "another's cursor", caller.name, verdict);
        }
        for (caller, watch) in attackers.into_iter().zip(named) {
            let seen = in_passing(watch).await;
            let mut hidden = self.marks(caller).into_iter().chain([mark.as_str()]);
            let verdict = hidden
                .find(|hidden| seen.contains(hidden))
                .map_or(Ok("nothing"), |it| Err(format!("sees {it}: {seen}")));
            matrix.cell(name, "another's id", caller.name, verdict);
        }
    }

    /// What a caller makes of a stream: denied where it may not watch, else its own alone.
    async fn look(&self, caller: &Caller, watch: Opened, mark: &str, own: Option<&str>) -> Verdict {
        let Some(own) = own else {
            return refused(watch, "PermissionDenied", "PERMISSION_DENIED").await;
        };
        let (seen, _) = watch?.until(own, PATIENCE).await?;
        let hidden =
            self.marks(caller).into_iter().chain([mark]).find(|hidden| seen.contains(hidden));
        hidden.map_or(Ok("sees its own alone"), |hidden| Err(format!("sees {hidden}: {seen}")))
    }

    /// Something happens to somebody that the stream tells of. Answers a word that nothing else has.
    async fn happens(&self, name: &str, to: &Subject) -> String {
        if name.contains("nboarding") {
            return self.onboard_again(to).await;
        }
        let words = format!("word {} for {}", unique(), to.get("tenant"));
        self.customer_writes(to.get("customer"), to.get("number_meta"), &words).await;
        words
    }

    /// Opens a stream. One that tells of what comes from now on is tried until it does: it is open when it tells.
    async fn open(&self, name: &str, caller: &Caller, own: &Subject, asked: Value) -> Opened {
        let mut watch = self.begin(name, caller, asked).await?;
        if !name.contains("nboarding") && caller.may_call(&behind(name, caller)) {
            let mut tries = 0;
            loop {
                let mark = self.happens(name, own).await;
                match watch.until(&mark, SOON).await {
                    Ok(_) => break,
                    Err(why) if tries == 5 => return Err(why),
                    Err(_) => tries += 1,
                }
            }
        }
        Ok(watch)
    }

    /// Asks for a stream: `after` a cursor, `of` one thing.
    async fn begin(&self, name: &str, caller: &Caller, mut asked: Value) -> Opened {
        if let Some((_, document)) = SUBSCRIPTIONS.iter().find(|(field, _)| *field == name) {
            let socket = self.subscribe(document, caller, asked).await?;
            return Ok(Watch::Socket(Box::new(socket)));
        }
        let rpc = rpc(name);
        let headers = self.relayed(&rpc, caller).await;
        let of = asked.as_object_mut().expect("an object").remove("of");
        if let (Some(of), Some((field, _))) = (of, filter(name)) {
            asked[field] = of;
        }
        let opened = self.channels.open(&rpc, &headers, &asked).await;
        opened.map(|items| Watch::Stream(Box::new(items))).map_err(|status| why(&status))
    }

    async fn subscribe(
        &self,
        document: &str,
        caller: &Caller,
        variables: Value,
    ) -> Result<Socket, String> {
        let url = text(&self.api.json, "/gateway/graphql_ws");
        let host = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let request = Request::get(url)
            .header("host", host)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "graphql-transport-ws");
        let (mut socket, _) =
            connect_async(request.body(()).expect("a request")).await.map_err(|e| e.to_string())?;
        let hello = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", caller.bearer)}});
        let ask = json!({"id": "1", "type": "subscribe", "payload": {"query": document, "variables": variables}});
        for said in [hello, ask] {
            let sent = socket.send(Message::text(said.to_string())).await;
            sent.map_err(|error| error.to_string())?;
        }
        Ok(socket)
    }
}
