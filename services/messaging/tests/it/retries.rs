//! Meta took a message and said no by webhook, and it goes again (I2 d): whatever comes of that, its caller
//! hears the end.

use std::time::Duration;

use kernel::clock::Clock as _;
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::json;
use store::Backend;
use testkit::until;

use crate::support::{World, send};

/// Longer than a pair rests that Meta found too fast.
const REST: Duration = Duration::from_secs(61);

/// A message that Meta took, refused with 131056, and that waits for its next try.
async fn going_again(world: &World, request: pb::SendMessageRequest) -> pb::Message {
    world.fault(1, json!({"async_error": {"code": 131_056, "details": "Too fast"}})).await;
    let answer = world.caller().messages.send_message(request).await.unwrap();
    let message = answer.into_inner().message.unwrap();
    until("the answer and the no", async || {
        let steps = world.steps(&message.id).await;
        ["accepted", "requeued"].iter().all(|step| steps.contains(&(*step).to_owned()))
    })
    .await;
    let waiting = world.get(&message.id).await;
    assert_eq!((waiting.status.as_str(), waiting.dispatch.as_str()), ("accepted", "queued"));
    assert_eq!(waiting.meta_error, None, "a no that is tried again is a step, not a status");
    waiting
}

#[track_caller]
fn refused_by_meta(message: &pb::Message, dispatch: &str) {
    assert_eq!((message.status.as_str(), message.failure_reason.as_str()), ("failed", "meta"));
    assert_eq!(message.dispatch, dispatch);
    let error = message.meta_error.as_ref().unwrap();
    assert_eq!((error.code, error.details.as_str()), (131_056, "Too fast"));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_may_arrive(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let waiting = going_again(&world, send(&world.number, "+351912000111", "Hello")).await;
    world.advance(REST).await;
    let arrived = world.until(&waiting.id, "delivered").await;
    assert_eq!((arrived.meta_error, world.ledger().await.len()), (None, 2));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_before_its_second_try_ends_with_metas_no(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let waiting = going_again(&world, send(&world.number, "+351912000111", "Hello")).await;
    let cancel = pb::CancelMessageRequest { message_id: waiting.id };
    let answer = world.caller().messages.cancel_message(cancel).await.unwrap();
    refused_by_meta(&answer.into_inner().message.unwrap(), "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_before_its_second_try_ends_with_metas_no() {
    let world = World::on(Backend::Sqlite).await;
    let expires = (world.clock.now() + REST / 2).as_micros();
    let request = pb::SendMessageRequest {
        expires_us: Some(expires),
        ..send(&world.number, "+351912000111", "Now or never")
    };
    let waiting = going_again(&world, request).await;
    world.advance(REST / 2).await;
    refused_by_meta(&world.until(&waiting.id, "failed").await, "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_sent_any_more_at_its_second_try_ends_with_metas_no() {
    let world = World::on(Backend::Sqlite).await;
    let waiting = going_again(&world, send(&world.number, "+351912000111", "Hello")).await;
    let stop = pb::SetConsentRequest {
        contact_id: waiting.contact_id,
        category: "all".to_owned(),
        wish: pb::Wish::OptedOut.into(),
    };
    world.caller().contacts.set_consent(stop).await.unwrap();
    world.advance(REST).await;
    refused_by_meta(&world.until(&waiting.id, "failed").await, "settled");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_whose_answer_is_lost_ends_with_metas_no(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let waiting = going_again(&world, send(&world.number, "+351912000111", "Hello")).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    world.fault(1, json!({"drop_answer": true})).await;
    world.advance(REST).await;
    until("the loss", async || world.steps(&waiting.id).await.contains(&"unknown".to_owned()))
        .await;
    assert_eq!(world.get(&waiting.id).await.dispatch, "sending");
    world.advance(Duration::from_mins(16)).await;
    refused_by_meta(&world.until(&waiting.id, "failed").await, "settled");
    assert_eq!(world.ledger().await.len(), 2);
}
