//! ISO-44: control of a WABA is proven, not told.

use std::time::Duration;

use proto::onboarding::v1::{OnboardingState, Step};
use rstest::rstest;
use serde_json::json;
use store::Backend;

use crate::stage::Signed;
use crate::support::{World, reason, record};

/// Signs up, wants to be refused for this reason, and wants nothing to be claimed.
async fn is_refused(world: &World, tenant: &str, signed: &Signed, why: &str) {
    let refused = world.sign_up(tenant, signed).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNUP_REFUSED");
    assert!(refused.message().contains(why), "{}", refused.message());
    let stuck = world.newest(tenant).await;
    assert_eq!(
        (stuck.state(), stuck.step()),
        (OnboardingState::NeedsAttention, Step::AssetsDiscovered)
    );
    assert_eq!(record(&stuck, Step::AssetsDiscovered).error, refused.message());
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.waba").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_right_code_with_a_foreign_waba_claims_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let foreign = world.meta.dialog(&world.app, json!({})).await;
    let own = world.meta.dialog(&world.app, json!({})).await;
    let mixed = Signed { waba: foreign.waba, ..own.clone() };
    is_refused(&world, &tenant, &mixed, "not among those that the business granted").await;
    let own = world.meta.dialog_again(&world.app, &own).await;
    let begun = world.sign_up(&tenant, &own).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

#[rstest]
#[tokio::test]
async fn a_foreign_number_under_ones_own_waba_claims_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let foreign = world.meta.dialog(&world.app, json!({})).await;
    let own = world.meta.dialog(&world.app, json!({})).await;
    let mixed = Signed { number: foreign.number, ..own };
    is_refused(&world, &tenant, &mixed, "is not a number of this WhatsApp account").await;
}

/// A grant that names no accounts means all of them, so it proves nothing: the read with the token decides.
#[tokio::test]
async fn a_grant_without_names_is_proven_by_the_read_alone() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.change(|path, mut body| {
        if path.ends_with("/debug_token") {
            for scope in body["data"]["granular_scopes"].as_array_mut().unwrap() {
                scope.as_object_mut().unwrap().remove("target_ids");
            }
        }
        body
    });
    let foreign = world.meta.dialog(&world.app, json!({})).await;
    let own = world.meta.dialog(&world.app, json!({})).await;
    let mixed = Signed { waba: foreign.waba, ..own.clone() };
    is_refused(&world, &tenant, &mixed, "cannot be read with the token").await;
    let unnamed = world.meta.dialog_again(&world.app, &own).await;
    let unnamed = Signed { waba: String::new(), ..unnamed };
    is_refused(&world, &tenant, &unnamed, "no WhatsApp account was granted").await;
    let own = world.meta.dialog_again(&world.app, &own).await;
    let begun = world.sign_up(&tenant, &own).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

#[rstest]
#[case::other_app("app_id", json!("1"), "belongs to another Meta app")]
#[case::dead("is_valid", json!(false), "is not valid")]
#[case::scope_missing("scopes", json!(["whatsapp_business_management"]), "did not grant whatsapp_business_messaging")]
#[tokio::test]
async fn a_token_that_says_something_else_claims_nothing(
    #[case] field: &'static str,
    #[case] says: serde_json::Value,
    #[case] why: &str,
) {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    world.meta.change(move |path, mut body| {
        if path.ends_with("/debug_token") {
            body["data"][field] = says.clone();
        }
        body
    });
    let signed = world.meta.dialog(&world.app, json!({})).await;
    is_refused(&world, &tenant, &signed, why).await;
}

#[tokio::test]
async fn the_code_of_another_app_is_no_code() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let signed = world.meta.dialog(&world.other_app, json!({})).await;
    let refused = world.sign_up(&tenant, &signed).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNUP_REFUSED");
    assert_eq!(server::Refusal::of(&refused).metadata["meta_subcode"], "36008");
    assert_eq!(world.newest(&tenant).await.state(), OnboardingState::NeedsReconnect);
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 0);
}

