//! Copies of onboarding's tenants in every order and twice (I7), and never from an event that speaks of another tenant's
//! things (T10).

use bus::Envelope;
use kernel::id::{EventId, PartnerId, TenantId, WabaId};
use proto::onboarding::v1::{Tenant, Waba, WabaState};
use rstest::rstest;
use store::Backend;
use testkit::{fresh, orders, until};

use crate::{
    stage::Business,
    support::{Account, World, tenant, tenant_changed, waba_changed},
};

fn account(tenant: &Tenant) -> Account {
    Account {
        tenant: tenant.id.parse().unwrap(),
        waba: WabaId::from_uuid(fresh()),
        business: Business { token: String::new(), waba: "1".to_owned(), number: "2".to_owned() },
    }
}

/// A tenant and a WABA of its at a version.
fn at(world: &World, tenant: &Tenant, account: &Account, version: i64) -> (Tenant, Waba) {
    let tenant = Tenant { version, ..tenant.clone() };
    (tenant, world.waba(account, WabaState::Live, version, version))
}

fn told((tenant, waba): &(Tenant, Waba)) -> [Envelope; 2] {
    [tenant_changed(tenant), waba_changed(waba)]
}

/// How many tenants and WABAs have a version.
async fn at_version(world: &World, version: i64) -> [i64; 2] {
    let count = async |table: &str| {
        let sql = format!("SELECT count(*) FROM assets.{table} WHERE version = {version}");
        world.database.count(&sql).await
    };
    [count("tenant").await, count("waba").await]
}

async fn until_mismatches(world: &World, wanted: i64) {
    let sql = "SELECT count(*) FROM assets.dead_letter WHERE reason = 'scope_mismatch'";
    until("the dead letters", async || world.database.count(sql).await == wanted).await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_a_tenants_versions_twice_ends_in_the_last(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let partner = PartnerId::from_uuid(fresh());
    for order in orders(&[1_i64, 2, 3]) {
        let first = tenant(None);
        let events = order.into_iter().map(|version| {
            let partner_id = if version == 3 { partner.to_string() } else { String::new() };
            tenant_changed(&Tenant { version, partner_id, ..first.clone() })
        });
        world.publish_twice(events.collect()).await;
    }
    let inbox = "SELECT count(*) FROM assets.inbox WHERE consumer LIKE '%readmodel'";
    until("all events", async || world.database.count(inbox).await == 18).await;
    let last = format!(
        "SELECT count(*) FROM assets.tenant WHERE version = 3 AND partner_id = {}",
        world.database.literal(partner.uuid())
    );
    assert_eq!(world.database.count(&last).await, 6);
    assert_eq!(world.database.count("SELECT count(*) FROM assets.tenant").await, 6);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_body_names_another_tenant_is_a_dead_letter(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (mine, thief) = (tenant(None), tenant(None));
    let own = account(&mine);
    world.publish(told(&at(&world, &mine, &own, 1)).to_vec()).await;
    until("the first", async || at_version(&world, 1).await == [1, 1]).await;
    let rightful = told(&at(&world, &mine, &own, 5));
    let thief: TenantId = thief.id.parse().unwrap();
    let forged = rightful.clone().map(|event| Envelope { tenant: Some(thief.uuid()), ..event });
    // Beside good ones, which are taken.
    let other = tenant(None);
    let good = told(&at(&world, &other, &account(&other), 7));
    world.publish([forged, good].concat()).await;
    until_mismatches(&world, 2).await;
    until("the good ones", async || at_version(&world, 7).await == [1, 1]).await;
    assert_eq!((at_version(&world, 1).await, at_version(&world, 5).await), ([1, 1], [0, 0]));
    let again = |event| Envelope { id: EventId::from_uuid(fresh()), ..event };
    world.publish(rightful.map(again).to_vec()).await;
    until("the rightful ones", async || at_version(&world, 5).await == [1, 1]).await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_names_another_tenants_waba_is_a_dead_letter(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (mine, thief) = (tenant(None), tenant(None));
    let own = account(&mine);
    world.publish(told(&at(&world, &mine, &own, 1)).to_vec()).await;
    until("the first", async || at_version(&world, 1).await == [1, 1]).await;
    let stolen = Account { waba: own.waba, ..account(&thief) };
    world.publish(told(&at(&world, &thief, &stolen, 5)).to_vec()).await;
    until_mismatches(&world, 1).await;
    // What it says of itself is taken, beside the dead letter too.
    until("its own state", async || at_version(&world, 5).await[0] == 1).await;
    assert_eq!((at_version(&world, 1).await, at_version(&world, 5).await), ([1, 1], [1, 0]));
    let imports = "SELECT count(*) FROM assets.waba_import";
    assert_eq!(world.database.count(imports).await, 1);
}
