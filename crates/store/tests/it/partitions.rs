//! Partitions come before their rows, and go after their time (ISO-34).

use std::time::Duration;

use kernel::ids::{Ids, SystemIds};
use kernel::time::Timestamp;
use rstest::rstest;
use sea_orm::ActiveValue::Set;
use store::{Backend, Error};

use crate::support::{NOW_S, World, fact, tenant};

const DAY: Duration = Duration::from_hours(24);

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits \
    WHERE inhparent = 'sample.fact'::regclass";

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn ids_of_any_time_find_their_partition(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let ids = SystemIds::default();
    let now = Timestamp::from_seconds(NOW_S);
    // The present, an import of two years ago, a clock that jumped ahead: in one unit.
    let times = [now, now - DAY * 730, now + DAY * 400];
    let rows: &Vec<_> = &times
        .iter()
        .map(|at| fact::ActiveModel {
            tenant_id: Set(tenant.uuid()),
            id: Set(ids.v7(*at)),
            n: Set(1),
        })
        .collect();
    let written =
        world.store.write(&me, |tx| async move { tx.insert_many(rows.clone()).await }).await;
    assert_eq!(written.unwrap(), 3);
    let raw = world.store.write(&me, |tx| async move {
        tx.will_insert("fact", &[SystemIds::default().v7(now + DAY * 800)])
    });
    raw.await.unwrap();
    if backend == Backend::Postgres {
        assert_eq!(world.count("SELECT count(*) FROM sample.fact_default").await, 0);
        assert_eq!(world.count(PARTITIONS).await, 5, "four months and the default");
    }
    let read =
        world.store.read(&me, |tx| async move { tx.find::<fact::Entity>().count().await }).await;
    assert_eq!(read.unwrap(), 3);
}

#[tokio::test]
async fn partitions_are_made_ahead_and_dropped_past_their_retention() {
    let world = World::on(Backend::Postgres).await;
    world.store.ensure_partitions("fact").await.unwrap();
    assert_eq!(world.count(PARTITIONS).await, 5, "this month, three ahead, the default");
    world.store.ensure_partitions("fact").await.unwrap();
    assert_eq!(world.count(PARTITIONS).await, 5);
    world.clock.advance(DAY * 200);
    world.store.ensure_partitions("fact").await.unwrap();
    let before = world.count(PARTITIONS).await;
    let dropped = world.store.drop_partitions("fact", DAY * 90).await.unwrap();
    assert!(dropped >= 1, "{dropped}");
    assert_eq!(world.count(PARTITIONS).await, before - i64::try_from(dropped).unwrap());
}

#[tokio::test]
async fn the_drop_refuses_what_lies_within_the_least_retention() {
    let world = World::on(Backend::Postgres).await;
    world.store.ensure_partitions("fact").await.unwrap();
    // The present month ends 0 to 3 months before the newest bound, and 30 days are kept.
    world.tamper("SET ROLE sbt_sample_sys").await;
    let last = NOW_S * 1_000 + 92 * 86_400_000;
    let refused = format!(
        "DO $$ BEGIN PERFORM sample.partition_drop('fact', {last}); \
         RAISE EXCEPTION 'dropped'; EXCEPTION WHEN OTHERS THEN \
         IF SQLERRM NOT LIKE '%least retention%' THEN RAISE; END IF; END $$"
    );
    world.tamper(&refused).await;
    let unknown = "DO $$ BEGIN PERFORM sample.partition_make('note', 0); \
        RAISE EXCEPTION 'made'; EXCEPTION WHEN OTHERS THEN \
        IF SQLERRM NOT LIKE '%no partitioned table%' THEN RAISE; END IF; END $$";
    world.tamper(unknown).await;
}

#[tokio::test]
async fn twenty_units_that_lack_the_same_partition_all_get_it() {
    let world = World::on(Backend::Postgres).await;
    let at = Timestamp::from_seconds(NOW_S) + DAY * 900;
    let writes = (0..20).map(|n| {
        let tenant = tenant();
        let (me, store) = (world.whole(tenant), world.store.clone());
        async move {
            let row = &fact::ActiveModel {
                tenant_id: Set(tenant.uuid()),
                id: Set(SystemIds::default().v7(at)),
                n: Set(n),
            };
            store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await
        }
    });
    let answers: Vec<Result<(), Error>> = futures::future::join_all(writes).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(world.count("SELECT count(*) FROM sample.fact_default").await, 0);
}
