//! A key of one environment sees nothing of the onboardings of the other (AUTH-15).

use auth::Environment;
use futures::StreamExt as _;
use proto::onboarding::v1::{self as pb, OnboardingState};
use rstest::rstest;
use store::Backend;
use tonic::Streaming;

use crate::support::{Onboardings, World, reason, soon};

type Items = Streaming<pb::WatchOwnOnboardingsResponse>;

async fn get(world: &World, token: &str, id: &str) -> Result<(), String> {
    let request = pb::GetOwnOnboardingRequest { onboarding_id: id.to_owned() };
    let mut client = Onboardings::new(world.channel.clone());
    let found = client.get_own_onboarding(world.of(token, request)).await;
    found.map(drop).map_err(|status| reason(&status))
}

async fn listed(world: &World, token: &str) -> Vec<String> {
    let request = pb::ListOwnOnboardingsRequest::default();
    let mut client = Onboardings::new(world.channel.clone());
    let found = client.list_own_onboardings(world.of(token, request)).await;
    found.unwrap().into_inner().items.into_iter().map(|one| one.id).collect()
}

async fn watch(world: &World, token: &str) -> Items {
    let request = pb::WatchOwnOnboardingsRequest::default();
    let mut client = Onboardings::new(world.channel.clone());
    client.watch_own_onboardings(world.of(token, request)).await.unwrap().into_inner()
}

/// Reads until this onboarding is cancelled; answers whose items were seen.
async fn until_cancelled(items: &mut Items, id: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let item = soon("an item", items.next()).await.unwrap().unwrap();
        let one = item.onboarding.unwrap();
        let is_last = one.id == id && one.state() == OnboardingState::Cancelled;
        seen.push(one.id);
        if is_last {
            seen.dedup();
            return seen;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_key_sees_the_onboardings_of_its_environment_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let ((of_live, _), (of_sandbox, _)) = (world.live(&tenant).await, world.live(&tenant).await);
    assert_eq!(of_live.environment, "sandbox", "its app's");
    // Meta's own apps are out of a test's reach: this one is as if it had come by such an app.
    let sql = "UPDATE onboarding.onboarding SET environment = 'live' WHERE waba_meta_id";
    world.state.change(&format!("{sql} = '{}'", of_live.waba_meta_id)).await;
    let person = world.mint.tenant(&tenant);
    let (live, sandbox) = (
        world.mint.key(&tenant, Environment::Live, &[]),
        world.mint.key(&tenant, Environment::Sandbox, &[]),
    );
    let absent = Err("ONBOARDING_NOT_FOUND".to_owned());
    for (token, own, other) in [(&live, &of_live, &of_sandbox), (&sandbox, &of_sandbox, &of_live)] {
        assert_eq!(get(&world, token, &own.id).await, Ok(()));
        assert_eq!(get(&world, token, &other.id).await, absent);
        assert_eq!(listed(&world, token).await, std::slice::from_ref(&own.id));
    }
    assert_eq!(listed(&world, &person).await.len(), 2);

    let (mut all, mut own) = (watch(&world, &person).await, watch(&world, &live).await);
    world.undo(&of_sandbox.id).await.unwrap();
    world.reaches(&of_sandbox.id, OnboardingState::Cancelled).await;
    world.undo(&of_live.id).await.unwrap();
    world.reaches(&of_live.id, OnboardingState::Cancelled).await;
    assert!(until_cancelled(&mut all, &of_live.id).await.contains(&of_sandbox.id));
    assert_eq!(until_cancelled(&mut own, &of_live.id).await, [of_live.id]);
}
