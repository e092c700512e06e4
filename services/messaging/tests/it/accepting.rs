//! Accepting a message: what is taken, what is refused and how, and that a key means one message.

use kernel::clock::Clock as _;
use proto::messaging::v1 as pb;
use rstest::rstest;
use server::Refusal;
use std::time::Duration;
use store::Backend;
use testkit::until;
use tonic::Code;

use crate::support::{World, send, template};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_leaves_once_and_arrives(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let accepted = world.text("+351 912 000 111", "Olá 👍").await;
    assert_eq!((accepted.status.as_str(), accepted.dispatch.as_str()), ("queued", "queued"));
    assert!(accepted.edge_id.starts_with("wamid."));
    let arrived = world.until(&accepted.id, "delivered").await;
    assert_eq!(arrived.dispatch, "settled");
    assert_eq!(arrived.edge_id, accepted.edge_id);
    assert!(arrived.meta_id.starts_with("wamid.") && arrived.meta_id != arrived.edge_id);
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    assert_eq!(ledger[0]["biz_opaque_callback_data"], accepted.id);
    assert_eq!(ledger[0]["wamid"], arrived.meta_id);
    let mut steps = world.steps(&accepted.id).await;
    steps.sort();
    assert_eq!(steps, ["accepted", "accepted_by_us", "delivered", "sending", "sent"]);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_message(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let request = pb::SendMessageRequest {
        idempotency_key: "order-1".to_owned(),
        ..send(&world.number, "+351912000111", "Ready")
    };
    let calls = (0..20).map(|_| {
        let (mut caller, request) = (world.caller(), request.clone());
        async move { caller.messages.send_message(request).await.unwrap().into_inner() }
    });
    let answers = futures::future::join_all(calls).await;
    let first = answers[0].message.clone().unwrap();
    assert!(answers.iter().all(|answer| answer.message.as_ref().unwrap().id == first.id));
    world.until(&first.id, "delivered").await;
    assert_eq!(world.ledger().await.len(), 1);
    let other = pb::SendMessageRequest {
        idempotency_key: "order-1".to_owned(),
        ..send(&world.number, "+351912000111", "Something else")
    };
    let refused = world.caller().messages.send_message(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(Refusal::of(&refused).reason, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_may_come_again() {
    let world = World::on(Backend::Sqlite).await;
    let request = pb::SendMessageRequest {
        idempotency_key: "promo-1".to_owned(),
        ..template(&world, "promo", &[])
    };
    let refused = world.caller().messages.send_message(request.clone()).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).metadata["meta_code"], "132001");
    world.template_says("promo", "MARKETING", "APPROVED", "Today only").await;
    until("the template", async || {
        world.caller().messages.send_message(request.clone()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_limit_is_named() {
    let world = World::on(Backend::Sqlite).await;
    let request = pb::SendMessageRequest {
        callback_data: "x".repeat(600),
        ..send(&world.number, "+351912000111", &"a".repeat(4_097))
    };
    let refused = world.caller().messages.send_message(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields: Vec<String> =
        Refusal::of(&refused).violations.into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["biz_opaque_callback_data", "text.body"]);
}

#[rstest]
#[case::not_there("absent", "APPROVED", &[], "132001")]
#[case::paused("promo", "PAUSED", &[], "132015")]
#[case::one_value_missing("promo", "APPROVED", &["Ann"], "132000")]
#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_meta_would_refuse_is_refused(
    #[case] name: &str,
    #[case] status: &str,
    #[case] parameters: &[&str],
    #[case] code: &str,
) {
    let world = World::on(Backend::Sqlite).await;
    world.template_says("promo", "MARKETING", status, "Hi {{1}}, {{2}} for you").await;
    let request = template(&world, name, parameters);
    until("the refusal", async || {
        let refused = world.caller().messages.send_message(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        Refusal::of(&refused).metadata["meta_code"] == code
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_refused_only_when_it_is_proven_closed() {
    let world = World::on(Backend::Sqlite).await;
    // Never heard of the number yet: Meta decides.
    world.text("+351912000222", "Are you there?").await;
    world.says("351912000111", "Hello").await;
    until("the message", async || world.list().await.len() == 2).await;
    world.text("+351912000111", "Hi").await;
    world.advance(Duration::from_hours(25)).await;
    let request = send(&world.number, "+351912000111", "Still there?");
    let refused = world.caller().messages.send_message(request.clone()).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "WINDOW_CLOSED");
    assert_eq!(Refusal::of(&refused).metadata["meta_code"], "131047");
    world.says("351912000111", "Yes").await;
    until("the window", async || {
        world.caller().messages.send_message(request.clone()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_gone_sends_nothing() {
    let world = World::on(Backend::Sqlite).await;
    world.number_says(|number| number.removed = true).await;
    until("the refusal", async || {
        let request = send(&world.number, "+351912000111", "Hello");
        let answer = world.caller().messages.send_message(request).await;
        answer.is_err_and(|refused| Refusal::of(&refused).reason == "NUMBER_NOT_SENDABLE")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_that_come_together_share_commits() {
    let world = World::on(Backend::Sqlite).await;
    // Nothing leaves meanwhile: what is counted is accepting alone.
    let at = (world.clock.now() + Duration::from_hours(1)).as_micros();
    let before = world.store.counts();
    let calls = (0..64).map(|n| {
        let mut caller = world.caller();
        let request = pb::SendMessageRequest {
            send_at_us: Some(at),
            ..send(&world.number, &format!("+3519120{n:05}"), "Hello")
        };
        async move { caller.messages.send_message(request).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    let after = world.store.counts();
    // The dispatcher, the sweeper and the relay look around in this time too.
    let commits = after.commits - before.commits;
    assert!(commits < 64, "{commits} commits for 64 accepts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_leaves_nobody_behind() {
    let world = World::on(Backend::Sqlite).await;
    let request = template(&world, "absent", &[]);
    world.caller().messages.send_message(request).await.unwrap_err();
    let listed = world.caller().contacts.list_contacts(pb::ListContactsRequest::default()).await;
    assert!(listed.unwrap().into_inner().items.is_empty());
}

/// What two places of a request say otherwise, or what lies too far ahead, is refused by the field that says it.
#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_itself_or_lies_too_far_ahead_is_refused_by_name(
    #[case] backend: Backend,
) {
    let world = World::on(backend).await;
    let good = send(&world.number, "+351912000111", "Hello");
    let saying = |member: &str, value: serde_json::Value| {
        let mut body: serde_json::Value = serde_json::from_str(&good.body_json).unwrap();
        body[member] = value;
        pb::SendMessageRequest { body_json: body.to_string(), ..good.clone() }
    };
    let ahead = |days: u64| Some((world.clock.now() + Duration::from_hours(24 * days)).as_micros());
    let cases = [
        ("body_json.to", saying("to", "+351912000222".into())),
        ("body_json.recipient", saying("recipient", "PT.13491208655302741918".into())),
        ("recipient_type", saying("recipient_type", "group".into())),
        ("messaging_product", saying("messaging_product", "telegram".into())),
        ("send_at_us", pb::SendMessageRequest { send_at_us: ahead(31), ..good.clone() }),
        (
            "send_at_us",
            pb::SendMessageRequest { send_at_us: Some(253_402_300_799_000_000), ..good.clone() },
        ),
        ("expires_us", pb::SendMessageRequest { expires_us: ahead(31), ..good.clone() }),
    ];
    for (field, request) in cases {
        let refused = world.caller().messages.send_message(request).await.unwrap_err();
        let refused = Refusal::of(&refused);
        assert_eq!(refused.reason, "INVALID_MESSAGE", "{field}");
        assert_eq!(refused.violations[0].0, field, "{refused:?}");
    }
    assert!(world.ledger().await.is_empty());
    // The same thing said twice is no contradiction, however it is written.
    let mut twice = saying("to", "351 912 000 111".into());
    twice.send_at_us = ahead(29);
    twice.expires_us = ahead(58);
    world.caller().messages.send_message(twice).await.unwrap();
}
