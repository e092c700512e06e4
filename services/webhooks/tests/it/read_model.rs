//! What webhooks learns of WABAs and numbers: in any order, twice, and from the owners' snapshots.

use rstest::rstest;
use store::Backend;
use testkit::{Owners, orders, until};

use crate::support::{Setup, World, message};
use proto::onboarding::v1::WabaState;

#[rstest]
#[tokio::test]
async fn states_come_to_the_same_in_every_order_and_twice(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    for (at, order) in orders(&[1_i64, 2, 3]).into_iter().enumerate() {
        let held = World::held(&format!("9{at}"), &format!("5{at}"));
        let mut events = Vec::new();
        for version in order {
            let mut waba = held.waba.clone();
            waba.version = version;
            if version == 3 {
                waba.state = WabaState::Released.into();
            }
            let mut number = held.number.clone();
            number.version = version;
            number.meta_id = format!("5{at}{version}");
            events.extend([World::of_waba(&waba), World::of_number(&number)]);
        }
        world.tell(events.clone()).await;
        world.publish(events).await;
        let marker = World::held(&format!("1{at}"), "1");
        world.tell(vec![World::of_waba(&marker.waba)]).await;
        let waba = format!(
            "SELECT count(*) FROM waba WHERE meta_id = '9{at}' AND version = 3 AND state = 'released'"
        );
        let number =
            format!("SELECT count(*) FROM number WHERE meta_id = '5{at}3' AND version = 3");
        assert_eq!(world.database.count(&waba).await, 1, "order {at}");
        assert_eq!(world.database.count(&number).await, 1, "order {at}");
    }
    assert_eq!(world.database.count("SELECT count(*) FROM number").await, 6);
    assert_eq!(world.database.count("SELECT count(*) FROM dead_letter").await, 0);
}

#[tokio::test]
async fn an_event_that_names_another_tenants_waba_is_a_dead_letter_and_changes_nothing() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let held = world.known("9", "5").await;
    let mut stolen = held.waba.clone();
    stolen.tenant_id = World::held("8", "6").tenant.to_string();
    stolen.version = 9;
    world.publish(vec![World::of_waba(&stolen)]).await;
    let letters = "SELECT count(*) FROM dead_letter WHERE reason = 'scope_mismatch'";
    until("a dead letter", async || world.database.count(letters).await == 1).await;
    assert_eq!(world.database.count("SELECT count(*) FROM waba").await, 1);
    world.deliver(message("9", "5", "wamid.1")).await;
    world.settled().await;
    assert_eq!(world.elements().await[0].tenant_id, held.tenant.to_string());
}

#[rstest]
#[tokio::test]
async fn a_service_that_starts_late_takes_the_owners_snapshots(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).receiving_alone().start().await;
    let mut all: Vec<_> =
        (0..3).map(|at| World::held(&format!("9{at}"), &format!("5{at}"))).collect();
    assert_eq!(world.deliver(message("91", "51", "wamid.1")).await, 200);
    let (database, store, clock) = world.end().await;
    all.sort_by(|a, b| a.waba.id.cmp(&b.waba.id));
    let mut owners = Owners {
        wabas: all.iter().map(|held| held.waba.clone()).collect(),
        numbers: all.iter().map(|held| held.number.clone()).collect(),
        ..Owners::default()
    };
    owners.numbers.sort_by(|a, b| a.id.cmp(&b.id));
    let setup = Setup { owners: Some(owners), ..Setup::on(backend) };
    let world = World::start_over(setup, database, store, clock).await;
    let complete = "SELECT count(*) FROM readmodel WHERE complete";
    until("both snapshots", async || world.database.count(complete).await == 2).await;
    assert_eq!(world.database.count("SELECT count(*) FROM waba").await, 3);
    assert_eq!(world.database.count("SELECT count(*) FROM number").await, 3);
    let left = "SELECT count(*) FROM quarantine";
    world.settled().await;
    until("placed", async || world.database.count(left).await == 0).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 1);
}
