//! The way from the dialog to live: straight, with a failure at each step, and with each step taken twice.

use proto::onboarding::v1::{OnboardingState, Step, StepState, WabaState};
use rstest::rstest;
use serde_json::{Value, json};
use store::Backend;

use crate::support::{World, reason, record, until};

#[rstest]
#[tokio::test]
async fn a_business_that_signs_up_goes_live(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    for step in &live.steps {
        assert_eq!(step.state(), StepState::Done, "{step:?}");
        assert_eq!(step.attempts, 1, "{step:?}");
    }
    assert_eq!(live.waba_meta_id, signed.waba);
    assert_eq!(live.phone_number_meta_ids, std::slice::from_ref(&signed.number));
    let waba = world.waba(&tenant, &live.waba_id).await.unwrap();
    assert_eq!((waba.state(), waba.meta_id), (WabaState::Live, signed.waba.clone()));
    assert_eq!(waba.environment, "sandbox");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1);
    assert_eq!(world.meta.number(&signed.number).await["status"], "CONNECTED");
    let token = world.token(&tenant, &live.waba_id).await.unwrap();
    assert_eq!(
        (token.app_id, token.generation),
        (world.app.id.clone(), waba.credential_generation)
    );
    assert!(!token.token.is_empty());
}

#[rstest]
#[case::debug_token("debug_token", json!({"http_status": 500}))]
#[case::phone_numbers("phone_numbers", json!({"drop_before": true}))]
#[case::waba("waba", json!({"error": {"code": 2, "http_status": 503}}))]
#[case::subscription("subscribed_apps", json!({"http_status": 500}))]
#[case::subscription_with_the_answer_lost("subscribed_apps", json!({"drop_answer": true}))]
#[case::register("register", json!({"error": {"code": 131_000, "http_status": 500}}))]
#[case::register_with_the_answer_lost("register", json!({"drop_answer": true}))]
#[tokio::test]
async fn a_step_that_fails_once_is_tried_again_and_the_saga_goes_live(
    #[case] operation: &str,
    #[case] action: Value,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.plant(operation, &action, Some(1)).await;
    let (live, signed) = world.live(&tenant).await;
    assert_eq!(world.meta.open_faults().await, 0, "the fault struck");
    assert_eq!(live.steps.iter().filter(|step| step.attempts == 2).count(), 1, "{:?}", live.steps);
    assert!(live.steps.iter().all(|step| step.meta_error.is_none()), "{:?}", live.steps);
    assert!(live.steps.iter().all(|step| step.error.is_empty()), "{:?}", live.steps);
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_step_that_keeps_failing_asks_a_person_in_metas_words_and_goes_on_when_told_to(
    #[case] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let refusal = json!({"error": {"code": 133_006, "message": "Verify the phone number first."}});
    world.meta.plant("register", &refusal, None).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    let stuck = world.reaches(&begun.id, OnboardingState::NeedsAttention).await;
    let failed = record(&stuck, Step::NumberRegistered);
    assert_eq!(failed.state(), StepState::Failed);
    assert_eq!(failed.meta_error.as_ref().unwrap().code, 133_006);
    assert!(failed.error.contains("133006"), "{}", failed.error);
    world.meta.heal().await;
    world.retry(&begun.id).await.unwrap();
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    let done = record(&live, Step::NumberRegistered);
    assert_eq!((done.error.as_str(), done.note.as_str()), ("", "1 numbers registered"));
}

/// The rows of a process that died after Meta's call and before its own commit are those of the step's beginning.
#[rstest]
#[tokio::test]
async fn every_step_may_be_taken_twice(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (first, signed) = world.live(&tenant).await;
    for step in [
        "assets_discovered",
        "waba_claimed",
        "webhooks_subscribed",
        "payment_settled",
        "number_registered",
        "assets_imported",
        "verification_followed",
        "live",
    ] {
        world.rewind(step).await;
        let again = world.reaches(&first.id, OnboardingState::Live).await;
        assert_eq!(again.waba_id, first.waba_id, "{step}");
        assert_eq!(again.steps.len(), first.steps.len());
        assert!(again.steps.iter().all(|one| one.state() == StepState::Done), "{step}: {again:?}");
        assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1, "{step}");
        assert_eq!(world.state.count("SELECT count(*) FROM onboarding.waba").await, 1);
        assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 1);
        assert_eq!(world.state.count("SELECT count(*) FROM onboarding.number_pin").await, 1);
    }
    let number = world.meta.number(&signed.number).await;
    assert_eq!(number["registrations_us"].as_array().unwrap().len(), 1, "{number}");
    let waba = world.waba(&tenant, &first.waba_id).await.unwrap();
    assert_eq!(waba.state(), WabaState::Live);
}

#[rstest]
#[case::answer_lost(json!({"drop_answer": true}))]
#[case::never_reached(json!({"http_status": 503}))]
#[tokio::test]
async fn a_code_is_exchanged_once_whatever_becomes_of_it_and_the_link_takes_another_try(
    #[case] action: Value,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    world.meta.plant("code_exchange", &action, Some(1)).await;
    let refused = world.complete(world.answer(&link, &signed).await).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNUP_REFUSED");
    assert!(refused.message().contains("opens the dialog again"), "{}", refused.message());
    let lost = world.newest(&tenant).await;
    assert_eq!(lost.state(), OnboardingState::NeedsReconnect);
    assert_eq!(record(&lost, Step::TokenExchanged).attempts, 1, "nobody tried again");

    let signed = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.complete(world.answer(&link, &signed).await).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
    let replaced = world.reaches(&lost.id, OnboardingState::Cancelled).await;
    assert_eq!(record(&replaced, Step::Live).note, "the business opened the dialog again");
    // What proved something has used the link up.
    assert_eq!(reason(&world.begin(&link, "").await.err().unwrap()), "INVITATION_NOT_FOUND");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_import_that_never_comes_asks_a_person_and_can_be_skipped(#[case] backend: Backend) {
    let world = World::start(backend).await;
    world.imports(false);
    let tenant = world.tenant("Casa Rosa").await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    let waiting = world.is_at(&begun.id, Step::AssetsImported).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    world.clock.advance(std::time::Duration::from_mins(16));
    // A look that began before the leap puts the next one behind it: time goes on.
    until("a person to be asked", async || {
        world.clock.advance(std::time::Duration::from_secs(1));
        world.onboarding(&begun.id).await.state() == OnboardingState::NeedsAttention
    })
    .await;
    let stuck = world.onboarding(&begun.id).await;
    let said = record(&stuck, Step::AssetsImported);
    assert!(said.error.starts_with("0 of 1 numbers imported after 15 minutes"), "{}", said.error);
    assert!(stuck.version - waiting.version < 5, "looking again is no change that anybody sees");
    world.skip(&begun.id, Step::AssetsImported).await.unwrap();
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    let skipped = record(&live, Step::AssetsImported);
    assert_eq!(
        (skipped.state(), skipped.note.as_str()),
        (StepState::Skipped, "known to be broken")
    );
}
