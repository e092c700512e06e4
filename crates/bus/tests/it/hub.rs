//! The hub over one tail: who hears what, and what becomes of those who fall behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth::Wabas;
use bus::{Following, Heard, TailHub};
use kernel::id::{TenantId, WabaId};
use rstest::rstest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{BusKind, World, envelope, soon, until};

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

fn waba(number: u128) -> WabaId {
    WabaId::from_uuid(Uuid::from_u128(number))
}

async fn hub(world: &World, tasks: &mut JoinSet<()>, stop: &CancellationToken) -> TailHub {
    let hub = TailHub::new(Arc::clone(&world.bus), "assets", vec!["messaging.#".to_owned()]);
    tasks.spawn(hub.clone().run(stop.clone()));
    until("the tail", async || hub.is_live()).await;
    hub
}

async fn heard(following: &mut Following) -> Heard {
    soon("an item", following.next()).await.unwrap()
}

fn about(of: TenantId, within: Option<WabaId>) -> bus::Envelope {
    let mut event = envelope("messaging.message.stepped");
    (event.tenant, event.waba) = (Some(of.uuid()), within.map(|waba| waba.uuid()));
    event
}

#[rstest]
#[tokio::test]
async fn followers_hear_their_own_tenant_and_wabas_alone(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let hub = hub(&world, &mut tasks, &stop).await;
    let mut all = hub.subscribe(tenant(1), Wabas::All);
    let mut some = hub.subscribe(tenant(1), Wabas::Only(BTreeSet::from([waba(7)])));
    let mut other = hub.subscribe(tenant(2), Wabas::All);
    let mut cache = hub.subscribe_all();
    let (plain, seven, eight, foreign) = (
        about(tenant(1), None),
        about(tenant(1), Some(waba(8))),
        about(tenant(1), Some(waba(7))),
        about(tenant(2), Some(waba(7))),
    );
    let sent = [&plain, &seven, &eight, &foreign];
    world.publish(sent.map(Clone::clone).to_vec()).await;
    let events = async |following: &mut Following, count: usize| {
        let mut got = BTreeSet::new();
        for _ in 0..count {
            match heard(following).await {
                Heard::Event(event) => got.insert(event.id),
                Heard::Resync => panic!("nothing was lost"),
            };
        }
        got
    };
    let set = |events: &[&bus::Envelope]| -> BTreeSet<_> { events.iter().map(|e| e.id).collect() };
    assert_eq!(events(&mut cache, 4).await, set(&sent));
    assert_eq!(events(&mut all, 3).await, set(&[&plain, &seven, &eight]));
    assert_eq!(events(&mut some, 1).await, set(&[&eight]));
    assert_eq!(events(&mut other, 1).await, set(&[&foreign]));
    stop.cancel();
    assert!(soon("the end", some.next()).await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_follower_that_falls_behind_is_told_to_read_again_and_ends() {
    let world = World::start(BusKind::Embedded).await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let hub = hub(&world, &mut tasks, &stop).await;
    let mut slow = hub.subscribe(tenant(1), Wabas::All);
    let mut witness = hub.subscribe_all();
    for _ in 0..11 {
        world.publish((0..100).map(|_| about(tenant(1), None)).collect()).await;
        for _ in 0..100 {
            heard(&mut witness).await;
        }
    }
    for _ in 0..1_000 {
        assert!(matches!(heard(&mut slow).await, Heard::Event(_)));
    }
    assert!(matches!(heard(&mut slow).await, Heard::Resync));
    assert!(slow.next().await.is_none());
    world.end().await;
}

#[tokio::test]
async fn every_follower_is_told_when_the_tail_was_cut() {
    let world = World::behind_proxy().await;
    let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
    let hub = hub(&world, &mut tasks, &stop).await;
    let mut one = hub.subscribe(tenant(1), Wabas::All);
    let mut cache = hub.subscribe_all();
    world.proxy().break_all();
    assert!(matches!(heard(&mut one).await, Heard::Resync));
    assert!(matches!(heard(&mut cache).await, Heard::Resync));
    world.end().await;
}
