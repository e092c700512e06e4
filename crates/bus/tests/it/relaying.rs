//! From outbox to consumer: nothing is lost, whatever dies or is away in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus::{Bus, BusError, Deliveries, Envelope, GroupSpec, PublishError, Relay, Tail, TailSpec};
use rstest::rstest;
use store::purpose::common;
use store::{Bind, RawSql, Shard, Store, SystemTx, outbox};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::script::{Act, Script, effects};
use crate::support::{House, Wiring, World, ids, until};

/// Writes events beside a change, as a service does.
async fn emit(store: &Store, count: usize) {
    let unit = |tx: SystemTx| async move {
        let event = |_| store::Event {
            id: kernel::id::EventId::mint(tx.ids(), tx.now()),
            key: "sample.thing.happened".to_owned(),
            kind: "sample.Happened",
            tenant: None,
            waba: None,
            aggregate: tx.ids().v7(tx.now()),
            version: 0,
            body: b"body".to_vec(),
            traceparent: None,
        };
        tx.publish_many((0..count).map(event).collect()).await
    };
    store.system(common::PROGRESS, Shard::ONLY, unit).await.unwrap();
}

fn relay(set: &mut JoinSet<()>, store: &Store, bus: &Arc<dyn Bus>) {
    let bus = Arc::clone(bus);
    set.spawn(Relay::new(store.clone(), bus, "sample", ids()).run(CancellationToken::new()));
}

#[rstest]
#[tokio::test]
async fn what_was_written_with_a_change_reaches_its_consumer(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let script = Script::new("reached", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script)).await;
    let mut relays = JoinSet::new();
    relay(&mut relays, &house.store, &house.world.bus);
    emit(&house.store, 3).await;
    until("the effects", async || effects(&house.store, "reached").await.len() == 3).await;
    until("an empty outbox", async || outbox::depth(&house.store).await.unwrap().rows == 0).await;
    house.end().await;
}

/// Publishes, and then dies before it can say so.
#[derive(Debug)]
struct DiesAfterPublish {
    bus: Arc<dyn Bus>,
    published: AtomicUsize,
}

#[async_trait::async_trait]
impl Bus for DiesAfterPublish {
    async fn publish(&self, batch: Vec<Envelope>) -> Vec<Result<(), PublishError>> {
        let count = batch.len();
        self.bus.publish(batch).await;
        self.published.fetch_add(count, Ordering::SeqCst);
        std::future::pending().await
    }
    async fn subscribe(&self, spec: GroupSpec) -> Result<Box<dyn Deliveries>, BusError> {
        self.bus.subscribe(spec).await
    }
    async fn tail(&self, spec: TailSpec) -> Result<Tail, BusError> {
        self.bus.tail(spec).await
    }
    async fn ready(&self) -> Result<(), BusError> {
        self.bus.ready().await
    }
}

#[rstest]
#[tokio::test]
async fn a_relay_that_dies_between_publish_and_delete_loses_and_doubles_nothing(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let script = Script::new("relayed", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script.clone())).await;
    let dying = Arc::new(DiesAfterPublish {
        bus: Arc::clone(&house.world.bus),
        published: AtomicUsize::new(0),
    });
    let mut relays = JoinSet::new();
    let bus: Arc<dyn Bus> = Arc::<DiesAfterPublish>::clone(&dying);
    relay(&mut relays, &house.store, &bus);
    emit(&house.store, 20).await;
    until("the first publish", async || dying.published.load(Ordering::SeqCst) == 20).await;
    relays.shutdown().await;
    assert_eq!(outbox::depth(&house.store).await.unwrap().rows, 20);
    let lapse = "UPDATE outbox SET claimed_until_us = 0 WHERE {purpose}";
    let unit = |tx: SystemTx| async move { tx.raw(RawSql::both(lapse, Vec::new())).exec().await };
    house.store.system(common::RELAY, Shard::ONLY, unit).await.unwrap();
    relay(&mut relays, &house.store, &house.world.bus);
    until("an empty outbox", async || outbox::depth(&house.store).await.unwrap().rows == 0).await;
    until("every event twice", async || script.batches().iter().sum::<usize>() >= 40).await;
    let effects = effects(&house.store, "relayed").await;
    assert_eq!((effects.len(), effects.values().sum::<usize>()), (20, 20));
    house.end().await;
}

#[tokio::test]
async fn a_broker_that_is_away_blocks_no_write_and_is_caught_up_with() {
    let house = House::over(World::behind_proxy().await, Wiring::Embedded).await;
    let script = Script::new("outage", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script)).await;
    let mut relays = JoinSet::new();
    relay(&mut relays, &house.store, &house.world.bus);
    emit(&house.store, 1).await;
    until("the first effect", async || effects(&house.store, "outage").await.len() == 1).await;
    house.world.proxy().cut();
    for _ in 0..50 {
        emit(&house.store, 10).await;
    }
    assert_eq!(outbox::depth(&house.store).await.unwrap().rows, 500);
    house.world.proxy().mend();
    until("all effects", async || effects(&house.store, "outage").await.len() == 501).await;
    until("an empty outbox", async || outbox::depth(&house.store).await.unwrap().rows == 0).await;
    house.end().await;
}

