//! A service that starts late takes what is there from onboarding, and is not ready before.

use rstest::rstest;
use store::Backend;
use testkit::{Owners, until, within};

use crate::support::{World, figures};

#[rstest]
#[tokio::test]
async fn a_first_start_takes_the_owners_snapshot(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut all: Vec<_> = ["a", "b", "c"].map(|name| World::business(name, "UTC", None)).into();
    all.sort_by(|a, b| a.tenant.id.cmp(&b.tenant.id));
    let tenants = all.iter().map(|one| one.tenant.clone()).collect();
    all.sort_by(|a, b| a.waba.id.cmp(&b.waba.id));
    let wabas = all.iter().map(|one| one.waba.clone()).collect();
    let world = World::with(backend, Some(Owners { tenants, wabas, ..Owners::default() })).await;
    within("readiness", world.readiness.wait()).await;
    assert_eq!(figures(&mut world.operator()).await.len(), 3);
    assert_eq!(world.measures(&all[0], "", "", 0).await.timezone, "UTC");
}

#[tokio::test]
async fn without_onboarding_it_says_what_it_waits_for() {
    let world = World::with(Backend::Sqlite, None).await;
    until("a word of what is missing", async || {
        world.readiness.report().parts.contains_key("analytics.readmodel")
    })
    .await;
    assert!(!world.readiness.is_ready());
}
