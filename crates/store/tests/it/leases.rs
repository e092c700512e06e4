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
    let theirs = dead.acquire_some(&names).await.unwrap();
    assert_eq!(theirs.len(), 3);
    assert_eq!(release_of_the_dead(&world.store).await.unwrap(), 3);
    let alive = Leases::new(world.store.clone(), LONG);
    assert_eq!(alive.acquire_some(&names).await.unwrap().len(), 3);
    assert_eq!(dead.renew_all().await.unwrap().len(), 3, "all lost");
}

/// When a lease ends by the database's clock.
async fn ends(world: &World, name: &str) -> i64 {
    world.count(&format!("SELECT until_us FROM sample.lease WHERE name = '{name}'")).await
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn what_nobody_has_in_hand_is_renewed_no_more(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let leases = Leases::new(world.store.clone(), Duration::from_millis(600));
    let left = leases.acquire("number-1").await.unwrap().unwrap();
    let kept = leases.acquire("number-2").await.unwrap().unwrap();
    let (left_ends, kept_ends) = (ends(&world, "number-1").await, ends(&world, "number-2").await);
    // As a holder does that looks at its leases after a pause.
    within("the holder's own end", async {
        while left.is_live() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(left);
    assert!(leases.renew_all().await.unwrap().is_empty());
    assert!(kept.is_live());
    assert_eq!(ends(&world, "number-1").await, left_ends);
    assert!(ends(&world, "number-2").await > kept_ends);
    within("the lease's end", async {
        while leases.acquire("number-1").await.unwrap().is_none() {
            leases.renew_all().await.unwrap();
        }
    })
    .await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_lease_whose_release_failed_is_renewed_no_more(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let leases = Leases::new(world.store.clone(), LONG);
    let left = leases.acquire("number-1").await.unwrap().unwrap();
    let kept = leases.acquire("number-2").await.unwrap().unwrap();
    let before = ends(&world, "number-1").await;
    world.change("ALTER TABLE sample.lease RENAME TO lease_away").await;
    leases.release(&left).await.unwrap_err();
    world.change("ALTER TABLE sample.lease_away RENAME TO lease").await;
    assert!(!left.is_live());
    assert!(leases.renew_all().await.unwrap().is_empty());
    assert!(kept.is_live());
    assert_eq!(ends(&world, "number-1").await, before);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn what_is_ours_by_the_table_alone_is_not_renewed(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (one, two) =
        (Leases::new(world.store.clone(), LONG), Leases::new(world.store.clone(), LONG));
    let kept = one.acquire("number-1").await.unwrap().unwrap();
    let newer = one.acquire("number-2").await.unwrap().unwrap();
    let _theirs = two.acquire("number-3").await.unwrap().unwrap();
    // As after an acquisition whose answer was lost: the row says that it is ours, and we do not know.
    let ours = "(SELECT owner FROM sample.lease WHERE name = 'number-1')";
    world.change(&format!("UPDATE sample.lease SET owner = {ours} WHERE name = 'number-3'")).await;
    world.change("UPDATE sample.lease SET token = token + 1 WHERE name = 'number-2'").await;
    let before = [ends(&world, "number-2").await, ends(&world, "number-3").await];
    let lost = one.renew_all().await.unwrap();
    assert_eq!(lost.iter().map(|lease| lease.name().to_owned()).collect::<Vec<_>>(), ["number-2"]);
    assert_eq!([ends(&world, "number-2").await, ends(&world, "number-3").await], before);
    assert!(kept.is_live() && !newer.is_live());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn several_are_given_back_at_once_and_another_holders_are_not(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (one, two) =
        (Leases::new(world.store.clone(), LONG), Leases::new(world.store.clone(), LONG));
    let names: Vec<String> = (0..3).map(|n| format!("number-{n}")).collect();
    let ours = one.acquire_some(&names).await.unwrap();
    world.change("UPDATE sample.lease SET until_us = 0 WHERE name = 'number-0'").await;
    let theirs = two.acquire("number-0").await.unwrap().unwrap();
    one.release_some(&ours).await.unwrap();
    assert_eq!(two.acquire_some(&names).await.unwrap().len(), 2);
    assert!(two.renew_all().await.unwrap().is_empty());
    assert!(theirs.is_live());
}
