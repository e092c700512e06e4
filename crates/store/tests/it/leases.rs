//! One holder at a time, by the database's clock, told apart by a token (DEL-2).

use std::time::Duration;

use rstest::rstest;
use store::Backend;
use store::lease::{Leases, release_of_the_dead};
use tokio::task::JoinSet;

use crate::support::{World, within};

const LONG: Duration = Duration::from_mins(1);

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_lease_has_one_holder_and_its_token_grows(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (one, two) =
        (Leases::new(world.store.clone(), LONG), Leases::new(world.store.clone(), LONG));
    let first = one.acquire("number-1").await.unwrap().unwrap();
    assert!(first.is_live());
    assert!(two.acquire("number-1").await.unwrap().is_none());
    assert!(one.acquire("number-1").await.unwrap().is_none(), "held already");
    assert!(two.acquire("number-2").await.unwrap().is_some());
    one.release(&first).await.unwrap();
    assert!(!first.is_live());
    let second = two.acquire("number-1").await.unwrap().unwrap();
    assert!(second.token() > first.token());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_holder_that_lost_its_lease_learns_it_and_cannot_give_it_back(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (one, two) =
        (Leases::new(world.store.clone(), LONG), Leases::new(world.store.clone(), LONG));
    let first = one.acquire("number-1").await.unwrap().unwrap();
    let kept = one.acquire("number-2").await.unwrap().unwrap();
    world.change("UPDATE sample.lease SET until_us = 0 WHERE name = 'number-1'").await;
    let second = two.acquire("number-1").await.unwrap().unwrap();
    let lost = one.renew_all().await.unwrap();
    assert_eq!(lost.iter().map(|lease| lease.name().to_owned()).collect::<Vec<_>>(), ["number-1"]);
    assert!(!first.is_live());
    assert!(kept.is_live());
    one.release(&first).await.unwrap();
    assert!(two.renew_all().await.unwrap().is_empty(), "a stale token released nothing");
    assert!(second.is_live());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_holder_stops_by_its_own_clock_at_two_thirds(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let life = Duration::from_millis(300);
    let leases = Leases::new(world.store.clone(), life);
    let lease = leases.acquire("number-1").await.unwrap().unwrap();
    within("the holder's own end", async {
        while lease.is_live() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let other = Leases::new(world.store.clone(), LONG);
    within("the lease's end by the database's clock", async {
        while other.acquire("number-1").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_who_ask_at_once_get_one_lease(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let leases = Leases::new(world.store.clone(), LONG);
        tasks.spawn(async move { leases.acquire("number-1").await.unwrap().is_some() });
    }
    let mut holders = 0;
    while let Some(got) = tasks.join_next().await {
        holders += i32::from(got.unwrap());
    }
    assert_eq!(holders, 1);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn the_leases_of_the_dead_are_free_where_a_lock_proves_them_dead(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let dead = Leases::new(world.store.clone(), LONG);
    let names: Vec<String> = (0..3).map(|n| format!("number-{n}")).collect();
    assert_eq!(dead.acquire_some(&names).await.unwrap().len(), 3);
    assert_eq!(release_of_the_dead(&world.store).await.unwrap(), 3);
    let alive = Leases::new(world.store.clone(), LONG);
    assert_eq!(alive.acquire_some(&names).await.unwrap().len(), 3);
    assert_eq!(dead.renew_all().await.unwrap().len(), 3, "all lost");
}
