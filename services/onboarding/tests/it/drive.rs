//! The driver over all steps: each fails once after its work was done, is taken again, and is taken back; and each undo
//! fails once after its own.
//!
//! What fails is the step's own end in the database, so the failure is the same for a step that asks Meta and for one
//! that does not, and the work at Meta stands when the step is taken the second time.

use std::time::Duration;

use proto::onboarding::v1::{self as pb, OnboardingState, Step, StepState};
use rstest::rstest;
use serde_json::json;
use store::Backend;

use crate::control::is_unwound;
use crate::stage::Signed;
use crate::support::{World, record, until};

/// The stored word of a step.
fn word(step: Step) -> String {
    step.as_str_name().trim_start_matches("STEP_").to_lowercase()
}

/// A tenant whose onboarding failed at this step, after its work.
async fn failed_at(world: &World, step: Step) -> (String, String, pb::Onboarding, Signed) {
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let answer = world.answer(&link, &signed).await;
    world.state.refuse(&word(step), "done").await;
    // The first steps are the callback's own, which then has no good news.
    let told = world.complete(answer).await;
    let callback = matches!(step, Step::TokenExchanged | Step::AssetsDiscovered);
    assert_eq!(told.is_err(), callback, "{told:?}");
    let id = world.newest(&tenant).await.id;
    if step == Step::TokenExchanged {
        world.clock.advance(Duration::from_secs(61));
    }
    until("the failure", async || {
        let now = world.onboarding(&id).await;
        now.step() == step && record(&now, step).state() == StepState::Failed
    })
    .await;
    world.state.accept().await;
    (tenant, link, world.onboarding(&id).await, signed)
}

#[rstest]
#[tokio::test]
async fn a_step_that_failed_after_its_work_is_taken_again_and_done_once(
    #[values(
        Step::TokenExchanged,
        Step::AssetsDiscovered,
        Step::WabaClaimed,
        Step::WebhooksSubscribed,
        Step::PaymentSettled,
        Step::NumberRegistered,
        Step::AssetsImported,
        Step::VerificationFollowed,
        Step::Live
    )]
    step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (tenant, link, failed, signed) = failed_at(&world, step).await;
    assert!(!record(&failed, step).error.is_empty(), "it says so: {failed:?}");
    let (id, attempts) = if step == Step::TokenExchanged {
        // A code is never tried twice: the dialog is what is taken again.
        assert_eq!(failed.state(), OnboardingState::NeedsReconnect);
        let again = world.meta.dialog_again(&world.app, &signed).await;
        (world.complete(world.answer(&link, &again).await).await.unwrap().id, 1)
    } else {
        assert_eq!(failed.state(), OnboardingState::Retrying);
        assert!(record(&failed, step).retry_at_us.is_some());
        (failed.id, 2)
    };
    let live = world.reaches(&id, OnboardingState::Live).await;
    assert!(live.steps.iter().all(|one| one.state() == StepState::Done), "{live:?}");
    assert!(record(&live, step).attempts >= attempts, "{live:?}");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1);
    let number = world.meta.number(&signed.number).await;
    assert_eq!(number["registrations_us"].as_array().unwrap().len(), 1, "{number}");
    for (table, rows) in [("waba", 1), ("credential", 1), ("number_pin", 1)] {
        let count = format!("SELECT count(*) FROM onboarding.{table}");
        assert_eq!(world.state.count(&count).await, rows, "{table}");
    }
    world.token(&tenant, &live.waba_id).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_step_that_failed_after_its_work_is_unwound_with_all_before_it(
    #[values(
        Step::TokenExchanged,
        Step::AssetsDiscovered,
        Step::WabaClaimed,
        Step::WebhooksSubscribed,
        Step::PaymentSettled,
        Step::NumberRegistered,
        Step::AssetsImported,
        Step::VerificationFollowed,
        Step::Live
    )]
    step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (tenant, _, failed, signed) = failed_at(&world, step).await;
    world.cancel(&failed.id).await.unwrap();
    is_unwound(&world, &tenant, &failed.id, &signed).await;
}

/// Every step that there is, in reverse.
#[rstest]
#[tokio::test]
async fn an_undo_that_failed_after_its_work_is_taken_again(
    #[values(
        Step::Live,
        Step::VerificationFollowed,
        Step::AssetsImported,
        Step::NumberRegistered,
        Step::PaymentSettled,
        Step::WebhooksSubscribed,
        Step::WabaClaimed,
        Step::AssetsDiscovered,
        Step::TokenExchanged,
        Step::CodeReceived,
        Step::Invited
    )]
    step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    world.state.refuse(&word(step), "undone").await;
    world.undo(&live.id).await.unwrap();
    until("the failure", async || {
        let now = world.onboarding(&live.id).await;
        record(&now, step).retry_at_us.is_some()
    })
    .await;
    let half = world.onboarding(&live.id).await;
    assert_eq!(half.state(), OnboardingState::Undoing);
    for one in &half.steps {
        let expected = if one.step > step as i32 { StepState::Undone } else { StepState::Done };
        assert_eq!(one.state(), expected, "in reverse: {half:?}");
    }
    world.state.accept().await;
    is_unwound(&world, &tenant, &live.id, &signed).await;
}
