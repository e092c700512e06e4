//! An event's effect happens once, however often it is delivered (DEL-4).

use kernel::id::EventId;
use rstest::rstest;
use store::{Backend, Error, Shard, purpose};
use tokio::task::JoinSet;

use crate::support::{World, fresh, note, tenant, waba, within};

fn ids(count: usize) -> Vec<EventId> {
    (0..count).map(|_| EventId::from_uuid(fresh())).collect()
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn only_what_was_not_handled_is_new(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let me = world.whole(tenant());
    let events = &ids(5);
    let first = world.store.write(&me, |tx| async move { tx.first_time("c", &events[..3]).await });
    assert_eq!(first.await.unwrap(), [true, true, true]);
    let mixed = &[events[3], events[0], events[4], events[3]];
    let second = world.store.write(&me, |tx| async move { tx.first_time("c", mixed).await });
    assert_eq!(second.await.unwrap(), [true, false, true, false], "twice in a batch is once");
    let other = world.store.write(&me, |tx| async move { tx.first_time("other", mixed).await });
    assert_eq!(other.await.unwrap(), [true, true, true, false], "each consumer has its own");
    // A purpose that does not list the inbox may add to it all the same.
    let system = world.store.system(purpose::sample::SWEEP, Shard::ONLY, |tx| async move {
        tx.first_time("c", &events[..2]).await
    });
    assert_eq!(system.await.unwrap(), [false, false]);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn what_rolled_back_is_new_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let me = world.whole(tenant());
    let events = &ids(3);
    let failed: Result<(), Error> = world
        .store
        .write(&me, |tx| async move {
            tx.first_time("c", events).await?;
            Err(Error::KeyReused)
        })
        .await;
    assert!(failed.is_err());
    let again = world.store.write(&me, |tx| async move { tx.first_time("c", events).await }).await;
    assert_eq!(again.unwrap(), [true, true, true]);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deliveries_of_one_event_have_one_effect(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let event = ids(1)[0];
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let (store, me) = (world.store.clone(), me.clone());
        tasks.spawn(async move {
            let row = &note(tenant, waba, n);
            let effect = store.write(&me, |tx| async move {
                if tx.first_time("c", &[event]).await? == [true] {
                    tx.insert(row.clone()).await?;
                }
                Ok::<_, Error>(())
            });
            effect.await.unwrap();
        });
    }
    within("50 deliveries", async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 1);
}
