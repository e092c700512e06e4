//! Copies of onboarding's tenants and WABAs: from events in every order and twice, and from its snapshot.

use kernel::id::{TenantId, WabaId};
use proto::onboarding::v1::WabaState;
use rstest::rstest;
use store::Backend;
use testkit::{fresh, orders, until};

use crate::{
    stage::Business,
    support::{Account, World, waba_changed},
};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_three_versions_twice_ends_in_the_last(#[case] backend: Backend) {
    let world = World::on(backend).await;
    for order in orders(&[0_usize, 1, 2]) {
        let account = Account {
            tenant: TenantId::from_uuid(fresh()),
            waba: WabaId::from_uuid(fresh()),
            business: Business {
                token: String::new(),
                waba: "1".to_owned(),
                number: "2".to_owned(),
            },
        };
        let versions = [
            world.waba(&account, WabaState::Claimed, 1, 1),
            world.waba(&account, WabaState::Live, 2, 2),
            world.waba(&account, WabaState::Blocked, 3, 3),
        ];
        let events = versions.map(|waba| waba_changed(&waba));
        world.publish_twice(order.iter().map(|at| events[*at].clone()).collect()).await;
    }
    let last = "SELECT count(*) FROM assets.waba WHERE version = 3 AND state = 'blocked' AND credential_generation = 3";
    until("all six", async || world.database.count(last).await == 6).await;
    assert_eq!(
        world
            .database
            .count("SELECT count(*) FROM assets.inbox WHERE consumer LIKE '%readmodel'")
            .await,
        18
    );
    assert_eq!(world.database.count("SELECT count(*) FROM assets.waba").await, 6);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_us_comes_by_snapshot(#[case] backend: Backend) {
    let (world, _tenant, _waba) = World::late(backend).await;
    until("the snapshot", async || {
        world.database.count("SELECT count(*) FROM assets.readmodel WHERE complete").await == 2
    })
    .await;
    assert_eq!(world.database.count("SELECT count(*) FROM assets.tenant").await, 1);
    assert_eq!(
        world.database.count("SELECT count(*) FROM assets.waba WHERE state = 'claimed'").await,
        1
    );
    assert_eq!(world.database.count("SELECT count(*) FROM assets.waba_import").await, 1);
}
