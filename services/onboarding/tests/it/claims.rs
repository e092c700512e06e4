//! Two tenants never hold one WABA, and the loser learns no name (ISO-5).

use futures::future::join_all;
use proto::onboarding::v1::{OnboardingState, Step};
use rstest::rstest;
use serde_json::json;
use store::Backend;

use crate::support::{World, record, until};

const STILL: &str = "this WhatsApp account cannot be claimed; contact your provider";

#[rstest]
#[tokio::test]
async fn of_twenty_who_sign_up_with_one_waba_one_wins_and_the_rest_learn_no_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut log = world.heard("onboarding.audit.recorded").await;
    let first = world.meta.dialog(&world.app, json!({})).await;
    let mut all = vec![];
    for n in 0..20 {
        let tenant = world.tenant(&format!("Casa {n}")).await;
        let link = world.invite(&tenant).await;
        let signed =
            if n == 0 { first.clone() } else { world.meta.dialog_again(&world.app, &first).await };
        all.push((tenant, world.answer(&link, &signed).await));
    }
    let begun = join_all(all.iter().map(|(_, answer)| world.complete(answer.clone()))).await;
    let begun: Vec<_> = begun.into_iter().map(|begun| begun.unwrap().id).collect();
    until("every saga to be decided", async || {
        let states = join_all(begun.iter().map(|id| world.onboarding(id))).await;
        states.iter().all(|one| {
            matches!(one.state(), OnboardingState::Live | OnboardingState::NeedsAttention)
        })
    })
    .await;
    let ended = join_all(begun.iter().map(|id| world.onboarding(id))).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        ended.into_iter().partition(|one| one.state() == OnboardingState::Live);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for one in &lost {
        assert_eq!(record(one, Step::WabaClaimed).error, STILL);
        assert!(one.waba_id.is_empty());
        assert!(!format!("{one:?}").contains(&won[0].tenant_id));
    }
    let held = "SELECT count(*) FROM onboarding.waba WHERE state <> 'released'";
    assert_eq!(world.state.count(held).await, 1);
    // Twenty tenants, twenty links, and each refusal in the log of its own tenant.
    let entries = log.audits(59).await;
    let refused = &entries["waba.claim_refused"];
    assert_eq!(refused.len(), 19);
    for entry in refused {
        assert!(entry.desk && entry.tenant_id != won[0].tenant_id, "{entry:?}");
        assert!(!entry.detail.contains("tenant_"), "{entry:?}");
    }
}

#[rstest]
#[tokio::test]
async fn several_sign_ups_of_one_tenant_for_one_waba_adopt_each_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let first = world.meta.dialog(&world.app, json!({})).await;
    let mut answers = vec![];
    for n in 0..4 {
        let signed =
            if n == 0 { first.clone() } else { world.meta.dialog_again(&world.app, &first).await };
        let link = world.invite(&tenant).await;
        answers.push(world.answer(&link, &signed).await);
    }
    let begun = join_all(answers.into_iter().map(|answer| world.complete(answer))).await;
    let begun: Vec<_> = begun.into_iter().map(|begun| begun.unwrap().id).collect();
    until("one to be live and the rest to be replaced", async || {
        let all = join_all(begun.iter().map(|id| world.onboarding(id))).await;
        let count = |state| all.iter().filter(|one| one.state() == state).count();
        count(OnboardingState::Live) == 1 && count(OnboardingState::Cancelled) == 3
    })
    .await;
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.waba").await, 1);
    assert_eq!(world.state.count("SELECT count(*) FROM onboarding.credential").await, 1);
    let held = world.newest(&tenant).await.waba_id;
    world.token(&tenant, &held).await.unwrap();
}
