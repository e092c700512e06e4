//! A tenant's quota: exact, a day, and taken only by what is accepted.

use std::time::Duration;

use proto::messaging::v1 as pb;
use rstest::rstest;
use server::Refusal;
use store::Backend;
use testkit::until;
use tonic::Code;

use crate::support::{World, send};

const ANA: &str = "+351912000111";

async fn quota(world: &World, most: Option<i64>) {
    world.tenant_says(|tenant| tenant.messages_per_day = most).await;
}

/// Sends as many as `count` at once, each under a key of its own; answers how many were taken.
async fn burst(world: &World, day: &str, count: usize) -> usize {
    let calls = (0..count).map(|place| {
        let request = pb::SendMessageRequest {
            idempotency_key: format!("{day}-{place}"),
            ..send(&world.number, ANA, "Hello")
        };
        let mut caller = world.caller();
        async move { caller.messages.send_message(request).await }
    });
    let mut taken = 0;
    for answer in futures::future::join_all(calls).await {
        match answer {
            Ok(_) => taken += 1,
            Err(refused) => {
                assert_eq!(refused.code(), Code::ResourceExhausted);
                let refusal = Refusal::of(&refused);
                assert_eq!(refusal.reason, "QUOTA_EXHAUSTED");
                let wait = refusal.retry.expect("when to come again");
                assert!(wait > Duration::ZERO && wait <= Duration::from_hours(24), "{wait:?}");
            }
        }
    }
    taken
}

async fn is_full(world: &World) -> bool {
    let request = send(&world.number, ANA, "probe");
    world.caller().messages.send_message(request).await.is_err()
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn as_many_as_the_quota_says_are_taken_in_a_day(#[case] backend: Backend) {
    let world = World::on(backend).await;
    quota(&world, Some(0)).await;
    until("the quota", async || is_full(&world).await).await;
    quota(&world, Some(7)).await;
    until("more", async || !is_full(&world).await).await;
    // The probe was one.
    assert_eq!(burst(&world, "monday", 20).await, 6);
    world.advance(Duration::from_hours(24)).await;
    assert_eq!(burst(&world, "tuesday", 20).await, 7);
    assert_eq!(burst(&world, "tuesday", 20).await, 7, "a key that was answered takes nothing");
    quota(&world, Some(9)).await;
    until("more", async || !is_full(&world).await).await;
    assert_eq!(burst(&world, "tuesday-again", 20).await, 1);
    quota(&world, None).await;
    until("no quota", async || !is_full(&world).await).await;
    assert_eq!(burst(&world, "tuesday-evening", 20).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_takes_nothing_of_the_quota() {
    let world = World::on(Backend::Sqlite).await;
    quota(&world, Some(0)).await;
    until("the quota", async || is_full(&world).await).await;
    quota(&world, Some(2)).await;
    until("more", async || !is_full(&world).await).await;
    for _ in 0..5 {
        let unknown = pb::SendMessageRequest {
            context_message_id: kernel::id::MessageId::from_uuid(uuid::Uuid::from_u128(9))
                .to_string(),
            ..send(&world.number, ANA, "What?")
        };
        let refused = world.caller().messages.send_message(unknown).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert_eq!(burst(&world, "once", 5).await, 1);
}
