//! Streams and subscriptions: what happens to the victim is seen by the victim and by nobody else (ISO-8).
//!
//! Everybody watches at once. Then something happens to the victim and, after it, to each attacker: whoever has seen its
//! own has been served past the victim's, and must not have seen that.

use std::time::Duration;

use futures::future::join_all;
use futures::{SinkExt as _, StreamExt as _};
use http::Request;
use proto::options::v1::Principal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::{
    callers::Caller,
    matrix::{Matrix, Verdict},
    world::{PATIENCE, World},
};
use crate::support::{
    grpc::{Headers, Items, Rpc},
    text,
};

/// What is watched over gRPC, and by whom rightfully.
const STREAMS: [&str; 3] =
    ["messaging.WatchMessages", "onboarding.WatchOnboardings", "onboarding.WatchOwnOnboardings"];
/// The same in GraphQL.
const SUBSCRIPTIONS: [(&str, &str); 3] = [
    ("messageUpdates", "subscription { messageUpdates { cursor message { id body } } }"),
    ("inboundMessages", "subscription { inboundMessages { cursor message { id body } } }"),
    (
        "onboardingSteps",
        "subscription { onboardingSteps { cursor onboarding { id tenant { id } } } }",
    ),
];

/// Somebody who watches, in whatever way.
enum Watch {
    Stream(Items),
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Watch {
    /// All that is seen until `mark` is.
    async fn until(&mut self, mark: &str) -> Result<Vec<String>, String> {
        let mut seen = Vec::new();
        let reading = async {
            loop {
                let item = match self {
                    Self::Stream(items) => match items.next().await {
                        Ok(Some(item)) => item.to_string(),
                        Ok(None) => return Err("the stream ended".to_owned()),
                        Err(status) => return Err(status.to_string()),
                    },
                    Self::Socket(socket) => match socket.next().await {
                        Some(Ok(Message::Text(text))) => text.to_string(),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        other => return Err(format!("the socket said {other:?}")),
                    },
                };
                let found = item.contains(mark);
                seen.push(item);
                if found {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(())) => Ok(seen),
            Ok(Err(why)) => Err(format!("{why}, after {seen:?}")),
            Err(_) => Err(format!("{mark} was not seen within {} s: {seen:?}", PATIENCE.as_secs())),
        }
    }
}

/// Watches as everybody.
pub(super) async fn every_stream() {
    let world = World::build().await;
    let mut matrix = Matrix::new("streams and subscriptions");
    let all: Vec<String> = Rpc::all().iter().filter(|rpc| rpc.streams()).map(Rpc::name).collect();
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
        let messages = name.contains("essage");
        let rightful =
            if name == "onboarding.WatchOnboardings" { &self.operator } else { &self.owner };
        let mut watches = Vec::new();
        for caller in std::iter::once(rightful).chain(&self.attackers) {
            if caller.principal() == Principal::Operator && caller.name != rightful.name {
                continue;
            }
            watches.push((caller, self.open(name, caller).await));
        }
        // First to the victim, then to everybody else.
        let mark = if messages {
            self.writes(&self.victim).await
        } else {
            self.moves(self.victim.get("stuck")).await
        };
        let mut marks = Vec::new();
        for (caller, watch) in &watches {
            let sees = watch.is_ok() && caller.name != rightful.name && !caller.is_blind;
            marks.push(match (sees, messages) {
                (false, _) => None,
                (true, true) => Some(self.writes(&caller.own).await),
                (true, false) => Some(self.moves(caller.own.get("onboarding")).await),
            });
        }
        let looked = watches.into_iter().zip(marks).map(async |((caller, watch), own)| {
            (caller, self.look(caller, rightful, watch, &mark, own.as_deref()).await)
        });
        for (caller, verdict) in join_all(looked).await {
            if caller.name == rightful.name {
                matrix.control(name, verdict.map(drop));
            } else {
                matrix.cell(name, "what happens", caller.name, verdict);
            }
        }
    }

    async fn look(
        &self,
        caller: &Caller,
        rightful: &Caller,
        watch: Result<Watch, String>,
        mark: &str,
        own: Option<&str>,
    ) -> Verdict {
        let mut watch = match watch {
            Err(why) if caller.name == rightful.name => return Err(why),
            Err(why) if why.contains("PERMISSION_DENIED") || why.contains("permission") => {
                return Ok("denied");
            }
            Err(why) => return Err(why),
            Ok(watch) => watch,
        };
        if caller.name == rightful.name {
            return watch.until(mark).await.map(|_| "sees it");
        }
        let Some(own) = own else { return Err("was let in without a permission".to_owned()) };
        let seen = watch.until(own).await?.join("\n");
        let hidden =
            self.marks(caller).into_iter().chain([mark]).find(|hidden| seen.contains(hidden));
        hidden.map_or(Ok("sees its own alone"), |hidden| Err(format!("sees {hidden}: {seen}")))
    }

    /// A customer writes; answers words that nobody else has.
    async fn writes(&self, to: &super::subject::Subject) -> String {
        let words = format!("word {} for {}", super::fill::unique(), to.get("tenant"));
        self.customer_writes(to.get("customer"), to.get("number_meta"), &words).await;
        words
    }

    /// An onboarding moves, where it can; answers its id.
    async fn moves(&self, onboarding: &str) -> String {
        let query = "mutation($input: OnboardingRetryStepInput!) { onboardingRetryStep(input: $input) { userErrors { code } } }";
        let moved = self
            .api
            .try_graphql(
                &self.operator.bearer,
                query,
                json!({"input": {"onboardingId": onboarding}}),
            )
            .await;
        moved.expect("the gateway answers JSON");
        onboarding.to_owned()
    }

    async fn open(&self, name: &str, caller: &Caller) -> Result<Watch, String> {
        if let Some((_, document)) = SUBSCRIPTIONS.iter().find(|(field, _)| *field == name) {
            return self
                .subscribe(document, caller)
                .await
                .map(|socket| Watch::Socket(Box::new(socket)));
        }
        let rpc = Rpc::all().into_iter().find(|rpc| rpc.name() == name).expect("a method");
        let service = self.services.token("gateway", &rpc.callee()).await.expect("a token");
        let headers =
            Headers { user: Some(caller.token.clone()), service: Some(service), more: Vec::new() };
        let opened = self.channels.open(&rpc, &headers, &json!({})).await;
        opened.map(Watch::Stream).map_err(|status| super::methods::told(&status))
    }

    async fn subscribe(
        &self,
        document: &str,
        caller: &Caller,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, String> {
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
        let ask = json!({"id": "1", "type": "subscribe", "payload": {"query": document}});
        // A question after it: once it is answered, the subscription was begun.
        let after = json!({"id": "2", "type": "subscribe", "payload": {"query": "{ viewer { operator } }"}});
        for said in [hello, ask, after] {
            socket
                .send(Message::text(said.to_string()))
                .await
                .map_err(|error| error.to_string())?;
        }
        let begun = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(heard))) => {
                        let heard: Value =
                            serde_json::from_str(&heard).map_err(|error| error.to_string())?;
                        let own = heard.get("id") == Some(&json!("1"));
                        if own && heard.to_string().contains("\"errors\"")
                            || own && heard.get("type") == Some(&json!("error"))
                        {
                            return Err(heard.to_string());
                        }
                        if heard.get("id") == Some(&json!("2")) {
                            return Ok(());
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return Err(format!("the socket said {other:?}")),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), begun)
            .await
            .map_err(|_| "no word within 10 s".to_owned())??;
        Ok(socket)
    }
}
