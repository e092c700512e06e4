//! Taking back, from every step; trying again, skipping, and what is refused.

use proto::onboarding::v1::{self as pb, OnboardingState, Step, StepState, WabaState};
use rstest::rstest;
use serde_json::{Value, json};
use store::Backend;
use tonic::Code;

use crate::stage::Signed;
use crate::support::{World, reason, record, until};

/// Nothing of a cancelled onboarding is left, here or at Meta, and another tenant may have the account.
pub(crate) async fn is_unwound(world: &World, tenant: &str, id: &str, signed: &Signed) {
    let gone = world.reaches(id, OnboardingState::Cancelled).await;
    for step in &gone.steps {
        let state = step.state();
        assert!(matches!(state, StepState::Undone | StepState::Pending), "{step:?}");
    }
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 0);
    let held = "SELECT count(*) FROM onboarding.waba WHERE state <> 'released'";
    assert_eq!(world.state.count(held).await, 0);
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 0);
    assert_ne!(world.meta.number(&signed.number).await["status"], "CONNECTED");
    if !gone.waba_id.is_empty() {
        let refused = world.token(tenant, &gone.waba_id).await.err().unwrap();
        assert_eq!(refused.code(), Code::NotFound);
        let refused = world.waba(tenant, &gone.waba_id).await.unwrap_err();
        assert_eq!(reason(&refused), "WABA_NOT_FOUND");
    }
    world.imports(true);
    let other = world.tenant("Outra Casa").await;
    world.meta.turn_two_step_off(&signed.number).await;
    let again = world.meta.dialog_again(&world.app, signed).await;
    let begun = world.sign_up(&other, &again).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

#[rstest]
#[case::exchange("code_exchange", Step::TokenExchanged)]
#[case::debug_token("debug_token", Step::AssetsDiscovered)]
#[case::phone_numbers("phone_numbers", Step::AssetsDiscovered)]
#[case::waba("waba", Step::WabaClaimed)]
#[case::subscription("subscribed_apps", Step::WebhooksSubscribed)]
#[case::register("register", Step::NumberRegistered)]
#[tokio::test]
async fn an_onboarding_that_is_stuck_is_unwound_from_where_it_stands(
    #[case] operation: &str,
    #[case] step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let refusal = json!({"error": {"code": 100, "message": "No."}});
    world.meta.plant(operation, &refusal, None).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    drop(world.sign_up(&tenant, &signed).await);
    let id = world.newest(&tenant).await.id;
    until("a person to be asked", async || {
        let state = world.onboarding(&id).await.state();
        matches!(state, OnboardingState::NeedsAttention | OnboardingState::NeedsReconnect)
    })
    .await;
    let stuck = world.onboarding(&id).await;
    assert_eq!((stuck.step(), record(&stuck, step).state()), (step, StepState::Failed));
    assert_eq!(record(&stuck, step).meta_error.as_ref().unwrap().code, 100);
    world.meta.heal().await;
    let wrong = world.undo(&id).await.unwrap_err();
    assert_eq!(reason(&wrong), "ONBOARDING_WRONG_STATE");
    world.cancel(&id).await.unwrap();
    is_unwound(&world, &tenant, &id, &signed).await;
}

#[rstest]
#[tokio::test]
async fn an_onboarding_that_waits_or_is_live_is_unwound_too(
    #[values(false, true)] live: bool,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.imports(live);
    let tenant = world.tenant("Casa Rosa").await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    if live {
        world.reaches(&begun.id, OnboardingState::Live).await;
        let wrong = world.cancel(&begun.id).await.unwrap_err();
        assert_eq!(reason(&wrong), "ONBOARDING_WRONG_STATE");
        world.undo(&begun.id).await.unwrap();
    } else {
        world.is_at(&begun.id, Step::AssetsImported).await;
        world.cancel(&begun.id).await.unwrap();
    }
    is_unwound(&world, &tenant, &begun.id, &signed).await;
    let again = world.undo(&begun.id).await.unwrap_err();
    assert_eq!(reason(&again), "ONBOARDING_WRONG_STATE");
}

