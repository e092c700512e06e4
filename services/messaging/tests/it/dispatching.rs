//! From the queue to Meta: once, at its time, and settled whatever the network does. Held against Meta's
//! own ledger.

use std::time::Duration;

use bus::{Tail, TailItem, TailSpec};
use kernel::clock::Clock as _;
use proto::events::v1::{MessageStepped, WabaRefused};
use proto::messaging::v1 as pb;
use proto::onboarding::v1::WabaState;
use rstest::rstest;
use serde_json::json;
use server::Refusal;
use store::Backend;
use testkit::{until, within};

use crate::support::{World, send};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_by_the_webhook_and_never_posted_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    world.fault(1, json!({"drop_answer": true})).await;
    let message = world.text("+351912000111", "Hello").await;
    let settled = world.until(&message.id, "delivered").await;
    assert_eq!(settled.dispatch, "settled");
    assert!(settled.meta_id.starts_with("wamid."));
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_nobody_tells_fails_at_its_deadline() {
    let world = World::on(Backend::Sqlite).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    world.fault(1, json!({"drop_answer": true})).await;
    let message = world.text("+351912000111", "Hello").await;
    let unknown = world.until(&message.id, "unknown").await;
    assert_eq!(unknown.dispatch, "sending");
    world.advance(Duration::from_mins(16)).await;
    let failed = world.until(&message.id, "failed").await;
    assert_eq!(failed.failure_reason, "outcome_unknown");
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_took_is_waited_for_long_after_an_unknown_outcome_is_settled() {
    let world = World::on(Backend::Sqlite).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    let taken = world.text("+351912000111", "Hello").await;
    world.until(&taken.id, "accepted").await;
    world.fault(1, json!({"drop_answer": true})).await;
    let lost = world.text("+351912000222", "Hello").await;
    world.until(&lost.id, "unknown").await;
    world.advance(Duration::from_mins(16)).await;
    world.until(&lost.id, "failed").await;
    assert_eq!(world.get(&taken.id).await.dispatch, "settled");
    world.advance(Duration::from_hours(31 * 24)).await;
    until("the end of its life", async || world.get(&taken.id).await.dispatch == "expired").await;
    assert_eq!(world.get(&taken.id).await.status, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_before_the_answer_is_not_lost() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"webhook_first": true, "delay_ms": 300})).await;
    let message = world.text("+351912000111", "Hello").await;
    let arrived = world.until(&message.id, "delivered").await;
    until("the answer", async || world.steps(&message.id).await.contains(&"accepted".to_owned()))
        .await;
    assert_eq!(world.get(&message.id).await.status, "delivered");
    assert_eq!(world.get(&message.id).await.meta_id, arrived.meta_id);
    assert_eq!(world.ledger().await.len(), 1);
}

#[rstest]
#[case::throughput(130_429)]
#[case::pair(131_056)]
#[tokio::test(flavor = "multi_thread")]
async fn what_meta_turns_away_for_its_rate_goes_again(#[case] code: i64) {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"error": {"code": code, "http_status": 429}})).await;
    let message = world.text("+351912000111", "Hello").await;
    world.until(&message.id, "delivered").await;
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 2, "{ledger:?}");
    assert_eq!(ledger[0]["error_code"], code);
    assert_eq!(ledger[1]["http_status"], 200);
    assert!(world.steps(&message.id).await.contains(&"requeued".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_metas_is_never_posted_again() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"error": {"code": 131_000, "http_status": 500}})).await;
    let message = world.text("+351912000111", "Hello").await;
    world.until(&message.id, "unknown").await;
    world.advance(Duration::from_mins(16)).await;
    assert_eq!(world.until(&message.id, "failed").await.failure_reason, "outcome_unknown");
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_no_is_told_in_metas_words() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"async_error": {"code": 131_026, "details": "Not on WhatsApp"}})).await;
    let message = world.text("+351912000111", "Hello").await;
    let failed = world.until(&message.id, "failed").await;
    assert_eq!(failed.failure_reason, "meta");
    let error = failed.meta_error.unwrap();
    assert_eq!((error.code, error.details.as_str()), (131_026, "Not on WhatsApp"));
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_stops_the_waba_until_it_is_connected_again() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"error": {"code": 190, "http_status": 401}})).await;
    let message = world.text("+351912000111", "Hello").await;
    until("the refusal", async || world.steps(&message.id).await.contains(&"requeued".to_owned()))
        .await;
    let second = world.text("+351912000222", "Hello too").await;
    world.advance(Duration::from_mins(5)).await;
    assert_eq!(world.get(&second.id).await.dispatch, "queued");
    assert_eq!(world.ledger().await.len(), 1);
    // A new credential.
    world.waba_says(&world.number, WabaState::Live, 2).await;
    world.until(&message.id, "delivered").await;
    world.until(&second.id, "delivered").await;
}

/// Everything that messaging tells from now on.
async fn listening(world: &World) -> Tail {
    let bindings = vec!["messaging.#".to_owned()];
    world.bus.tail(TailSpec { service: "onboarding".to_owned(), bindings }).await.unwrap()
}

