//! `graphql-transport-ws`: its close codes, its subscriptions, and what becomes of a token's end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::auth::{ApiKey, Environment, Revocation};
use futures::StreamExt as _;
use futures::stream::{BoxStream, iter, pending};
use kernel::id::kind;
use kernel::ids::SystemIds;
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use proto::identity::v1 as identity;
use proto::messaging::v1::{Message, WatchMessagesRequest, WatchMessagesResponse};
use rstest::rstest;
use serde_json::{Value, json};
use server::StatusBuilder;
use tonic::{Code, Status};

use super::support::socket::{Peer, Word, init};
use super::support::{Gateway, PUBLIC_URL, SESSION, id};

const WATCH: &str = "MessageService/WatchMessages";
const UPDATES: &str = "subscription { messageUpdates { cursor resync message { id } } }";

type Items = BoxStream<'static, Result<WatchMessagesResponse, Status>>;

fn item(n: u128) -> WatchMessagesResponse {
    let message = Message { id: id::<kind::Message>(n), ..Default::default() };
    WatchMessagesResponse { message: Some(message), cursor: format!("c{n}"), resync: false }
}

/// The cursor of an item that a subscription brought.
fn cursor(word: &Value) -> &str {
    word["payload"]["data"]["messageUpdates"]["cursor"].as_str().unwrap_or_else(|| panic!("{word}"))
}

/// A Watch stream that goes on after its `after` with two items, then stays silent.
fn two_and_silence(request: &WatchMessagesRequest) -> Items {
    let after: u128 = request.after.trim_start_matches('c').parse().unwrap_or(0);
    iter([Ok(item(after + 1)), Ok(item(after + 2))]).chain(pending()).boxed()
}

#[rstest]
#[case::another_origin(&[("origin", "https://evil.test"), ("sec-websocket-protocol", "graphql-transport-ws")], 403)]
#[case::another_protocol(&[("sec-websocket-protocol", "graphql-ws")], 400)]
#[case::no_protocol(&[], 400)]
#[tokio::test]
async fn a_socket_that_may_not_open_does_not(
    #[case] headers: &[(&str, &str)],
    #[case] status: u16,
) {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    assert_eq!(Peer::open(&address, headers).await.err(), Some(status));
}

#[tokio::test]
async fn our_own_pages_may_open_one() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let headers = [("origin", PUBLIC_URL), ("sec-websocket-protocol", "graphql-transport-ws")];
    assert!(Peer::open(&address, &headers).await.is_ok());
}

#[rstest]
#[case::no_token(json!({ "type": "connection_init" }), 4403)]
#[case::a_bad_token(init("nonsense"), 4403)]
#[case::a_bad_key(init("sb_test_nonsense"), 4403)]
#[case::a_subscription_first(json!({ "id": "1", "type": "subscribe", "payload": { "query": UPDATES } }), 4401)]
#[case::another_language(json!({ "type": "start" }), 4400)]
#[case::no_object(json!([1, 2]), 4400)]
#[tokio::test]
async fn a_wrong_first_word_closes_with_its_code(#[case] word: Value, #[case] code: u16) {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let mut peer = Peer::connect(&address).await;
    peer.say(&word).await;
    assert_eq!(peer.closed().await.0, code);
}

#[tokio::test]
async fn who_never_begins_is_closed() {
    let mut config = gateway::Config::default();
    config.socket.init_timeout_seconds = 1;
    let mut gateway = Gateway::start_with(config).await;
    let address = gateway.listen().await;
    let mut peer = Peer::connect(&address).await;
    assert_eq!(peer.closed().await, (4408, "Connection initialisation timeout".to_owned()));
}

#[tokio::test]
async fn who_begins_twice_is_closed() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let token = gateway.token();
    let mut peer = Peer::begun(&address, &token).await;
    peer.say(&init(&token)).await;
    assert_eq!(peer.closed().await.0, 4429);
}

#[tokio::test]
async fn two_operations_of_one_name_close_the_socket() {
    let mut gateway = Gateway::start().await;
    gateway.fakes.on_stream(WATCH, |request: WatchMessagesRequest| Ok(two_and_silence(&request)));
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    peer.subscribe("same", UPDATES).await;
    peer.subscribe("same", UPDATES).await;
    let (code, reason) = peer.closed().await;
    assert_eq!((code, reason.as_str()), (4409, "Subscriber for same already exists"));
}

