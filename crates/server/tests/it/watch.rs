//! ISO-8: a stream ends with its token, with its revocation, with the drain; and passes on what is in scope.

use std::time::Duration;

use auth::{Permission, Revocation, Service};
use futures::StreamExt as _;
use kernel::time::Timestamp;
use server::{Refusal, WatchGuard};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::support::{PATIENCE, World, session};

async fn guard(world: &World) -> (WatchGuard, CancellationToken) {
    let (security, _, stop) = world.security(Service::Messaging).await;
    let token = world.user_token(&[Permission::MessagesRead]);
    let scope = security.user(&token).await.unwrap();
    (WatchGuard::new(security, scope, stop.clone()), stop)
}

fn silent() -> impl futures::Stream<Item = Result<u32, Status>> + Send + 'static {
    futures::stream::pending()
}

async fn end(mut stream: futures::stream::BoxStream<'static, Result<u32, Status>>) -> Status {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream ends");
    let status = next.unwrap().unwrap_err();
    assert!(stream.next().await.is_none(), "nothing comes after the end");
    status
}

#[tokio::test]
async fn items_out_of_scope_are_left_out() {
    let (guard, _) = guard(&World::new()).await;
    let items = futures::stream::iter([1, 2, 3, 4].map(Ok));
    let seen = guard.guard(items, |item, _| item % 2 == 0);
    assert_eq!(seen.map(Result::unwrap).collect::<Vec<_>>().await, [2, 4]);
}

#[tokio::test]
async fn a_silent_stream_ends_when_its_token_expires() {
    let world = World::new();
    let (guard, _) = guard(&world).await;
    let stream = guard.guard(silent(), |_, _| true);
    world.clock.advance(Duration::from_secs(601));
    let status = end(stream).await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(Refusal::of(&status).reason, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_silent_stream_ends_when_its_session_is_revoked() {
    let world = World::new();
    let (guard, _) = guard(&world).await;
    let stream = guard.guard(silent(), |_, _| true);
    world.revoked.send(Revocation::Session(session().uuid(), Timestamp::MAX)).unwrap();
    let status = end(stream).await;
    assert_eq!(Refusal::of(&status).reason, "TOKEN_REVOKED");
}

#[tokio::test]
async fn a_drain_ends_streams_of_users_and_services() {
    let (guard, stop) = guard(&World::new()).await;
    let of_a_user = guard.guard(silent(), |_, _| true);
    let of_a_service = server::until_stopped(silent(), stop.clone());
    stop.cancel();
    assert_eq!(end(of_a_user).await.code(), Code::Unavailable);
    assert_eq!(end(of_a_service).await.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_ends_by_itself_ends_well() {
    let stop = CancellationToken::new();
    let stream = server::until_stopped(futures::stream::iter([Ok(1)]), stop);
    let all: Vec<Result<u32, Status>> = stream.collect().await;
    assert_eq!(all.len(), 1);
}