/// The call is on its way when the desk gives up: what it does at Meta is undone after it, and nothing goes on.
#[rstest]
#[case::subscription("subscribed_apps", Step::WebhooksSubscribed)]
#[case::register("register", Step::NumberRegistered)]
#[tokio::test]
async fn a_cancellation_overtakes_the_step_that_is_under_way(
    #[case] operation: &str,
    #[case] step: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.plant(operation, &json!({"delay_ms": 1_500}), None).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let begun = world.sign_up(&tenant, &signed).await.unwrap();
    world.is_at(&begun.id, step).await;
    world.cancel(&begun.id).await.unwrap();
    world.meta.heal().await;
    is_unwound(&world, &tenant, &begun.id, &signed).await;
}

#[rstest]
#[case::away(json!({"http_status": 500}))]
#[case::answer_lost(json!({"drop_answer": true}))]
#[tokio::test]
async fn an_undo_that_fails_is_tried_again(
    #[case] action: Value,
    #[values("deregister", "subscribed_apps")] operation: &str,
) {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    world.meta.plant(operation, &action, Some(1)).await;
    world.undo(&live.id).await.unwrap();
    is_unwound(&world, &tenant, &live.id, &signed).await;
}

/// The number's fate at Meta is what a first process left: connected by somebody else, it is not ours to take back.
#[tokio::test]
async fn a_number_that_was_connected_before_stays_connected_when_an_onboarding_is_undone() {
    let world = World::start(Backend::Sqlite).await;
    let (one, other) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let (first, signed) = world.live(&one).await;
    // The account leaves us without a word to Meta: the number stays connected there.
    world.state.change("UPDATE onboarding.waba SET state = 'released'").await;
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let second = world.sign_up(&other, &again).await.unwrap();
    world.reaches(&second.id, OnboardingState::Live).await;
    world.undo(&second.id).await.unwrap();
    world.reaches(&second.id, OnboardingState::Cancelled).await;
    assert_eq!(world.meta.number(&signed.number).await["status"], "CONNECTED");
    // Nor does the first one's undo touch what it does not hold any more.
    world.undo(&first.id).await.unwrap();
    world.reaches(&first.id, OnboardingState::Cancelled).await;
    assert_eq!(world.meta.number(&signed.number).await["status"], "CONNECTED");
}

#[rstest]
#[tokio::test]
async fn a_business_that_signs_up_again_keeps_its_waba_live_under_a_newer_token(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (first, signed) = world.live(&tenant).await;
    let before = world.token(&tenant, &first.waba_id).await.unwrap();
    let again = world.meta.dialog_again(&world.app, &signed).await;
    world.imports(false);
    world.state.change("DELETE FROM onboarding.imported_number").await;
    let begun = world.sign_up(&tenant, &again).await.unwrap();
    let waiting = world.is_at(&begun.id, Step::AssetsImported).await;
    assert_eq!(waiting.waba_id, first.waba_id, "the same WABA of ours");
    let held = world.waba(&tenant, &first.waba_id).await.unwrap();
    assert_eq!(held.state(), WabaState::Live, "live all along");
    let newer = world.token(&tenant, &first.waba_id).await.unwrap();
    assert!(newer.generation > before.generation);
    assert_ne!(newer.token, before.token);

    // Given up on the way, it hands the WABA back to the onboarding before it.
    world.cancel(&begun.id).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Cancelled).await;
    let held = world.waba(&tenant, &first.waba_id).await.unwrap();
    assert_eq!(held.state(), WabaState::Live);
    let back = world.token(&tenant, &first.waba_id).await.unwrap();
    assert_eq!(back.token, before.token);
    assert!(back.generation > newer.generation, "caches drop the token that is gone");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1);
    assert_eq!(world.onboarding(&first.id).await.state(), OnboardingState::Live);

    // Brought to its end, it replaces the onboarding before it.
    world.imports(true);
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.sign_up(&tenant, &again).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
    let replaced = world.onboarding(&first.id).await;
    assert_eq!(replaced.state(), OnboardingState::Cancelled);
    assert_eq!(record(&replaced, Step::Live).note, format!("replaced by {}", begun.id));
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 1);
    world.undo(&begun.id).await.unwrap();
    is_unwound(&world, &tenant, &begun.id, &signed).await;
}

