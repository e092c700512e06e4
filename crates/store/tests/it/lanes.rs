//! Group commit: one transaction, a sub-batch a tenant and WABA set, nobody poisoned (ISO-32).

use std::time::Duration;

use auth::Scope;
use rstest::rstest;
use sea_orm::ActiveValue::Set;
use store::{Backend, Error, Lane, Outcome, Purpose, ScopedTx, SystemLane, SystemTx};
use tokio::task::JoinSet;

use crate::support::{World, fresh, note, raw, tenant, waba, within};

struct Notes;

impl Lane for Notes {
    type Item = note::ActiveModel;
    type Answer = i64;
    type Error = Error;

    async fn run(&self, tx: ScopedTx, items: Vec<Self::Item>) -> Outcome<i64, Error> {
        let tenants: Vec<_> = items.iter().map(|row| row.tenant_id.clone().unwrap()).collect();
        assert!(tenants.iter().all(|one| *one == tx.tenant().uuid()), "one tenant a sub-batch");
        // Below zero: refused in the list, the others go in.
        let numbers: Vec<i64> = items.iter().map(|row| row.n.clone().unwrap()).collect();
        let lawful = items.into_iter().zip(&numbers).filter(|(_, n)| **n >= 0);
        tx.insert_many(lawful.map(|(row, _)| row).collect()).await?;
        let answer = |n: i64| if n >= 0 { Ok(n) } else { Err(Error::KeyReused) };
        Ok(numbers.into_iter().map(answer).collect())
    }
}

struct RawLog;

impl SystemLane for RawLog {
    type Item = String;
    type Answer = ();
    type Error = Error;

    fn purpose(&self) -> Purpose {
        store::purpose::sample::RAW
    }

    async fn run(&self, tx: SystemTx, items: Vec<String>) -> Outcome<(), Error> {
        let answers = items.iter().map(|_| Ok(())).collect();
        let row = |body: String| raw::ActiveModel { id: Set(fresh()), body: Set(body) };
        if items.iter().any(|body| body == "poison") {
            return Err(Error::KeyReused);
        }
        tx.insert_many(items.into_iter().map(row).collect()).await?;
        Ok(answers)
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_item_takes_nobody_with_it(#[case] backend: Backend) {
    let mut world = World::on(backend).await;
    world.store = world.store.clone().with_lane(Notes);
    // 25 tenants with two keys of one WABA each; one item of each key meets a taken slug.
    let mut submitted: Vec<(Scope, note::ActiveModel, bool)> = Vec::new();
    let mut callers = Vec::new();
    for _ in 0..25 {
        let tenant = tenant();
        let whole = world.whole(tenant);
        let taken = note(tenant, waba(), 100);
        let first = &taken.clone();
        let insert = world.store.write(&whole, |tx| async move { tx.insert(first.clone()).await });
        insert.await.unwrap();
        for _ in 0..2 {
            let waba = waba();
            callers.push((tenant, waba, world.part(tenant, &[waba]), taken.slug.clone().unwrap()));
        }
    }
    for turn in 0..4 {
        for (tenant, waba, scope, slug) in &callers {
            let mut row = note(*tenant, *waba, turn);
            let poisoned = turn == 2;
            if poisoned {
                row.slug = Set(slug.clone());
            }
            submitted.push((scope.clone(), row, poisoned));
        }
    }
    let mut tasks = JoinSet::new();
    for (scope, row, poisoned) in submitted {
        let store = world.store.clone();
        tasks.spawn(async move { (store.lane::<Notes>().submit(&scope, row).await, poisoned) });
    }
    within("200 items of 50 keys", async {
        while let Some(answer) = tasks.join_next().await {
            let (answer, poisoned) = answer.unwrap();
            assert_eq!(answer.is_err(), poisoned, "{answer:?}");
        }
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM sample.note WHERE n < 100").await, 150);
    for (tenant, waba, _, _) in &callers {
        let whole = world.whole(*tenant);
        let own =
            world.store.read(&whole, |tx| async move { tx.find::<note::Entity>().all().await });
        let own = own.await.unwrap();
        let of_waba = own.iter().filter(|row| row.waba_id == waba.uuid()).count();
        assert_eq!((own.len(), of_waba), (7, 3), "rows under the tenant and WABA that sent them");
    }
    world.store.close().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn items_that_come_together_share_a_commit(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let store = world.store.clone().with_lane(Notes);
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let before = store.counts();
    let lane = store.lane::<Notes>();
    let answers = futures::future::join_all(
        (0..500).map(|n| lane.submit(&me, note(tenant, waba, if n == 7 { -1 } else { n }))),
    )
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 499);
    assert!(matches!(answers[7], Err(Error::KeyReused)), "an error in the list is one item's");
    assert_eq!(answers[499].as_ref().ok(), Some(&499), "answers come in the items' order");
    let commits = store.counts().commits - before.commits;
    assert!(commits <= 4, "{commits} commits for 500 items");
    store.close().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_item_whose_client_went_away_is_written_all_the_same(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let store = world.store.clone().with_lane(Notes);
    let tenant = tenant();
    let me = world.whole(tenant);
    let lane = store.lane::<Notes>();
    let gone = lane.submit(&me, note(tenant, waba(), 1));
    assert!(tokio::time::timeout(Duration::from_micros(1), gone).await.is_err());
    store.close().await;
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 1);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_closed_lane_refuses_and_an_undeclared_one_says_so(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let answer = world.store.lane::<Notes>().submit(&me, note(tenant, waba(), 1)).await;
    assert!(matches!(answer, Err(Error::Internal { .. })));
    let store = world.store.clone().with_lane(Notes);
    let lane = store.lane::<Notes>();
    store.close().await;
    let answer = lane.submit(&me, note(tenant, waba(), 1)).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_system_lane_writes_without_a_tenant_and_isolates_its_poison(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let store = world.store.clone().with_system_lane(RawLog);
    let lane = store.system_lane::<RawLog>();
    let bodies = (0..40).map(|n| if n == 3 { "poison".to_owned() } else { n.to_string() });
    let answers = futures::future::join_all(bodies.map(|body| lane.submit(body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(world.count("SELECT count(*) FROM sample.inbound_raw").await, 39);
    store.close().await;
}
