//! Events leave with the change that they tell of, once, whoever dies (DEL-3).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::id::{EventId, TenantId, WabaId};
use rstest::rstest;
use store::{Backend, Error, Event, outbox};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::support::{World, fresh, note, tenant, waba, within};

pub(crate) fn event(tenant: TenantId, waba: WabaId) -> Event {
    Event {
        id: EventId::from_uuid(fresh()),
        key: "sample.note.changed".to_owned(),
        kind: "switchboard.events.v1.NoteChanged",
        tenant: Some(tenant.uuid()),
        waba: Some(waba.uuid()),
        aggregate: fresh(),
        version: 3,
        body: vec![1, 2, 3],
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_event_goes_with_its_change_and_wakes_the_relay(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let told = &event(tenant, waba);
    let row = &note(tenant, waba, 1);
    let rolled_back: Result<(), Error> = world
        .store
        .write(&me, |tx| async move {
            tx.insert(row.clone()).await?;
            tx.publish(told.clone()).await?;
            Err(Error::KeyReused)
        })
        .await;
    assert!(rolled_back.is_err());
    assert_eq!(outbox::depth(&world.store).await.unwrap().rows, 0);

    let change = world.store.write(&me, |tx| async move {
        tx.insert(row.clone()).await?;
        tx.publish(told.clone()).await
    });
    change.await.unwrap();
    within("the commit's wake-up", world.store.outbox_committed()).await;
    let claimed = outbox::claim(&world.store, "relay", 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let row = &claimed[0];
    assert_eq!((row.id, row.kind.as_str(), row.version), (told.id, told.kind, 3));
    assert_eq!((row.tenant, row.waba, &row.body), (told.tenant, told.waba, &told.body));
    assert_eq!(row.traceparent, told.traceparent);
    assert_eq!(row.time, world.store.now());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_event_of_another_tenant_is_refused(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ours, waba, foreign) = (tenant(), waba(), waba());
    let part = world.part(ours, &[waba]);
    for told in [event(tenant(), waba), event(ours, foreign)] {
        let told = &told;
        let refused =
            world.store.write(&part, |tx| async move { tx.publish(told.clone()).await }).await;
        assert!(matches!(refused, Err(Error::ForeignRow { .. })), "{refused:?}");
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_relays_lose_nothing_and_double_nothing(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let all: Vec<Event> = (0..3_000).map(|_| event(tenant, waba)).collect();
    for batch in all.chunks(1_000) {
        let publish =
            world.store.write(&me, |tx| async move { tx.publish_many(batch.to_vec()).await });
        publish.await.unwrap();
    }
    let sent = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::new(AtomicUsize::new(all.len()));
    let mut relays = JoinSet::new();
    for relay in 0..8 {
        let (store, sent, left) = (world.store.clone(), Arc::clone(&sent), Arc::clone(&left));
        relays.spawn(async move {
            let by = format!("relay-{relay}");
            while left.load(Ordering::SeqCst) > 0 {
                let rows = outbox::claim(&store, &by, 100).await.unwrap();
                let ids: Vec<EventId> = rows.iter().map(|row| row.id).collect();
                // Every third of a batch is not confirmed and given back.
                let (back, done): (Vec<_>, Vec<_>) =
                    ids.iter().enumerate().partition(|(at, _)| at % 3 == 2);
                let back: Vec<EventId> = back.into_iter().map(|(_, id)| *id).collect();
                let done: Vec<EventId> = done.into_iter().map(|(_, id)| *id).collect();
                assert_eq!(
                    outbox::delete(&store, &by, &done).await.unwrap(),
                    u64::try_from(done.len()).unwrap()
                );
                outbox::release(&store, &by, &back).await.unwrap();
                left.fetch_sub(done.len(), Ordering::SeqCst);
                sent.lock().await.extend(done);
            }
        });
    }
    within("8 relays over 3,000 events", async {
        while let Some(done) = relays.join_next().await {
            done.unwrap();
        }
    })
    .await;
    let sent = sent.lock().await;
    let distinct: HashSet<_> = sent.iter().copied().collect();
    assert_eq!((sent.len(), distinct.len()), (3_000, 3_000));
    assert_eq!(outbox::depth(&world.store).await.unwrap().rows, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_dead_relays_rows_are_free_by_the_databases_clock_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let told = &event(tenant, waba);
    world.store.write(&me, |tx| async move { tx.publish(told.clone()).await }).await.unwrap();
    assert_eq!(outbox::claim(&world.store, "dead", 10).await.unwrap().len(), 1);
    // Business time passes; the claim stands.
    world.clock.advance(std::time::Duration::from_hours(1));
    assert_eq!(outbox::claim(&world.store, "alive", 10).await.unwrap().len(), 0);
    assert_eq!(outbox::delete(&world.store, "alive", &[told.id]).await.unwrap(), 0);
    world.change("UPDATE sample.outbox SET claimed_until_us = claimed_until_us - 31000000").await;
    assert_eq!(outbox::claim(&world.store, "alive", 10).await.unwrap().len(), 1);
    assert_eq!(outbox::delete(&world.store, "dead", &[told.id]).await.unwrap(), 0);
    assert_eq!(outbox::delete(&world.store, "alive", &[told.id]).await.unwrap(), 1);
}