/// A newer onboarding of the same account holds it: the older one's numbers and subscription are the newer one's to
/// take back.
#[rstest]
#[case::early(Step::WebhooksSubscribed)]
#[case::late(Step::AssetsImported)]
#[tokio::test]
async fn an_onboarding_that_is_undone_under_a_newer_one_leaves_nothing_behind(
    #[case] stands_at: Step,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (first, signed) = world.live(&tenant).await;
    world.imports(false);
    world.state.change("DELETE FROM onboarding.imported_number").await;
    let again = world.meta.dialog_again(&world.app, &signed).await;
    if stands_at == Step::WebhooksSubscribed {
        let refusal = json!({"error": {"code": 100, "message": "No."}});
        world.meta.plant("subscribed_apps", &refusal, None).await;
    }
    let second = world.sign_up(&tenant, &again).await.unwrap();
    until("the newer one to hold the account", async || {
        let now = world.onboarding(&second.id).await;
        now.step() == stands_at && record(&now, stands_at).state() != StepState::Pending
    })
    .await;
    world.undo(&first.id).await.unwrap();
    world.reaches(&first.id, OnboardingState::Cancelled).await;
    world.meta.heal().await;
    assert_eq!(world.meta.number(&signed.number).await["status"], "CONNECTED", "in use");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1, "in use");
    until("the newer one to stand still", async || {
        let state = world.onboarding(&second.id).await.state();
        state == OnboardingState::NeedsAttention || stands_at == Step::AssetsImported
    })
    .await;
    world.cancel(&second.id).await.unwrap();
    is_unwound(&world, &tenant, &second.id, &signed).await;
}

#[rstest]
#[tokio::test]
async fn a_claim_waits_while_the_one_before_it_is_taken_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (first, signed) = world.live(&tenant).await;
    world.meta.plant("deregister", &json!({"http_status": 500}), None).await;
    world.undo(&first.id).await.unwrap();
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let second = world.sign_up(&tenant, &again).await.unwrap();
    until("the claim to wait", async || {
        let now = world.onboarding(&second.id).await;
        record(&now, Step::WabaClaimed).note.contains("is being taken back")
    })
    .await;
    assert_eq!(world.onboarding(&second.id).await.state(), OnboardingState::Running);
    world.meta.heal().await;
    world.reaches(&first.id, OnboardingState::Cancelled).await;
    world.clock.advance(std::time::Duration::from_secs(2));
    let live = world.reaches(&second.id, OnboardingState::Live).await;
    assert_ne!(live.waba_id, first.waba_id, "a claim of its own");
    // The same PIN: it is kept for ever, and Meta asks for no other.
    assert_eq!(world.meta.number(&signed.number).await["status"], "CONNECTED");
    assert_eq!(world.meta.subscriptions(&world.app, &signed.waba).await, 1);
}

#[tokio::test]
async fn a_number_keeps_its_pin_until_the_business_turns_it_off_and_everybody_is_told_so() {
    let world = World::start(Backend::Sqlite).await;
    let (one, other) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let (first, signed) = world.live(&one).await;
    world.undo(&first.id).await.unwrap();
    let gone = world.reaches(&first.id, OnboardingState::Cancelled).await;
    let said = &record(&gone, Step::NumberRegistered).note;
    assert!(said.contains("keeps its two-step PIN"), "{said}");
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.sign_up(&other, &again).await.unwrap();
    let stuck = world.reaches(&begun.id, OnboardingState::NeedsAttention).await;
    let failed = record(&stuck, Step::NumberRegistered);
    assert_eq!(failed.meta_error.as_ref().unwrap().code, 133_005);
    world.meta.turn_two_step_off(&signed.number).await;
    world.retry(&begun.id).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

#[rstest]
#[case::retry_of_a_live_one(Step::Live, "retry")]
#[case::skip_of_a_step_that_it_is_not_at(Step::AssetsImported, "skip")]
#[case::skip_of_one_that_may_not_be(Step::Live, "skip")]
#[tokio::test]
async fn what_does_not_fit_the_state_is_refused_and_changes_nothing(
    #[case] step: Step,
    #[case] act: &str,
) {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let refused = match act {
        "retry" => world.retry(&live.id).await,
        _ => world.skip(&live.id, step).await,
    };
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "ONBOARDING_WRONG_STATE".to_owned())
    );
    assert_eq!(world.onboarding(&live.id).await, live);
}

#[tokio::test]
async fn a_reason_is_asked_for() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let request =
        pb::UndoOnboardingRequest { onboarding_id: live.id.clone(), reason: "  ".to_owned() };
    let mut onboardings = crate::support::Onboardings::new(world.channel.clone());
    let refused = onboardings.undo_onboarding(world.op(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(world.onboarding(&live.id).await.state(), OnboardingState::Live);
}