/// A bus that nobody is bound to; it counts what it is asked to publish.
#[derive(Debug, Default)]
struct Unheard(AtomicUsize);

#[async_trait::async_trait]
impl Bus for Unheard {
    async fn publish(&self, batch: Vec<Envelope>) -> Vec<Result<(), PublishError>> {
        self.0.fetch_add(batch.len(), Ordering::SeqCst);
        vec![Err(PublishError::Unroutable); batch.len()]
    }
    async fn subscribe(&self, _: GroupSpec) -> Result<Box<dyn Deliveries>, BusError> {
        Err(BusError::Closed("nobody is bound".to_owned()))
    }
    async fn tail(&self, _: TailSpec) -> Result<Tail, BusError> {
        Err(BusError::Closed("nobody is bound".to_owned()))
    }
    async fn ready(&self) -> Result<(), BusError> {
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn an_event_that_nobody_wants_is_put_off_for_longer_the_longer_it_waits(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    emit(&house.store, 2).await;
    let minutes_ago = |minutes: i64| house.store.now().as_micros() - minutes * 60_000_000;
    let change = |text: &'static str, binds: Vec<Bind>| {
        let unit = move |tx: SystemTx| {
            let binds = binds.clone();
            async move { tx.raw(RawSql::both(text, binds)).exec().await }
        };
        house.store.system(common::RELAY, Shard::ONLY, unit)
    };
    let ids = outbox::claim(&house.store, "test", 2).await.unwrap();
    let ids: Vec<_> = ids.into_iter().map(|row| row.id).collect();
    for (id, minutes) in [(ids[0], 3), (ids[1], 600)] {
        let age = "UPDATE outbox SET created_us = {1} WHERE {purpose} AND id = {2}";
        change(age, vec![minutes_ago(minutes).into(), id.uuid().into()]).await.unwrap();
    }
    outbox::release(&house.store, "test", &ids).await.unwrap();
    let unheard = Arc::new(Unheard::default());
    let bus: Arc<dyn Bus> = Arc::<Unheard>::clone(&unheard);
    let mut relays = JoinSet::new();
    relay(&mut relays, &house.store, &bus);
    until("both tries", async || unheard.0.load(Ordering::SeqCst) == 2).await;
    // Three minutes for the first and ten for the second, by the database's clock.
    for (id, least_s, most_s) in [(ids[0], 170, 190), (ids[1], 590, 600)] {
        let put_off = "UPDATE outbox SET claimed_until_us = claimed_until_us WHERE {purpose} \
            AND id = {1} AND claimed_by IS NULL \
            AND claimed_until_us BETWEEN {db_now} + {2} AND {db_now} + {3}";
        let bounds = [least_s, most_s].map(|seconds: i64| Bind::from(seconds * 1_000_000));
        until("the pause", async || {
            let binds = [Bind::from(id.uuid())].into_iter().chain(bounds.clone()).collect();
            change(put_off, binds).await.unwrap() == 1
        })
        .await;
    }
    assert_eq!(unheard.0.load(Ordering::SeqCst), 2);
    relays.shutdown().await;
    house.end().await;
}

#[tokio::test]
async fn an_event_without_a_queue_waits_until_there_is_one() {
    let house = House::start(Wiring::Production).await;
    let mut relays = JoinSet::new();
    relay(&mut relays, &house.store, &house.world.bus);
    emit(&house.store, 1).await;
    // Claimed, returned by the broker, and kept.
    until("the claim", async || outbox::claim(&house.store, "nobody", 1).await.unwrap().is_empty())
        .await;
    assert_eq!(outbox::depth(&house.store).await.unwrap().rows, 1);
    let script = Script::new("late", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script)).await;
    house.world.wait_for_group("sample", "late").await;
    let lapse = "UPDATE outbox SET claimed_until_us = 0 WHERE {purpose}";
    let unit = |tx: SystemTx| async move { tx.raw(RawSql::both(lapse, Vec::new())).exec().await };
    house.store.system(common::RELAY, Shard::ONLY, unit).await.unwrap();
    until("the effect", async || effects(&house.store, "late").await.len() == 1).await;
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn thousands_of_events_pass_from_outbox_to_effect_in_batches(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let script = Script::new("load", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script.clone())).await;
    for _ in 0..5 {
        emit(&house.store, 1_000).await;
    }
    let mut relays = JoinSet::new();
    let began = tokio::time::Instant::now();
    relay(&mut relays, &house.store, &house.world.bus);
    until("all effects", async || script.batches().iter().sum::<usize>() >= 5_000).await;
    until("all rows", async || effects(&house.store, "load").await.len() == 5_000).await;
    let batches = script.batches().len();
    assert!(batches < 1_000, "{batches} batches in {:?}", began.elapsed());
    house.end().await;
}