#[tokio::test]
async fn pings_are_answered_and_queries_run() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    peer.say(&json!({ "type": "ping" })).await;
    assert_eq!(peer.json().await, json!({ "type": "pong" }));
    peer.subscribe("q", "{ __typename }").await;
    let next =
        json!({ "id": "q", "type": "next", "payload": { "data": { "__typename": "Query" } } });
    assert_eq!(peer.json().await, next);
    assert_eq!(peer.json().await, json!({ "id": "q", "type": "complete" }));
    peer.subscribe("bad", "{ nothing }").await;
    let refused = peer.json().await;
    assert_eq!((&refused["id"], &refused["type"]), (&json!("bad"), &json!("error")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    // An id is free again once its operation has ended.
    peer.subscribe("q", "{ __typename }").await;
    assert_eq!(peer.json().await["type"], "next");
}

#[tokio::test]
async fn a_subscription_goes_on_after_the_cursor_that_it_is_given() {
    let mut gateway = Gateway::start().await;
    gateway.fakes.on_stream(WATCH, |request: WatchMessagesRequest| Ok(two_and_silence(&request)));
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    let query = r#"subscription { messageUpdates(after: "c7") { cursor message { id } } }"#;
    peer.subscribe("1", query).await;
    assert_eq!(cursor(&peer.json().await), "c8");
    assert_eq!(cursor(&peer.json().await), "c9");
    peer.say(&json!({ "id": "1", "type": "complete" })).await;
    peer.subscribe("2", "{ __typename }").await;
    assert_eq!(peer.json().await["id"], "2");
}

#[tokio::test]
async fn a_stream_that_breaks_or_falls_behind_goes_on_at_its_last_cursor() {
    let mut gateway = Gateway::start().await;
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    gateway.fakes.on_stream(WATCH, move |request: WatchMessagesRequest| {
        let after: u128 = request.after.trim_start_matches('c').parse().unwrap_or(0);
        let end: Items = match counted.fetch_add(1, Ordering::SeqCst) {
            0 => iter([Err(Status::unavailable("draining"))]).boxed(),
            1 => iter([Ok(WatchMessagesResponse { resync: true, ..Default::default() })]).boxed(),
            _ => pending().boxed(),
        };
        Ok(iter([Ok(item(after + 1))]).chain(end).boxed())
    });
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    peer.subscribe("1", UPDATES).await;
    assert_eq!(cursor(&peer.json().await), "c1");
    assert_eq!(cursor(&peer.json().await), "c2");
    let behind = peer.json().await;
    assert_eq!(
        behind["payload"]["data"]["messageUpdates"],
        json!({ "cursor": "c2", "resync": true, "message": null })
    );
    assert_eq!(cursor(&peer.json().await), "c3");
    assert_eq!(opened.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_stream_that_is_refused_ends_its_operation_alone() {
    let mut gateway = Gateway::start().await;
    gateway.fakes.on_stream(WATCH, |_: WatchMessagesRequest| {
        let status =
            StatusBuilder::new(Code::PermissionDenied, "PERMISSION_MISSING", "not permitted");
        Err::<Items, _>(status.build())
    });
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    peer.subscribe("1", UPDATES).await;
    let refused = peer.json().await;
    assert_eq!(
        refused["payload"]["errors"][0]["extensions"]["code"], "PERMISSION_DENIED",
        "{refused}"
    );
    assert_eq!(peer.json().await, json!({ "id": "1", "type": "complete" }));
    peer.subscribe("2", "{ __typename }").await;
    assert_eq!(peer.json().await["type"], "next");
}

#[tokio::test]
async fn a_token_that_expires_closes_its_socket() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    gateway.clock.advance(Duration::from_mins(11));
    assert_eq!(peer.closed().await, (4401, "token expired".to_owned()));
}

#[tokio::test]
async fn a_token_that_is_revoked_closes_its_socket() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    gateway.revoke(Revocation::Session(SESSION.uuid(), Timestamp::MAX));
    assert_eq!(peer.closed().await, (4401, "token revoked".to_owned()));
}

#[tokio::test]
async fn a_key_outlives_its_tokens_and_its_stream_goes_on() {
    let mut gateway = Gateway::start().await;
    let clock = Arc::clone(&gateway.clock);
    let mint = gateway.minting();
    gateway.fakes.on("SessionService/ExchangeApiKey", move |_: identity::ExchangeApiKeyRequest| {
        Ok(identity::ExchangeApiKeyResponse { access_token: mint(), expires_in_s: 600 })
    });
    // Each stream brings one item and ends as WatchGuard ends it once the token behind it has expired.
    let watched = Arc::clone(&clock);
    gateway.fakes.on_stream(WATCH, move |request: WatchMessagesRequest| {
        let after: u128 = request.after.trim_start_matches('c').parse().unwrap_or(0);
        let (opened, clock) = (watched.read(), Arc::clone(&watched));
        let end = futures::stream::once(async move {
            while clock.read().since(opened) < Duration::from_mins(10) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let status = StatusBuilder::new(Code::Unauthenticated, "TOKEN_EXPIRED", "expired");
            Err(status.build())
        });
        let items: Items = iter([Ok(item(after + 1))]).chain(end).boxed();
        Ok(items)
    });
    let address = gateway.listen().await;
    let key = ApiKey::generate(Environment::Sandbox, &SystemIds::new());
    let mut peer = Peer::begun(&address, key.text().expose_secret()).await;
    peer.subscribe("1", UPDATES).await;
    assert_eq!(cursor(&peer.json().await), "c1");
    clock.advance(Duration::from_mins(11));
    assert_eq!(cursor(&peer.json().await), "c2");
    clock.advance(Duration::from_mins(11));
    assert_eq!(cursor(&peer.json().await), "c3");
}

#[tokio::test]
async fn a_key_that_is_revoked_closes_its_socket() {
    let mut gateway = Gateway::start().await;
    let token = gateway.token_of_key();
    gateway.fakes.on("SessionService/ExchangeApiKey", move |_: identity::ExchangeApiKeyRequest| {
        Ok(identity::ExchangeApiKeyResponse { access_token: token.clone(), expires_in_s: 600 })
    });
    let address = gateway.listen().await;
    let key = ApiKey::generate(Environment::Sandbox, &SystemIds::new());
    let mut peer = Peer::begun(&address, key.text().expose_secret()).await;
    gateway.fakes.on("SessionService/ExchangeApiKey", |_: identity::ExchangeApiKeyRequest| {
        let status = StatusBuilder::new(Code::Unauthenticated, "API_KEY_INVALID", "not valid");
        Err::<identity::ExchangeApiKeyResponse, _>(status.build())
    });
    gateway.revoke(Revocation::Key(super::support::KEY.uuid(), Timestamp::MAX));
    assert_eq!(peer.closed().await, (4401, "token revoked".to_owned()));
}

#[tokio::test]
async fn a_drain_closes_every_socket_and_leaves_nothing_open() {
    let mut gateway = Gateway::start().await;
    gateway.fakes.on_stream(WATCH, |request: WatchMessagesRequest| Ok(two_and_silence(&request)));
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    peer.subscribe("1", UPDATES).await;
    assert_eq!(cursor(&peer.json().await), "c1");
    gateway.stop.cancel();
    let (code, _) = peer.closed().await;
    assert_eq!(code, 1001);
    drop(peer);
    gateway.sockets.close();
    let ended = tokio::time::timeout(Duration::from_secs(5), gateway.sockets.wait()).await;
    assert!(ended.is_ok(), "sockets are still open");
}

#[tokio::test]
async fn a_socket_has_a_bounded_number_of_operations() {
    let mut config = gateway::Config::default();
    config.socket.operations = 2;
    let mut gateway = Gateway::start_with(config).await;
    gateway.fakes.on_stream(WATCH, |_: WatchMessagesRequest| Ok::<Items, _>(pending().boxed()));
    let address = gateway.listen().await;
    let mut peer = Peer::begun(&address, &gateway.token()).await;
    for name in ["1", "2", "3"] {
        peer.subscribe(name, UPDATES).await;
    }
    let refused = peer.json().await;
    assert_eq!(refused["id"], "3");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS", "{refused}");
}

#[tokio::test]
async fn what_is_no_json_closes_the_socket() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let mut peer = Peer::connect(&address).await;
    peer.say_text("not json").await;
    match peer.hear().await {
        Word::Closed(code, _) => assert_eq!(code, 4400),
        other => panic!("{other:?}"),
    }
}
