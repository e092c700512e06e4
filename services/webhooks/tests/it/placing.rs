//! ISO-43: by app, WABA and number together, or into quarantine until they fit.

use proto::events::v1::WabaHeard;
use proto::onboarding::v1::WabaState;
use proto::webhooks::v1::{ListQuarantineRequest, QuarantineEntry};
use rstest::rstest;
use store::Backend;
use testkit::until;

use crate::support::{NOW_S, OTHER_APP, OTHER_SECRET, Setup, World, elements, message, message_of};

async fn quarantined(world: &World) -> Vec<QuarantineEntry> {
    world.desk().list_quarantine(ListQuarantineRequest::default()).await.unwrap().into_inner().items
}

async fn reasons(world: &World) -> Vec<String> {
    quarantined(world).await.into_iter().map(|entry| entry.reason).collect()
}

async fn placed(world: &World) {
    let left = "SELECT count(*) FROM quarantine";
    until("the quarantine to be empty", async || world.database.count(left).await == 0).await;
    world.settled().await;
}

#[rstest]
#[tokio::test]
async fn what_nobody_holds_waits_and_is_placed_once_somebody_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    assert_eq!(world.deliver(message("9", "5", "wamid.1")).await, 200);
    assert_eq!(world.deliver(message("9", "5", "wamid.1")).await, 200);
    assert_eq!(world.deliver(message("9", "5", "wamid.2")).await, 200);
    world.settled().await;
    let entries = quarantined(&world).await;
    assert_eq!(entries.len(), 2, "Meta's repeat is the same thing");
    assert_eq!(
        (entries[0].reason.as_str(), entries[0].waba_meta_id.as_str()),
        ("unknown_waba", "9")
    );
    assert_eq!(world.elements().await.len(), 0);

    let held = World::held("9", "5");
    world.tell(vec![World::of_waba(&held.waba)]).await;
    let unknown = "SELECT count(*) FROM quarantine WHERE reason = 'unknown_waba'";
    assert_eq!(world.database.count(unknown).await, 2, "the number is not known yet");
    world.tell(vec![World::of_number(&held.number)]).await;
    placed(&world).await;
    let events = world.events().await;
    let routed = elements(&events);
    assert_eq!(routed.len(), 2);
    assert!(routed.iter().all(|element| element.tenant_id == held.tenant.to_string()));
    let heard: Vec<_> = events.iter().filter(|event| bus::is::<WabaHeard>(event)).collect();
    assert_eq!(heard.len(), 1, "heard of once");
    // And what comes from now on needs no quarantine, nor a second word that it was heard of.
    world.deliver(message("9", "5", "wamid.2")).await;
    world.deliver(message("9", "5", "wamid.3")).await;
    world.settled().await;
    let events = world.events().await;
    assert_eq!((elements(&events).len(), events.len()), (1, 1));
}

#[rstest]
#[tokio::test]
async fn another_apps_delivery_is_nobodys_until_the_waba_is_that_apps(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let held = world.known("9", "5").await;
    assert_eq!(world.deliver_to(OTHER_APP, OTHER_SECRET, message("9", "5", "wamid.1")).await, 200);
    world.settled().await;
    assert_eq!(reasons(&world).await, ["wrong_app"]);
    assert_eq!(world.elements().await.len(), 0);
    // It stood in nobody's way: the right app's delivery of the same message is routed.
    world.deliver(message("9", "5", "wamid.1")).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 1);

    let mut moved = held.waba.clone();
    moved.app_id = OTHER_APP.to_owned();
    moved.version = 2;
    world.tell(vec![World::of_waba(&moved)]).await;
    placed(&world).await;
    assert_eq!(world.elements().await.len(), 0, "it was routed before, from the other app");
}

#[tokio::test]
async fn an_app_of_another_environment_is_not_the_wabas() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let mut held = World::held("9", "5");
    held.waba.environment = "live".to_owned();
    world.tell(vec![World::of_waba(&held.waba), World::of_number(&held.number)]).await;
    world.deliver(message("9", "5", "wamid.1")).await;
    world.settled().await;
    assert_eq!(reasons(&world).await, ["wrong_environment"]);
    assert_eq!(world.elements().await.len(), 0);
}

#[tokio::test]
async fn a_number_of_another_tenant_opens_no_way_into_it() {
    let world = Setup::on(Backend::Sqlite).start().await;
    world.known("9", "5").await;
    world.known("8", "6").await;
    // A WABA of one tenant with a number of the other.
    world.deliver(message("9", "6", "wamid.1")).await;
    world.settled().await;
    assert_eq!(reasons(&world).await, ["number_elsewhere"]);
    assert_eq!(world.elements().await.len(), 0);
}

#[rstest]
#[tokio::test]
async fn a_waba_that_changes_hands_is_its_new_holders(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let first = world.known("9", "5").await;
    let second = World::held("9", "5");
    // The new claim is told before the old one's end: whose it is cannot be said.
    world.tell(vec![World::of_waba(&second.waba), World::of_number(&second.number)]).await;
    world.deliver(message_of(NOW_S, "9", "5", "wamid.1")).await;
    world.settled().await;
    assert_eq!(reasons(&world).await, ["two_holders"]);
    let mut released = first.waba.clone();
    released.state = WabaState::Released.into();
    released.version = 2;
    world.tell(vec![World::of_waba(&released)]).await;
    placed(&world).await;
    let routed = world.elements().await;
    assert_eq!(routed.len(), 1);
    assert_eq!(routed[0].tenant_id, second.tenant.to_string());
}

#[tokio::test]
async fn a_change_about_a_number_that_is_not_imported_yet_reaches_its_waba() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let held = World::held("9", "5");
    world.tell(vec![World::of_waba(&held.waba)]).await;
    let body = r#"{"entry":[{"id":"9","time":1,"changes":[{"field":"phone_number_name_update","value":{"phone_number_id":"77","decision":"APPROVED"}}]}]}"#;
    world.deliver(body).await;
    world.settled().await;
    let routed = world.elements().await;
    assert_eq!(routed.len(), 1);
    assert_eq!((routed[0].number_id.as_str(), routed[0].phone_number_meta_id.as_str()), ("", "77"));
}

#[tokio::test]
async fn what_names_no_waba_is_kept() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let body = r#"{"entry":[{"id":"123","changes":[{"field":"partner_solutions","value":{"event":"SOLUTION_CREATED"}}]}]}"#;
    world.deliver(body).await;
    world.settled().await;
    assert_eq!(reasons(&world).await, ["no_waba"]);
}

#[tokio::test]
async fn a_waba_that_is_connected_again_is_heard_of_again() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let held = world.known("9", "5").await;
    let heard = async |wamid: &str| {
        world.deliver(message("9", "5", wamid)).await;
        world.settled().await;
        let events = world.events().await;
        events.iter().filter(|event| bus::is::<WabaHeard>(event)).count()
    };
    assert_eq!((heard("wamid.1").await, heard("wamid.2").await), (1, 0));
    let mut again = held.waba.clone();
    again.credential_generation = 2;
    again.version = 2;
    world.tell(vec![World::of_waba(&again)]).await;
    assert_eq!((heard("wamid.3").await, heard("wamid.4").await), (1, 0));
}
