//! A step is told once, and with what it tells of: never twice, and never left out.

use std::time::Duration;

use kernel::clock::Clock as _;
use kernel::id::MessageId;
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::json;
use store::Backend;
use testkit::until;

use crate::support::{World, send};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_stored_again_tells_nothing_more(#[case] backend: Backend) {
    let world = World::on(backend).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    world.fault(1, json!({"delay_ms": 2_000})).await;
    let message = world.text("+351912000111", "Hello").await;
    until("the POST", async || world.get(&message.id).await.dispatch == "sending").await;
    // As after a commit whose acknowledgement was lost: what comes next is the second storing.
    let posted = world.get(&message.id).await.version;
    let id = world.literal(message.id.parse::<MessageId>().unwrap().uuid());
    let stored = "UPDATE messaging.attempt SET outcome = 'accepted', ended_us = 1";
    world.change(&format!("{stored} WHERE message_id = {id}")).await;
    until("the answer", async || world.get(&message.id).await.version > posted).await;
    assert_eq!(world.steps(&message.id).await, ["accepted_by_us", "sending"]);
}

/// On PostgreSQL alone, whose sequences count what is rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_moves_only_together_with_its_step() {
    const FAIL: &str = "CREATE SEQUENCE tried; \
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
            PERFORM nextval('messaging.tried'); RAISE EXCEPTION 'no step is written'; END $$; \
        CREATE TRIGGER fail BEFORE INSERT ON message_step FOR EACH ROW \
            WHEN (NEW.name = 'queued') EXECUTE FUNCTION fail()";
    let world = World::on(Backend::Postgres).await;
    let at = world.clock.now() + Duration::from_hours(1);
    let request = pb::SendMessageRequest {
        send_at_us: Some(at.as_micros()),
        ..send(&world.number, "+351912000111", "Good morning")
    };
    let answer = world.caller().messages.send_message(request).await.unwrap();
    let message = answer.into_inner().message.unwrap();
    world.change(FAIL).await;
    world.advance(Duration::from_hours(1)).await;
    let tries = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM messaging.tried";
    until("a try", async || world.count(tries).await > 0).await;
    assert_eq!(world.get(&message.id).await.dispatch, "scheduled");
    world.change("DROP TRIGGER fail ON message_step").await;
    world.until(&message.id, "delivered").await;
    assert!(world.steps(&message.id).await.contains(&"queued".to_owned()));
}
