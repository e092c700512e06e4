//! A number in the hands of one dispatcher at a time: what goes wrong with its lease, its claims or its
//! take-over costs time, never a message, and no other number's turn.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kernel::clock::Clock as _;
use kernel::id::{MessageId, NumberId};
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::json;
use store::Backend;
use testkit::until;
use uuid::Uuid;

use crate::support::{Number, Wanted, World, send};

/// Has the database refuse changes of messages for which `when` holds.
async fn refuse(world: &World, backend: Backend, when: &str) {
    let sql = match backend {
        Backend::Sqlite => format!(
            "CREATE TRIGGER refuse BEFORE UPDATE ON message WHEN {when} \
             BEGIN SELECT RAISE(ABORT, 'as the test asked for'); END"
        ),
        Backend::Postgres => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'as the test asked for'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE ON message FOR EACH ROW WHEN ({when}) \
             EXECUTE FUNCTION refuse()"
        ),
    };
    world.change(&sql).await;
}

async fn refuse_no_more(world: &World, backend: Backend) {
    let sql = match backend {
        Backend::Sqlite => "DROP TRIGGER refuse",
        Backend::Postgres => "DROP TRIGGER refuse ON message",
    };
    world.change(sql).await;
}

fn row(world: &World, id: &str) -> String {
    world.literal(id.parse::<MessageId>().unwrap().uuid())
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_number_whose_claims_outcome_is_unknown_is_dispatched_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    // A claim adds one to the version; what this test does adds two.
    let claims = "NEW.dispatch = 'claimed' AND NEW.version = OLD.version + 1";
    refuse(&world, backend, claims).await;
    let taken = world.text("+351912000111", "Hello").await;
    let other = world.text("+351912000222", "Hello too").await;
    until("the lease", async || world.count("SELECT count(*) FROM lease").await == 1).await;
    // As after a claim that was committed and whose answer was lost.
    let id = row(&world, &taken.id);
    world
        .change(&format!(
            "UPDATE message SET dispatch = 'claimed', version = version + 2, \
             fence = (SELECT token FROM lease) WHERE id = {id}"
        ))
        .await;
    until("the next holder", async || world.get(&taken.id).await.dispatch == "queued").await;
    refuse_no_more(&world, backend).await;
    world.until(&taken.id, "delivered").await;
    world.until(&other.id, "delivered").await;
    assert_eq!(world.ledger().await.len(), 2);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_lost_a_number_claims_nothing_of_it(#[case] backend: Backend) {
    let config = messaging::Config {
        sole_owner: true,
        sweep_ms: 50,
        poll_ms: 50,
        lease_ttl_ms: 3_000,
        ..messaging::Config::default()
    };
    let world = World::start(Wanted { backend, config }).await;
    world.fault(1, json!({"delay_ms": 1_500})).await;
    let first = world.text("+351912000111", "Hello").await;
    until("the POST", async || world.get(&first.id).await.dispatch == "sending").await;
    let lost = world.count("SELECT token FROM lease").await;
    // Another took it over, and this one has not noticed: it was paused.
    world
        .change(
            "UPDATE lease SET owner = 'another', token = token + 1, \
             until_us = until_us + 3600000000",
        )
        .await;
    let second = world.text("+351912000222", "Hello too").await;
    world.until(&first.id, "delivered").await;
    assert_eq!(world.get(&second.id).await.dispatch, "queued");
    // The other one ends.
    world.change("UPDATE lease SET until_us = 0").await;
    world.until(&second.id, "delivered").await;
    let id = row(&world, &second.id);
    let fence = world.count(&format!("SELECT fence FROM message WHERE id = {id}")).await;
    assert_eq!(fence, lost + 2);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cannot_be_taken_over_keeps_no_other_from_its_turn(#[case] backend: Backend) {
    let world = World::on(backend).await;
    // Leases are taken in the order of their names: this one's first.
    let before = Uuid::from_u128(world.number.id.uuid().as_u128() - 1);
    let broken = Number {
        id: NumberId::from_uuid(before),
        meta_id: "100000000000001".to_owned(),
        ..world.number.clone()
    };
    world.tell_of(&broken).await;
    let request = pb::SendMessageRequest {
        send_at_us: Some((world.clock.now() + Duration::from_hours(2)).as_micros()),
        ..send(&broken, "+351912000111", "Good morning")
    };
    let left = world.caller().messages.send_message(request).await.unwrap().into_inner();
    let left = left.message.unwrap().id;
    let number = world.literal(before);
    let gives_back = "OLD.dispatch = 'claimed' AND NEW.dispatch = 'queued'";
    refuse(&world, backend, &format!("{gives_back} AND OLD.number_id = {number}")).await;
    // As a dispatcher that died leaves it.
    let id = row(&world, &left);
    world
        .change(&format!("UPDATE message SET dispatch = 'claimed', fence = 0 WHERE id = {id}"))
        .await;
    until("a take-over", async || world.count("SELECT count(*) FROM lease").await == 1).await;
    let message = world.text("+351912000222", "Hello").await;
    world.until(&message.id, "delivered").await;
    assert_eq!(world.get(&left).await.dispatch, "claimed");
    refuse_no_more(&world, backend).await;
    until("its own turn", async || world.get(&left).await.dispatch == "queued").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_send_panicked_is_sent_by_the_next_holder() {
    let world = World::on(Backend::Sqlite).await;
    world.vault_panics.store(1, Ordering::SeqCst);
    let message = world.text("+351912000111", "Hello").await;
    world.until(&message.id, "delivered").await;
    assert_eq!(world.vault_panics.load(Ordering::SeqCst), 0);
    assert!(world.count("SELECT token FROM lease").await > 1);
    assert_eq!(world.ledger().await.len(), 1);
}
