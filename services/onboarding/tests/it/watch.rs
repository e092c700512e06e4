//! Streams of onboardings: what stands after the cursor, each change, and the word that some were lost.

use auth::Environment;
use bus::About;
use futures::StreamExt as _;
use kernel::clock::{Clock, SystemClock};
use kernel::ids::SystemIds;
use proto::events::v1::OnboardingChanged;
use proto::onboarding::v1::{self as pb, OnboardingState};
use rstest::rstest;
use store::Backend;
use tonic::Streaming;

use crate::support::{Onboardings, World, envelope, soon};

type Own = Streaming<pb::WatchOwnOnboardingsResponse>;

async fn own(world: &World, token: &str, after: &str) -> Own {
    let request = pb::WatchOwnOnboardingsRequest { after: after.to_owned() };
    let mut client = Onboardings::new(world.channel.clone());
    client.watch_own_onboardings(world.of(token, request)).await.unwrap().into_inner()
}

async fn next(stream: &mut Own) -> pb::WatchOwnOnboardingsResponse {
    soon("an item", stream.next()).await.unwrap().unwrap()
}

/// Follows until this onboarding has this state; answers the cursor of that item.
async fn follow(stream: &mut Own, id: &str, state: OnboardingState) -> String {
    loop {
        let item = next(stream).await;
        if item.onboarding.is_some_and(|one| one.id == id && one.state() == state) {
            return item.cursor;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_stream_tells_what_stands_then_each_change_and_goes_on_from_its_cursor(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let token = world.mint.tenant(&tenant);
    let (first, _) = world.live(&tenant).await;
    let mut stream = own(&world, &token, "").await;
    follow(&mut stream, &first.id, OnboardingState::Live).await;
    let (second, _) = world.live(&tenant).await;
    let cursor = follow(&mut stream, &second.id, OnboardingState::Live).await;
    drop(stream);
    // Both are told again by a stream from the start; what changed long before the cursor is not told after it.
    world.clock.advance(std::time::Duration::from_mins(1));
    world.undo(&second.id).await.unwrap();
    world.reaches(&second.id, OnboardingState::Cancelled).await;
    let mut from_the_start = own(&world, &token, "").await;
    assert_eq!(next(&mut from_the_start).await.onboarding.unwrap().id, first.id);
    let later = {
        let mut stream = own(&world, &token, &cursor).await;
        follow(&mut stream, &second.id, OnboardingState::Cancelled).await
    };
    let mut after = own(&world, &token, &later).await;
    let item = next(&mut after).await.onboarding.unwrap();
    assert_eq!((item.state(), item.id), (OnboardingState::Cancelled, second.id));
}

#[rstest]
#[tokio::test]
async fn a_stream_shows_its_callers_own_and_a_limited_keys_wabas_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (tenant, other) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let (one, _) = world.live(&tenant).await;
    let limited = world.mint.key(&tenant, Environment::Sandbox, &[&one.waba_id]);
    let mut limited = own(&world, &limited, "").await;
    follow(&mut limited, &one.id, OnboardingState::Live).await;
    let mut foreign = own(&world, &world.mint.tenant(&other), "").await;
    let (two, _) = world.live(&tenant).await;
    let (theirs, _) = world.live(&other).await;
    world.undo(&one.id).await.unwrap();
    loop {
        let seen = next(&mut limited).await.onboarding.unwrap();
        assert_eq!(seen.id, one.id, "not {} nor {}", two.id, theirs.id);
        if seen.state() == OnboardingState::Cancelled {
            break;
        }
    }
    loop {
        let seen = next(&mut foreign).await.onboarding.unwrap();
        assert_eq!(seen.id, theirs.id);
        if seen.state() == OnboardingState::Live {
            break;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_desk_follows_all_or_one_tenant(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (one, two) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let watch = async |tenant_id: &str| {
        let request =
            pb::WatchOnboardingsRequest { after: String::new(), tenant_id: tenant_id.to_owned() };
        let mut client = Onboardings::new(world.channel.clone());
        client.watch_onboardings(world.op(request)).await.unwrap().into_inner()
    };
    let (mut all, mut of_two) = (watch("").await, watch(&two).await);
    let (first, _) = world.live(&one).await;
    let (second, _) = world.live(&two).await;
    let mut ids = vec![];
    while ids.len() < 2 {
        let item = soon("an item", all.next()).await.unwrap().unwrap();
        let Some(seen) = item.onboarding else { continue };
        if seen.state() == OnboardingState::Live {
            ids.push(seen.id);
        }
    }
    assert_eq!(ids, [first.id, second.id.clone()]);
    loop {
        let item = soon("an item", of_two.next()).await.unwrap().unwrap();
        let Some(seen) = item.onboarding else { continue };
        assert_eq!(seen.id, second.id);
        if seen.state() == OnboardingState::Live {
            break;
        }
    }
}

/// More sagas than one read takes: a stream from the start tells them all.
#[tokio::test]
async fn a_long_past_is_told_to_its_end() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    world
        .state
        .change(
            "INSERT INTO onboarding SELECT tenant_id, randomblob(16), partner_id, invitation_id, answer_hash, app_id, environment, state, step, \
             waba_hint, number_hint, waba_meta_id, waba_id, numbers, registered, created_us, version, randomblob(16), \
             webhooks_proven_us, due_us, lease_us FROM onboarding, \
             (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450) SELECT i FROM n)",
        )
        .await;
    let mut stream = own(&world, &world.mint.tenant(&tenant), "").await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 451 {
        seen.insert(next(&mut stream).await.onboarding.unwrap().id);
    }
    assert!(seen.contains(&live.id));
}

#[tokio::test]
async fn a_stream_that_falls_behind_says_so_and_ends() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let mut stream = own(&world, &world.mint.tenant(&tenant), "").await;
    follow(&mut stream, &live.id, OnboardingState::Live).await;
    // Large and many, so that what lies between us and the service fills up.
    let mut large = live.clone();
    large.steps[0].error = "x".repeat(16_384);
    let (ids, now) = (SystemIds::default(), Clock::now(&SystemClock));
    let about = || {
        About::state(uuid::Uuid::from_u128(7), 1)
            .of(tenant.parse().unwrap())
            .within(live.waba_id.parse().unwrap())
    };
    for _ in 0..15 {
        let message = OnboardingChanged { onboarding: Some(large.clone()) };
        let events = (0..100).map(|_| envelope(bus::event(&ids, now, about(), &message)));
        world.publish(events.collect()).await;
    }
    let mut last = None;
    while let Some(item) = soon("the end", stream.next()).await {
        last = Some(item.unwrap());
    }
    let last = last.unwrap();
    assert!(last.resync && last.onboarding.is_none());
}
