//! T14: what is older than a WABA's claim never reaches a tenant that took it over from another.

use std::time::Duration;

use proto::onboarding::v1::WabaState;
use proto::webhooks::v1::{
    ListQuarantineRequest, QuarantineEntry, ReplaceQuarantineRequest, ReplayRawRequest,
};
use rstest::rstest;
use store::Backend;
use testkit::until;

use crate::support::{Held, NOW_S, Setup, World, message_of};

const DAY: Duration = Duration::from_hours(24);

/// A message on the WABA that moves, written now.
fn message_now(world: &World, wamid: &str) -> String {
    message_of(world.now_us() / 1_000_000, "9", "5", wamid)
}

async fn release(world: &World, held: &Held) {
    let mut released = held.waba.clone();
    released.state = WabaState::Released.into();
    released.version = 2;
    world.tell(vec![World::of_waba(&released)]).await;
}

/// The holder of a claim that is made now.
fn since_now(world: &World, mut held: Held) -> Held {
    held.waba.created_us = world.now_us();
    held
}

async fn claim(world: &World, held: &Held) {
    world.tell(vec![World::of_waba(&held.waba), World::of_number(&held.number)]).await;
}

async fn quarantined(world: &World) -> Vec<QuarantineEntry> {
    world.desk().list_quarantine(ListQuarantineRequest::default()).await.unwrap().into_inner().items
}

async fn stands_as(world: &World, reason: &str, count: i64) {
    let left = format!("SELECT count(*) FROM quarantine WHERE reason = '{reason}'");
    until(reason, async || world.database.count(&left).await == count).await;
}

async fn replay_all(world: &World) {
    let since = ReplayRawRequest { since_us: (NOW_S - 1) * 1_000_000 };
    assert_ne!(world.desk().replay_raw(since).await.unwrap().into_inner().deliveries, 0);
    world.settled().await;
}

#[rstest]
#[tokio::test]
async fn a_replay_since_before_the_move_gives_its_new_holder_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    world.deliver(message_now(&world, "wamid.1")).await;
    world.deliver(message_now(&world, "wamid.2")).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 2);
    release(&world, &first).await;
    world.clock.advance(DAY);
    claim(&world, &since_now(&world, World::held("9", "5"))).await;

    replay_all(&world).await;
    assert_eq!(world.elements().await.len(), 0);
    assert_eq!(quarantined(&world).await.len(), 0, "routed once, to whom it belonged");

    // As if both had been lost: nobody's now, and visible.
    world.database.change("DELETE FROM element_seen").await;
    replay_all(&world).await;
    assert_eq!(world.elements().await.len(), 0);
    stands_as(&world, "before_claim", 2).await;
}

#[rstest]
#[tokio::test]
async fn what_stands_in_quarantine_is_not_placed_at_who_claims_its_waba_later(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    release(&world, &first).await;
    world.deliver(message_now(&world, "wamid.late")).await;
    world.settled().await;
    stands_as(&world, "unknown_waba", 1).await;

    world.clock.advance(DAY);
    claim(&world, &since_now(&world, World::held("9", "5"))).await;
    stands_as(&world, "before_claim", 1).await;
    let all = ReplaceQuarantineRequest::default();
    let tally = world.desk().replace_quarantine(all).await.unwrap().into_inner();
    assert_eq!((tally.placed, tally.left), (0, 1), "nor by hand");
    world.settled().await;
    assert_eq!(world.elements().await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_repeat_of_what_the_earlier_holder_got_does_not_stay_in_quarantine(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    let body = message_now(&world, "wamid.1");
    world.deliver(body.clone()).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 1);
    release(&world, &first).await;
    world.deliver(body).await;
    world.settled().await;
    stands_as(&world, "unknown_waba", 1).await;

    world.clock.advance(DAY);
    claim(&world, &since_now(&world, World::held("9", "5"))).await;
    until("an empty quarantine", async || quarantined(&world).await.is_empty()).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn what_meta_tells_late_is_judged_by_its_own_time_and_the_rest_is_the_new_holders(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    let late = message_now(&world, "wamid.late");
    release(&world, &first).await;
    world.clock.advance(DAY);
    let second = since_now(&world, World::held("9", "5"));
    claim(&world, &second).await;
    world.deliver(late).await;
    world.deliver(message_now(&world, "wamid.new")).await;
    world.settled().await;
    stands_as(&world, "before_claim", 1).await;
    let routed = world.elements().await;
    assert_eq!(routed.len(), 1);
    assert_eq!(routed[0].tenant_id, second.tenant.to_string());
    assert!(String::from_utf8_lossy(&routed[0].element).contains("wamid.new"));
}

#[rstest]
#[tokio::test]
async fn a_tenant_that_claims_its_own_waba_again_gets_its_own_older_deliveries(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    world.deliver(message_now(&world, "wamid.routed")).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 1);
    release(&world, &first).await;
    world.deliver(message_now(&world, "wamid.between")).await;
    world.settled().await;
    stands_as(&world, "unknown_waba", 1).await;

    world.clock.advance(DAY);
    let mut again = World::held("9", "5");
    again.tenant = first.tenant;
    again.waba.tenant_id = first.tenant.to_string();
    again.number.tenant_id = first.tenant.to_string();
    let again = since_now(&world, again);
    claim(&world, &again).await;
    until("an empty quarantine", async || quarantined(&world).await.is_empty()).await;
    replay_all(&world).await;
    let routed = world.elements().await;
    assert_eq!(routed.len(), 1, "and what was routed is not routed again");
    assert_eq!(
        (&routed[0].tenant_id, &routed[0].waba_id),
        (&first.tenant.to_string(), &again.waba.id)
    );
    assert!(String::from_utf8_lossy(&routed[0].element).contains("wamid.between"));
}