/// What is asked about: a state that was used, of another page, of another browser, of another link, or too old.
#[rstest]
#[case::used_before("used")]
#[case::page_opened_again("reopened")]
#[case::other_browser("browser")]
#[case::no_browser("cookie")]
#[case::other_link("link")]
#[case::too_old("old")]
#[tokio::test]
async fn a_state_is_good_once_for_its_own_link_and_browser(
    #[case] what: &str,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (link, other) = (world.invite(&tenant).await, world.invite(&tenant).await);
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let good = world.answer(&link, &signed).await;
    let mut bad = good.clone();
    match what {
        "used" => {
            let wrong = Signed { code: "never was one".to_owned(), ..signed.clone() };
            let mut used = world.answer(&link, &wrong).await;
            assert_eq!(reason(&world.complete(used.clone()).await.unwrap_err()), "SIGNUP_REFUSED");
            used.code.clone_from(&signed.code);
            bad = used;
        }
        "reopened" => drop(world.begin(&link, &good.browser).await.unwrap()),
        "browser" => bad.browser = "0".repeat(22),
        "cookie" => bad.browser = String::new(),
        "link" => {
            world.begin(&other, &good.browser).await.unwrap();
            bad.token = other;
        }
        _ => world.clock.advance(Duration::from_secs(3_601)),
    }
    let before = world.state.count("SELECT count(*) FROM onboarding.onboarding").await;
    assert_eq!(reason(&world.complete(bad).await.unwrap_err()), "SIGNUP_STATE_REFUSED");
    let sagas = world.state.count("SELECT count(*) FROM onboarding.onboarding").await;
    assert_eq!(sagas, before, "nothing was begun");
    // The code was not touched: a fresh page takes it.
    let begun = world.complete(world.answer(&link, &signed).await).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
}

/// A page that is loaded again sends its answer again: while the saga walks, when it is live, when it failed.
#[rstest]
#[tokio::test]
async fn the_same_answer_again_tells_of_the_onboarding_that_it_began(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let failed = Signed {
        code: "never was one".to_owned(),
        ..world.meta.dialog(&world.app, json!({})).await
    };
    let failed = world.answer(&link, &failed).await;
    let first = world.complete(failed.clone()).await.unwrap_err();
    let again = world.complete(failed.clone()).await.unwrap_err();
    assert_eq!((reason(&again).as_str(), again.message()), ("SIGNUP_REFUSED", first.message()));

    let signed = world.meta.dialog(&world.app, json!({})).await;
    let good = world.answer(&link, &signed).await;
    let begun = world.complete(good.clone()).await.unwrap();
    assert_eq!(world.complete(good.clone()).await.unwrap().id, begun.id);
    world.reaches(&begun.id, OnboardingState::Live).await;
    let again = world.complete(good.clone()).await.unwrap();
    assert_eq!((again.id.as_str(), again.state()), (begun.id.as_str(), OnboardingState::Live));
    let sagas = world.state.count("SELECT count(*) FROM onboarding.onboarding").await;
    assert_eq!(sagas, 2, "nothing was begun twice");

    // Whoever lacks any part of it learns nothing; a try that another one replaced is not shown.
    for part in ["browser", "state", "code"] {
        let mut other = good.clone();
        let changed = match part {
            "browser" => &mut other.browser,
            "state" => &mut other.state,
            _ => &mut other.code,
        };
        *changed = "0".repeat(22);
        let refused = world.complete(other).await.unwrap_err();
        assert_eq!(reason(&refused), "INVITATION_NOT_FOUND", "{part}");
    }
    assert_eq!(reason(&world.complete(failed).await.unwrap_err()), "INVITATION_NOT_FOUND");
}

#[tokio::test]
async fn the_page_says_what_the_dialog_needs_and_keeps_its_browser() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let page = world.begin(&link, "").await.unwrap();
    assert_eq!(
        (page.meta_app_id.clone(), page.tenant_name.as_str()),
        (world.app.id.clone(), "Casa Rosa")
    );
    assert_eq!(page.config_id, world.app.config_id);
    assert!(page.state.len() >= 22 && page.browser.len() >= 22, "128 bits each");
    assert!(page.dialog_url.contains("/v23.0/dialog/oauth?client_id="), "{}", page.dialog_url);
    assert!(page.dialog_url.contains(&format!("state={}", page.state)), "{}", page.dialog_url);
    let again = world.begin(&link, &page.browser).await.unwrap();
    assert_eq!(again.browser, page.browser);
    assert_ne!(again.state, page.state);
    assert_eq!(reason(&world.begin("nonsense", "").await.err().unwrap()), "INVITATION_NOT_FOUND");
    world.clock.advance(Duration::from_hours(15 * 24));
    assert_eq!(reason(&world.begin(&link, "").await.err().unwrap()), "INVITATION_NOT_FOUND");
}
