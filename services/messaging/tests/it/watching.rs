//! Messages as they move: what moved after the cursor, then what moves.

use proto::messaging::v1 as pb;
use rstest::rstest;
use store::Backend;
use testkit::within;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

use crate::support::World;

async fn open(world: &World, after: &str) -> Streaming<pb::WatchMessagesResponse> {
    let request = pb::WatchMessagesRequest { after: after.to_owned(), ..Default::default() };
    world.caller().messages.watch_messages(request).await.unwrap().into_inner()
}

/// Reads until a message is seen in this status; answers the last cursor.
async fn until(
    stream: &mut Streaming<pb::WatchMessagesResponse>,
    id: &str,
    status: &str,
) -> String {
    let seen = async {
        while let Some(item) = stream.next().await {
            let item = item.unwrap();
            assert!(!item.resync, "the stream fell behind");
            let message = item.message.unwrap();
            if message.id == id && message.status == status {
                return item.cursor;
            }
        }
        panic!("the stream ended before {id} was {status}");
    };
    within(status, seen).await
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_its_last_cursor(#[case] backend: Backend) {
    let world = World::on(backend).await;
    // The hub's own tail is opened when the service starts: a first answer shows that it is.
    let mut stream = open(&world, "").await;
    let first = world.text("+351912000111", "Hello").await;
    let cursor = until(&mut stream, &first.id, "delivered").await;
    drop(stream);
    let missed = world.text("+351912000222", "While nobody watched").await;
    world.until(&missed.id, "delivered").await;
    let mut stream = open(&world, &cursor).await;
    until(&mut stream, &missed.id, "delivered").await;
    let live = world.text("+351912000333", "And now").await;
    until(&mut stream, &live.id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_what_it_was_asked_for() {
    let world = World::on(Backend::Sqlite).await;
    let request =
        pb::WatchMessagesRequest { direction: pb::Direction::Inbound.into(), ..Default::default() };
    let stream = world.caller().messages.watch_messages(request).await.unwrap();
    let mut stream = stream.into_inner();
    let sent = world.text("+351912000111", "Hello").await;
    world.until(&sent.id, "delivered").await;
    world.says("351912000111", "Hi").await;
    let item = within("the answer", stream.next()).await.unwrap().unwrap();
    assert_eq!(item.message.unwrap().direction(), pb::Direction::Inbound);
}