/// The refused credentials that were told of before so many messages were delivered.
async fn refusals(tail: &mut Tail, mut delivered: usize) -> Vec<WabaRefused> {
    let mut refusals = Vec::new();
    while delivered > 0 {
        let TailItem::Event(envelope) = within("an event", tail.next()).await else { continue };
        if bus::is::<WabaRefused>(&envelope) {
            refusals.push(bus::decode::<WabaRefused>(&envelope).unwrap());
        } else if let Ok(stepped) = bus::decode::<MessageStepped>(&envelope)
            && stepped.step == "delivered"
        {
            delivered -= 1;
        }
    }
    refusals
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_is_told_of_once(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let mut tail = listening(&world).await;
    world.fault(3, json!({"error": {"code": 190, "http_status": 401}, "delay_ms": 300})).await;
    // All on their way before the first refusal.
    for to in ["+351912000111", "+351912000222", "+351912000333"] {
        world.text(to, "Hello").await;
    }
    until("the refusals", async || world.ledger().await.len() == 3).await;
    until("the stop", async || world.count("SELECT count(*) FROM waba_stop").await == 1).await;
    world.waba_says(&world.number, WabaState::Live, 2).await;
    let told = refusals(&mut tail, 3).await;
    let [refused] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(refused.waba_id, world.number.waba.to_string());
    assert_eq!(refused.credential_generation, 1);
    assert_eq!(refused.meta_error.as_ref().unwrap().code, 190);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_account_is_no_refused_credential() {
    let world = World::on(Backend::Sqlite).await;
    let mut tail = listening(&world).await;
    world.fault(1, json!({"error": {"code": 131_031, "http_status": 403}})).await;
    let message = world.text("+351912000111", "Hello").await;
    until("the stop", async || world.count("SELECT count(*) FROM waba_stop").await == 1).await;
    world.advance(Duration::from_hours(1)).await;
    world.until(&message.id, "delivered").await;
    assert_eq!(refusals(&mut tail, 1).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_stops_nothing_when_a_newer_credential_is_known() {
    let world = World::on(Backend::Sqlite).await;
    // The vault's token is of the first credential still, as one that is remembered can be.
    world.waba_says(&world.number, WabaState::Live, 2).await;
    until("the credential", async || {
        world.count("SELECT max(generation) FROM waba_state").await == 2
    })
    .await;
    world.fault(1, json!({"error": {"code": 190, "http_status": 401}})).await;
    let message = world.text("+351912000111", "Hello").await;
    world.until(&message.id, "delivered").await;
    assert_eq!(world.count("SELECT generation FROM waba_stop").await, 1);
    assert_eq!(world.ledger().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_names_no_credential_is_asked_about_again() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"async_error": {"code": 190, "details": "Expired"}})).await;
    world.text("+351912000111", "Hello").await;
    until("the stop", async || world.count("SELECT count(*) FROM waba_stop").await == 1).await;
    let second = world.text("+351912000222", "Hello too").await;
    world.advance(Duration::from_mins(30)).await;
    assert_eq!(world.get(&second.id).await.dispatch, "queued");
    world.advance(Duration::from_mins(30)).await;
    world.until(&second.id, "delivered").await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_waits_for_its_hour(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let at = world.clock.now() + Duration::from_hours(2);
    let request = pb::SendMessageRequest {
        send_at_us: Some(at.as_micros()),
        ..send(&world.number, "+351912000111", "Good morning")
    };
    let answer = world.caller().messages.send_message(request).await.unwrap();
    let message = answer.into_inner().message.unwrap();
    assert_eq!(message.dispatch, "scheduled");
    assert_eq!(message.not_before_us, Some(at.as_micros()));
    world.advance(Duration::from_hours(1)).await;
    assert_eq!(world.get(&message.id).await.dispatch, "scheduled");
    world.advance(Duration::from_hours(1)).await;
    world.until(&message.id, "delivered").await;
    let posted = world.ledger().await[0]["received_at"].clone();
    assert!(world.ledger().await.len() == 1, "{posted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_left_can_be_taken_back() {
    let world = World::on(Backend::Sqlite).await;
    let later = (world.clock.now() + Duration::from_hours(2)).as_micros();
    let request = pb::SendMessageRequest {
        send_at_us: Some(later),
        ..send(&world.number, "+351912000111", "Good morning")
    };
    let mut caller = world.caller();
    let message = caller.messages.send_message(request).await.unwrap().into_inner();
    let cancel = pb::CancelMessageRequest { message_id: message.message.unwrap().id };
    for _ in 0..2 {
        let cancelled = caller.messages.cancel_message(cancel.clone()).await.unwrap();
        let cancelled = cancelled.into_inner().message.unwrap();
        assert_eq!(cancelled.dispatch, "cancelled");
        assert_eq!(
            (cancelled.status.as_str(), cancelled.failure_reason.as_str()),
            ("failed", "cancelled")
        );
    }
    let sent = world.text("+351912000111", "Hello").await;
    world.until(&sent.id, "delivered").await;
    let late = pb::CancelMessageRequest { message_id: sent.id };
    let refused = caller.messages.cancel_message(late).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "MESSAGE_ON_ITS_WAY");
    world.advance(Duration::from_hours(3)).await;
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_leave_in_time_expires() {
    let world = World::on(Backend::Sqlite).await;
    world.fault(1, json!({"error": {"code": 190, "http_status": 401}})).await;
    let until = (world.clock.now() + Duration::from_mins(30)).as_micros();
    let request = pb::SendMessageRequest {
        expires_us: Some(until),
        ..send(&world.number, "+351912000111", "Now or never")
    };
    let answer = world.caller().messages.send_message(request).await.unwrap();
    let message = answer.into_inner().message.unwrap();
    world.advance(Duration::from_mins(31)).await;
    let expired = world.until(&message.id, "failed").await;
    assert_eq!(
        (expired.dispatch.as_str(), expired.failure_reason.as_str()),
        ("expired", "expired")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_waits_for_what_it_quotes() {
    let world = World::on(Backend::Sqlite).await;
    let later = world.clock.now() + Duration::from_hours(1);
    let mut caller = world.caller();
    let first = pb::SendMessageRequest {
        send_at_us: Some(later.as_micros()),
        ..send(&world.number, "+351912000111", "First")
    };
    let first = caller.messages.send_message(first).await.unwrap().into_inner().message.unwrap();
    // By the id that an SDK knows it under.
    let second = pb::SendMessageRequest {
        context_message_id: first.edge_id.clone(),
        ..send(&world.number, "+351912000111", "Second")
    };
    let second = caller.messages.send_message(second).await.unwrap().into_inner().message.unwrap();
    assert_eq!(second.context_message_id, first.id);
    until("the wait", async || world.steps(&second.id).await.contains(&"requeued".to_owned()))
        .await;
    assert!(world.ledger().await.is_empty());
    world.advance(Duration::from_hours(1)).await;
    world.until(&first.id, "delivered").await;
    world.until(&second.id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_fails_with_what_it_quotes() {
    let world = World::on(Backend::Sqlite).await;
    let later = (world.clock.now() + Duration::from_hours(1)).as_micros();
    let mut caller = world.caller();
    let first = pb::SendMessageRequest {
        send_at_us: Some(later),
        ..send(&world.number, "+351912000111", "First")
    };
    let first = caller.messages.send_message(first).await.unwrap().into_inner().message.unwrap();
    let second = pb::SendMessageRequest {
        context_message_id: first.id.clone(),
        ..send(&world.number, "+351912000111", "Second")
    };
    let second = caller.messages.send_message(second).await.unwrap().into_inner().message.unwrap();
    caller
        .messages
        .cancel_message(pb::CancelMessageRequest { message_id: first.id })
        .await
        .unwrap();
    world.advance(Duration::from_secs(5)).await;
    let failed = world.until(&second.id, "failed").await;
    assert_eq!(failed.failure_reason, "quoted_failed");
    assert_eq!(failed.meta_error.unwrap().code, 131_009);
    assert!(world.ledger().await.is_empty());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_on_the_wire_doubles_nothing(#[case] backend: Backend) {
    let mut world = World::on(backend).await;
    world.fault(1, json!({"delay_ms": 2_000})).await;
    let message = world.text("+351912000111", "Hello").await;
    until("the POST", async || world.get(&message.id).await.dispatch == "sending").await;
    world.crash().await;
    let after = world.text("+351912000111", "And now").await;
    world.until(&after.id, "delivered").await;
    // Meta may have got it or not: it is told as unknown, and at its deadline as failed.
    world.advance(Duration::from_mins(16)).await;
    until("an end", async || {
        matches!(world.get(&message.id).await.status.as_str(), "delivered" | "failed")
    })
    .await;
    let ledger = world.ledger().await;
    let of = |id: &str| ledger.iter().filter(|row| row["biz_opaque_callback_data"] == id).count();
    assert!(of(&message.id) <= 1 && of(&after.id) == 1, "{ledger:?}");
    let end = world.get(&message.id).await;
    assert_eq!(end.status == "delivered", of(&message.id) == 1, "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_with_a_backlog_loses_nothing_and_doubles_nothing() {
    let mut world = World::on(Backend::Sqlite).await;
    world.fault(40, json!({"delay_ms": 150})).await;
    let calls = (0..60).map(|n| {
        let mut caller = world.caller();
        let request = send(&world.number, &format!("+3519120{n:05}"), "Hello");
        async move { caller.messages.send_message(request).await.unwrap().into_inner() }
    });
    let accepted = futures::future::join_all(calls).await;
    let ids: Vec<String> = accepted.into_iter().map(|one| one.message.unwrap().id).collect();
    world.crash().await;
    for id in &ids {
        until("an end", async || {
            matches!(world.get(id).await.status.as_str(), "delivered" | "unknown")
        })
        .await;
    }
    let ledger = world.ledger().await;
    for id in &ids {
        let posted = ledger.iter().filter(|row| row["biz_opaque_callback_data"] == id.as_str());
        let (posted, status) = (posted.count(), world.get(id).await.status);
        assert!(posted <= 1, "{id} was posted {posted} times");
        assert!(posted == 1 || status == "unknown", "{id} is {status} and was never posted");
    }
}
