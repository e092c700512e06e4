//! Units that meet others run again; units that break the rules are not committed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rstest::rstest;
use sea_orm::{ColumnTrait, FromQueryResult};
use store::{Backend, Error, RawSql, ScopedTx};
use tokio::task::JoinSet;

use crate::support::{World, note, tenant, waba, within};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_in_two_rows_survive_deadlocks(#[case] backend: Backend) {
    let world = World::on(backend).await;
    if backend == Backend::Postgres {
        // Else each deadlock is looked for a second long.
        world.tamper("ALTER DATABASE {database} SET deadlock_timeout = '20ms'").await;
    }
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let rows = &vec![note(tenant, waba, 0), note(tenant, waba, 0)];
    world.store.write(&me, |tx| async move { tx.insert_many(rows.clone()).await }).await.unwrap();
    let ids = [rows[0].id.clone().unwrap(), rows[1].id.clone().unwrap()];
    let mut tasks = JoinSet::new();
    for task in 0..4_usize {
        let (store, me) = (world.store.clone(), me.clone());
        tasks.spawn(async move {
            for _ in 0..10 {
                // Half of the tasks lock the rows in the other order.
                let order = if task % 2 == 0 { ids } else { [ids[1], ids[0]] };
                store
                    .write(&me, |tx| async move {
                        for id in order {
                            let row = tx.find::<note::Entity>().filter(note::Column::Id.eq(id));
                            let row = row.for_update().one().await?.unwrap();
                            let more = tx.update::<note::Entity>().set(note::Column::N, row.n + 1);
                            more.filter(note::Column::Id.eq(id)).exec().await?;
                        }
                        Ok::<_, Error>(())
                    })
                    .await
                    .unwrap();
            }
        });
    }
    within("40 units that lock each other", async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(world.count("SELECT sum(n) FROM sample.note").await, 80);
}

#[tokio::test]
async fn a_serialization_failure_runs_the_unit_again() {
    let world = World::on(Backend::Postgres).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    world
        .tamper(
            "CREATE FUNCTION sample.fail_serialization() RETURNS int LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = 'serialization_failure'; END $$",
        )
        .await;
    let row = note(tenant, waba(), 0);
    let runs = AtomicU32::new(0);
    let (runs, row) = (&runs, &row);
    world
        .store
        .write(&me, |tx| async move {
            tx.insert(row.clone()).await?;
            if runs.fetch_add(1, Ordering::SeqCst) < 2 {
                return failing(&tx).await;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 1);
}

async fn failing(tx: &ScopedTx) -> Result<(), Error> {
    #[derive(FromQueryResult)]
    struct Nothing {}
    let text = "SELECT fail_serialization() WHERE {tenant} IS NOT NULL AND {tenant_wide}";
    tx.raw(RawSql::both(text, vec![])).all::<Nothing>().await.map(drop)
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_handle_kept_beyond_its_unit_is_an_error_at_commit(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let row = &note(tenant, waba(), 1);
    let kept: Arc<Mutex<Option<ScopedTx>>> = Arc::default();
    let keep = &kept;
    let answer = world
        .store
        .write(&me, |tx| async move {
            tx.insert(row.clone()).await?;
            *keep.lock().unwrap() = Some(tx);
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(answer, Err(Error::Internal { .. })));
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 0);
    let late = kept.lock().unwrap().take().unwrap();
    assert!(late.insert(row.clone()).await.is_err(), "the transaction is over");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_unit_that_swallows_a_failed_statement_is_not_committed(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let row = &note(tenant, waba(), 1);
    let answer = world
        .store
        .write(&me, |tx| async move {
            tx.insert(row.clone()).await?;
            let taken = tx.insert(row.clone()).await;
            assert!(taken.is_err());
            Ok::<_, Error>(())
        })
        .await;
    assert!(answer.is_err(), "PostgreSQL would answer COMMIT with a silent ROLLBACK");
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_error_of_the_unit_leaves_nothing(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let row = &note(tenant, waba(), 1);
    let answer: Result<(), Error> = world
        .store
        .write(&me, |tx| async move {
            tx.insert(row.clone()).await?;
            Err(Error::KeyReused)
        })
        .await;
    assert!(matches!(answer, Err(Error::KeyReused)));
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 0);
}

/// Another process holds the writer's lock for longer than a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_sqlite_file() {
    let world = World::on(Backend::Sqlite).await;
    let other = world.another().await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let mut tasks = JoinSet::new();
    for store in [world.store.clone(), other] {
        let me = me.clone();
        tasks.spawn(async move {
            for n in 0..50 {
                let row = &note(tenant, waba, n);
                store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
            }
        });
    }
    within("100 inserts of two processes", async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 100);
}
