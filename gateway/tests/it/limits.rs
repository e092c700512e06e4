//! What one tenant may ask at a time (OVL-1): who asks for more is told when to come again, and takes nothing from
//! others (T16).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::StatusCode;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::{BoxStream, pending};
use gateway::{Config, TenantLimits};
use kernel::id::TenantId;
use kernel::time::Timestamp;
use proto::messaging::v1::{
    ListMessagesRequest, ListMessagesResponse, WatchMessagesRequest, WatchMessagesResponse,
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::support::socket::{Peer, Word, init};
use super::support::{Answer, Gateway};

const OTHER: TenantId = TenantId::from_uuid(Uuid::from_u128(9));
const WATCH: &str = "MessageService/WatchMessages";
const LIST: &str = "MessageService/ListMessages";
const UPDATES: &str = "subscription { messageUpdates { cursor } }";
const MESSAGES: &str = "{ messages(first: 1) { nodes { id } } }";

fn with(limits: TenantLimits) -> Config {
    Config { tenant: limits, ..Config::default() }
}

/// No test of anything else meets it.
fn any_rate() -> TenantLimits {
    TenantLimits { burst: NonZeroU32::new(100_000).unwrap(), ..TenantLimits::default() }
}

/// Lets streams be opened and stay silent; answers how many were.
fn silent_streams(gateway: &Gateway) -> Arc<AtomicUsize> {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    gateway.fakes.on_stream(WATCH, move |_: WatchMessagesRequest| {
        count.fetch_add(1, Ordering::SeqCst);
        let silence: BoxStream<'static, Result<WatchMessagesResponse, Status>> = pending().boxed();
        Ok(silence)
    });
    opened
}

async fn until_opened(gateway: &Gateway, opened: &AtomicUsize, times: usize) {
    gateway
        .until(&format!("{times} streams"), async || opened.load(Ordering::SeqCst) >= times)
        .await;
}

/// Whether it is a refusal that says when to come again.
fn is_told_to_wait(gateway: &Gateway, error: &Value, reason: &str) {
    let told = &error["extensions"];
    assert_eq!(told["code"], "RESOURCE_EXHAUSTED", "{error}");
    assert_eq!(told["reason"], reason, "{error}");
    let again = Timestamp::parse_rfc3339(told["retryAt"].as_str().unwrap()).unwrap();
    assert!(again > gateway.clock.read(), "{error}");
}

fn is_refused(gateway: &Gateway, answer: &Answer, reason: &str) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    is_told_to_wait(gateway, &answer.json()["errors"][0], reason);
}

#[tokio::test]
async fn the_streams_of_one_key_leave_the_calls_of_others_alone() {
    let mut gateway = Gateway::start_with(with(any_rate())).await;
    let opened = silent_streams(&gateway);
    gateway.fakes.on(LIST, |_: ListMessagesRequest| Ok(ListMessagesResponse::default()));
    let address = gateway.listen().await;
    let key = gateway.token_of_key();
    let mut peers = Vec::new();
    for _ in 0..5 {
        let mut peer = Peer::begun(&address, &key).await;
        for n in 0..50 {
            peer.subscribe(&n.to_string(), UPDATES).await;
        }
        peers.push(peer);
    }
    // As many as a service takes on one connection.
    until_opened(&gateway, &opened, 200).await;
    gateway.data(&gateway.token_of(OTHER), MESSAGES, json!({})).await;
    until_opened(&gateway, &opened, 250).await;
}

#[tokio::test]
async fn who_asks_faster_than_it_may_is_told_when_to_come_again() {
    let limits = TenantLimits {
        requests_per_second: NonZeroU32::MIN,
        burst: NonZeroU32::new(5).unwrap(),
        ..TenantLimits::default()
    };
    let mut gateway = Gateway::start_with(with(limits)).await;
    let token = gateway.token();
    let started = Instant::now();
    let mut answered = 0;
    let refused = loop {
        let answer = gateway.graphql_raw(&token, "{ __typename }", json!({})).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        answered += 1;
        assert!(answered <= 5 + started.elapsed().as_secs(), "the bucket has no end");
    };
    assert!(answered >= 5, "{answered} of a burst of 5");
    is_refused(&gateway, &refused, "TOO_MANY_REQUESTS");
    gateway.data(&gateway.token_of(OTHER), "{ __typename }", json!({})).await;

    // What comes over sockets is counted with the rest.
    let address = gateway.listen().await;
    let other = gateway.token_of(OTHER);
    let mut peer = Peer::begun(&address, &other).await;
    let refused = loop {
        peer.subscribe("q", "{ __typename }").await;
        let word = peer.json().await;
        if word["type"] == "error" {
            break word;
        }
        assert_eq!(peer.json().await["type"], "complete");
    };
    is_told_to_wait(&gateway, &refused["payload"][0], "TOO_MANY_REQUESTS");
}

