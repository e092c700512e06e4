//! What the embedded bus keeps over a restart.

use std::collections::BTreeSet;

use bus::{Bus as _, Deliveries, EmbeddedBus, Envelope, PublishError};
use testkit::embedded_bus;

use crate::support::{envelope, group, soon};

async fn publish(bus: &EmbeddedBus, count: usize) -> Vec<Envelope> {
    let sent: Vec<_> = (0..count).map(|_| envelope("messaging.message.stepped")).collect();
    assert!(bus.publish(sent.clone()).await.iter().all(Result::is_ok));
    sent
}

async fn join(bus: &EmbeddedBus) -> Box<dyn Deliveries> {
    bus.subscribe(group("assets", "kept", &["messaging.#"])).await.unwrap()
}

async fn next(member: &mut Box<dyn Deliveries>) -> Vec<(Envelope, bool)> {
    let batch = soon("a delivery", member.next(100)).await.unwrap();
    batch.into_iter().map(|one| (one.event.unwrap(), one.redelivered)).collect()
}

#[tokio::test]
async fn what_was_published_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bus = embedded_bus(folder.path()).await;
    drop(join(&bus).await);
    let sent = publish(&bus, 1).await;
    drop(bus); // as a process that is killed: nothing is written any more
    let bus = embedded_bus(folder.path()).await;
    let got = next(&mut join(&bus).await).await;
    assert_eq!(got, [(sent[0].clone(), true)]);
}

#[tokio::test]
async fn what_was_acknowledged_is_not_handed_out_after_a_clean_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bus = embedded_bus(folder.path()).await;
    let mut member = join(&bus).await;
    publish(&bus, 5).await;
    let mut got = 0;
    while got < 5 {
        got += next(&mut member).await.len();
        member.ack().await.unwrap();
    }
    bus.close().await;
    drop(bus);
    let bus = embedded_bus(folder.path()).await;
    let mut member = join(&bus).await;
    let sent = publish(&bus, 1).await;
    assert_eq!(next(&mut member).await, [(sent[0].clone(), false)]);
}

#[tokio::test]
async fn a_closed_bus_refuses_to_publish() {
    let folder = tempfile::tempdir().unwrap();
    let bus = embedded_bus(folder.path()).await;
    bus.close().await;
    let answers = bus.publish(vec![envelope("messaging.message.stepped")]).await;
    assert!(matches!(answers[0], Err(PublishError::Unconfirmed(_))), "{answers:?}");
    assert!(bus.ready().await.is_err());
}

#[tokio::test]
async fn a_group_that_comes_late_gets_what_was_published_before() {
    let folder = tempfile::tempdir().unwrap();
    let bus = embedded_bus(folder.path()).await;
    let sent = publish(&bus, 1).await;
    assert_eq!(next(&mut join(&bus).await).await, [(sent[0].clone(), false)]);
}

#[tokio::test]
async fn a_slow_group_keeps_what_a_quick_one_is_through_with() {
    let folder = tempfile::tempdir().unwrap();
    let bus = embedded_bus(folder.path()).await;
    let mut quick = join(&bus).await;
    let spec = group("analytics", "slow", &["messaging.#"]);
    let mut slow = bus.subscribe(spec).await.unwrap();
    let mut sent = BTreeSet::new();
    // More than is kept in memory, and enough for the log to be trimmed several times.
    for _ in 0..30 {
        sent.extend(publish(&bus, 100).await.into_iter().map(|event| event.id));
        let mut got = 0;
        while got < 100 {
            got += next(&mut quick).await.len();
            quick.ack().await.unwrap();
        }
    }
    let mut got = BTreeSet::new();
    while got.len() < 3_000 {
        got.extend(next(&mut slow).await.into_iter().map(|(event, _)| event.id));
        slow.ack().await.unwrap();
    }
    assert_eq!(got, sent);
}
