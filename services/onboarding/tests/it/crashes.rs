//! The rows "saga" of the crash matrix: a process that dies in the middle of a step, and another that takes it up.

use std::time::Duration;

use proto::onboarding::v1::{OnboardingState, Step, StepState, WabaState};
use rstest::rstest;
use serde_json::json;
use store::Backend;

use crate::support::{World, record, until};

#[rstest]
#[case::waba("waba", Step::WabaClaimed)]
#[case::subscription("subscribed_apps", Step::WebhooksSubscribed)]
#[case::register("register", Step::NumberRegistered)]
#[tokio::test]
async fn a_process_that_dies_before_meta_does_anything_is_followed_by_another(
    #[case] operation: &str,
    #[case] step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.plant(operation, &json!({"delay_ms": 60_000}), None).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    world.is_at(&begun.id, step).await;
    world.kill().await;
    world.meta.heal().await;
    world.revive().await;
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    assert_eq!(record(&live, step).attempts, 1, "a death is no failed try");
}

#[rstest]
#[case::subscription(("POST", "/subscribed_apps"), Step::WebhooksSubscribed)]
#[case::register(("POST", "/register"), Step::NumberRegistered)]
#[tokio::test]
async fn a_process_that_dies_after_metas_work_leaves_it_to_be_adopted_and_undone(
    #[case] call: (&'static str, &'static str),
    #[case] step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.hold(Some(call));
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    world.is_at(&begun.id, step).await;
    until("Meta's work", async || match step {
        Step::NumberRegistered => world.meta.number(&signed.number).await["status"] == "CONNECTED",
        _ => world.meta.subscriptions(&world.app, &signed.waba).await == 1,
    })
    .await;
    world.kill().await;
    world.meta.hold(None);
    world.revive().await;
    world.reaches(&begun.id, OnboardingState::Live).await;
    let number = world.meta.number(&signed.number).await;
    assert_eq!(number["registrations_us"].as_array().unwrap().len(), 1, "{number}");
    world.undo(&begun.id).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Cancelled).await;
    assert_eq!(world.meta.number(&signed.number).await["status"], "DISCONNECTED");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_process_that_dies_with_a_fresh_token_leaves_a_saga_that_asks_for_the_dialog_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let answer = world.answer(&link, &signed).await;
    world.meta.hold(Some(("POST", "/oauth/access_token")));
    let open = async || world.state.count("SELECT count(*) FROM onboarding.onboarding").await == 1;
    tokio::select! {
        _ = world.complete(answer) => panic!("Meta never answers"),
        () = until("the exchange", open) => {}
    }
    world.kill().await;
    world.meta.hold(None);
    world.revive().await;
    let begun = world.newest(&tenant).await;
    assert_eq!((begun.state(), begun.step()), (OnboardingState::Running, Step::TokenExchanged));
    world.clock.advance(Duration::from_secs(61));
    let lost = world.reaches(&begun.id, OnboardingState::NeedsReconnect).await;
    assert!(record(&lost, Step::TokenExchanged).error.contains("never tried twice"));
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 0);
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.complete(world.answer(&link, &again).await).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

#[rstest]
#[case::deregister(("POST", "/deregister"), Step::NumberRegistered)]
#[case::unsubscribe(("DELETE", "/subscribed_apps"), Step::WebhooksSubscribed)]
#[tokio::test]
async fn an_undo_that_is_cut_off_goes_on_where_it_stood(
    #[case] call: (&'static str, &'static str),
    #[case] step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    world.meta.hold(Some(call));
    world.undo(&live.id).await.unwrap();
    until("Meta's work", async || match step {
        Step::NumberRegistered => world.meta.number(&signed.number).await["status"] != "CONNECTED",
        _ => world.meta.subscriptions(&world.app, &signed.waba).await == 0,
    })
    .await;
    let half = world.onboarding(&live.id).await;
    assert_eq!(half.state(), OnboardingState::Undoing);
    assert_eq!(record(&half, Step::AssetsImported).state(), StepState::Undone);
    assert_eq!(record(&half, step).state(), StepState::Done);
    // Until it is released, the WABA is still this tenant's.
    let held = world.waba(&tenant, &live.waba_id).await.unwrap();
    assert_eq!(held.state(), WabaState::Live);
    world.kill().await;
    world.meta.hold(None);
    world.revive().await;
    let gone = world.reaches(&live.id, OnboardingState::Cancelled).await;
    assert!(gone.steps.iter().all(|one| one.state() == StepState::Undone), "{gone:?}");
}
