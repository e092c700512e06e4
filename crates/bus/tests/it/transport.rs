//! What both buses promise: the same tests over each.

use std::collections::BTreeSet;
use std::time::Duration;

use bus::{Deliveries, TailItem};
use rstest::rstest;

use crate::support::{BusKind, World, envelope, group, soon, tail};

/// Reads until `count` events came, acknowledging each batch.
async fn receive(member: &mut Box<dyn Deliveries>, count: usize) -> Vec<bus::Envelope> {
    let mut events = Vec::new();
    while events.len() < count {
        for delivery in soon("a delivery", member.next(100)).await.unwrap() {
            events.push(delivery.event.unwrap());
        }
        member.ack().await.unwrap();
    }
    events
}

#[rstest]
#[tokio::test]
async fn a_group_gets_what_was_published(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut member = world.join("assets", "readers", &["messaging.message.*"]).await;
    let sent = envelope("messaging.message.stepped");
    assert_eq!(world.bus.publish(vec![sent.clone()]).await, [Ok(())]);
    assert_eq!(receive(&mut member, 1).await, [sent]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn a_group_gets_only_what_it_is_bound_to(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut all = world.join("assets", "all", &["#"]).await;
    let mut some = world.join("assets", "some", &["*.number.#"]).await;
    let (other, wanted) =
        (envelope("messaging.message.stepped"), envelope("assets.number.changed"));
    world.publish(vec![other, wanted.clone()]).await;
    receive(&mut all, 2).await;
    assert_eq!(receive(&mut some, 1).await, [wanted]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn two_groups_each_get_the_event(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut one = world.join("assets", "one", &["messaging.#"]).await;
    let mut two = world.join("analytics", "two", &["messaging.#"]).await;
    let sent = envelope("messaging.message.stepped");
    world.publish(vec![sent.clone()]).await;
    assert_eq!(receive(&mut one, 1).await, std::slice::from_ref(&sent));
    assert_eq!(receive(&mut two, 1).await, [sent]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn members_of_a_group_share_its_events(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut spec = group("assets", "shared", &["messaging.#"]);
    spec.prefetch = 10;
    let mut one = world.join_as(spec.clone()).await;
    let mut two = world.join_as(spec).await;
    let sent: Vec<_> = (0..20).map(|_| envelope("messaging.message.stepped")).collect();
    world.publish(sent.clone()).await;
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    // Neither acknowledges, so neither can take more than its prefetch.
    while first.len() + second.len() < 20 {
        tokio::select! {
            batch = one.next(10) => first.extend(ids(batch)),
            batch = two.next(10) => second.extend(ids(batch)),
        }
    }
    assert_eq!((first.len(), second.len()), (10, 10));
    let all: BTreeSet<_> = first.union(&second).copied().collect();
    assert_eq!(all, sent.iter().map(|envelope| envelope.id).collect());
    world.end().await;
}

fn ids(
    batch: Result<Vec<bus::Delivery>, bus::BusError>,
) -> impl Iterator<Item = kernel::id::EventId> {
    batch.unwrap().into_iter().map(|delivery| delivery.event.unwrap().id)
}

#[rstest]
#[tokio::test]
async fn what_a_dead_member_held_goes_to_another_as_redelivered(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut dies = world.join("assets", "mortal", &["messaging.#"]).await;
    let sent = envelope("messaging.message.stepped");
    world.publish(vec![sent.clone()]).await;
    let first = soon("the first delivery", dies.next(10)).await.unwrap();
    assert!(first.iter().all(|delivery| !delivery.redelivered));
    drop(dies);
    let mut lives = world.join("assets", "mortal", &["messaging.#"]).await;
    let again = soon("the second delivery", lives.next(10)).await.unwrap();
    let again: Vec<_> =
        again.into_iter().map(|delivery| (delivery.event.unwrap(), delivery.redelivered)).collect();
    assert_eq!(again, [(sent, true)]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn what_was_acknowledged_does_not_come_again(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut member = world.join("assets", "acks", &["messaging.#"]).await;
    world.publish(vec![envelope("messaging.message.stepped")]).await;
    receive(&mut member, 1).await;
    member.close().await;
    let mut member = world.join("assets", "acks", &["messaging.#"]).await;
    let next = envelope("messaging.message.stepped");
    world.publish(vec![next.clone()]).await;
    assert_eq!(receive(&mut member, 1).await, [next]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn a_tail_hears_what_is_published_while_it_listens(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut member = world.join("assets", "keeps", &["#"]).await; // so that the first has somewhere to go
    world.publish(vec![envelope("onboarding.waba.changed")]).await;
    let mut listening = world.bus.tail(tail("assets", &["onboarding.#"])).await.unwrap();
    let live = envelope("onboarding.waba.changed");
    world.publish(vec![envelope("messaging.message.stepped"), live.clone()]).await;
    match soon("the live event", listening.next()).await {
        TailItem::Event(heard) => assert_eq!(heard, live),
        TailItem::Resync => panic!("nothing was lost"),
    }
    receive(&mut member, 3).await;
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn every_tail_hears_the_event(#[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind) {
    let world = World::start(kind).await;
    let mut tails = [
        world.bus.tail(tail("assets", &["#"])).await.unwrap(),
        world.bus.tail(tail("assets", &["#"])).await.unwrap(),
    ];
    let live = envelope("onboarding.waba.changed");
    world.publish(vec![live.clone()]).await;
    for listening in &mut tails {
        let heard = soon("the live event", listening.next()).await;
        assert!(matches!(heard, TailItem::Event(event) if event == live));
    }
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn an_event_that_is_too_large_is_refused_and_its_neighbours_are_not(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut member = world.join("assets", "sizes", &["messaging.#"]).await;
    let mut large = envelope("messaging.message.stepped");
    large.body = vec![0; bus::MAX_BODY + 1].into();
    let small = envelope("messaging.message.stepped");
    let answers = world.bus.publish(vec![large, small.clone()]).await;
    assert_eq!(answers, [Err(bus::PublishError::TooLarge(bus::MAX_BODY + 1)), Ok(())]);
    assert_eq!(receive(&mut member, 1).await, [small]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn a_thousand_events_pass_in_batches(
    #[values(BusKind::Embedded, BusKind::Rabbit)] kind: BusKind,
) {
    let world = World::start(kind).await;
    let mut member = world.join("assets", "many", &["messaging.#"]).await;
    let sent: Vec<_> = (0..5_000).map(|_| envelope("messaging.message.stepped")).collect();
    let wanted: BTreeSet<_> = sent.iter().map(|envelope| envelope.id).collect();
    let began = tokio::time::Instant::now();
    world.publish(sent).await;
    let got = receive(&mut member, 5_000).await;
    assert_eq!(got.iter().map(|envelope| envelope.id).collect::<BTreeSet<_>>(), wanted);
    // Far below what either bus does; above what waiting for each event's confirm and ack would take.
    assert!(began.elapsed() < Duration::from_secs(8), "took {:?}", began.elapsed());
    world.end().await;
}