#[tokio::test]
async fn a_call_more_than_one_tenant_may_have_at_once_is_refused_and_others_pass() {
    let gateway = Gateway::start().await;
    let token = gateway.token();
    gateway.fakes.never(LIST);
    let most = TenantLimits::default().calls;
    assert_eq!(most, 50);
    let waiting = join_all((0..most).map(|_| gateway.graphql_raw(&token, MESSAGES, json!({}))));
    let looking = async {
        let asked = AtomicUsize::new(0);
        gateway
            .until("all of them at the service", async || {
                let more = gateway.fakes.methods().len();
                asked.fetch_add(more, Ordering::SeqCst) + more >= most
            })
            .await;
        let refused = gateway.graphql_raw(&token, "{ __typename }", json!({})).await;
        is_refused(&gateway, &refused, "TOO_MANY_AT_ONCE");
        gateway.data(&gateway.token_of(OTHER), "{ __typename }", json!({})).await;
        // An operator comes to help.
        gateway.data(&gateway.operator(), "{ __typename }", json!({})).await;
    };
    tokio::select! {
        _ = waiting => panic!("nobody answered them"),
        () = looking => {}
    }
    // Who goes away makes room.
    gateway.data(&token, "{ __typename }", json!({})).await;
}

#[tokio::test]
async fn a_tenant_has_a_bounded_number_of_sockets() {
    let limits = TenantLimits { sockets: 2, ..any_rate() };
    let mut gateway = Gateway::start_with(with(limits)).await;
    let address = gateway.listen().await;
    let token = gateway.token();
    let first = Peer::begun(&address, &token).await;
    let _second = Peer::begun(&address, &token).await;
    let mut third = Peer::connect(&address).await;
    third.say(&init(&token)).await;
    let (code, reason) = third.closed().await;
    assert_eq!((code, reason.contains("2 open sockets")), (1013, true), "{reason}");
    drop(Peer::begun(&address, &gateway.token_of(OTHER)).await);
    drop(first);
    gateway
        .until("the place of a socket that closed", async || {
            let mut peer = Peer::connect(&address).await;
            peer.say(&init(&token)).await;
            peer.hear().await == Word::Json(json!({ "type": "connection_ack" }))
        })
        .await;
}

#[tokio::test]
async fn a_tenant_has_a_bounded_number_of_subscriptions_over_all_its_sockets() {
    let limits = TenantLimits { subscriptions: 3, ..any_rate() };
    let mut gateway = Gateway::start_with(with(limits)).await;
    let opened = silent_streams(&gateway);
    let address = gateway.listen().await;
    let token = gateway.token();
    let mut first = Peer::begun(&address, &token).await;
    let mut second = Peer::begun(&address, &token).await;
    first.subscribe("1", UPDATES).await;
    second.subscribe("2", UPDATES).await;
    second.subscribe("3", UPDATES).await;
    until_opened(&gateway, &opened, 3).await;
    first.subscribe("4", UPDATES).await;
    let refused = first.json().await;
    assert_eq!((&refused["id"], &refused["type"]), (&json!("4"), &json!("error")));
    is_told_to_wait(&gateway, &refused["payload"][0], "TOO_MANY_SUBSCRIPTIONS");
    // A query is no subscription.
    first.subscribe("q", "{ __typename }").await;
    assert_eq!(first.json().await["type"], "next");
    assert_eq!(first.json().await["type"], "complete");
    // One that ended makes room, and nothing is said to it.
    first.say(&json!({ "id": "1", "type": "complete" })).await;
    first.subscribe("5", UPDATES).await;
    until_opened(&gateway, &opened, 4).await;
}

#[tokio::test]
async fn a_tenant_whose_documents_cost_too_much_is_told_to_wait_before_anything_runs() {
    let limits =
        TenantLimits { cost_per_minute: NonZeroU32::new(500).unwrap(), ..TenantLimits::default() };
    let gateway = Gateway::start_with(with(limits)).await;
    gateway.fakes.on(LIST, |_: ListMessagesRequest| Ok(ListMessagesResponse::default()));
    let big = "{ messages(first: 100) { nodes { id status dispatch } } }";
    gateway.data(&gateway.token(), big, json!({})).await;
    assert_eq!(gateway.fakes.methods(), [LIST]);
    let refused = gateway.graphql_raw(&gateway.token(), big, json!({})).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1, "{refused:?}");
    is_told_to_wait(&gateway, &refused.json()["errors"][0], "COST_EXHAUSTED");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
    // Another tenant has its own, and what costs little still passes.
    gateway.data(&gateway.token_of(OTHER), big, json!({})).await;
    gateway.data(&gateway.token(), MESSAGES, json!({})).await;
}
