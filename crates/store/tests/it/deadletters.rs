//! Poison is counted, buried with its inbox row, and tried again without doubling (DEL-6).

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::id::EventId;
use rstest::rstest;
use store::deadletter::{
    DeadLetter, DueLetter, Filter, NewDeadLetter, bury, claim_due, discard, done, failed, list,
    replay,
};
use store::{Backend, poison};

use crate::support::{World, fresh, tenant};

fn letter(due_in: Option<Duration>) -> NewDeadLetter {
    NewDeadLetter {
        consumer: "notes".to_owned(),
        event: EventId::from_uuid(fresh()),
        key: "sample.note.changed".to_owned(),
        kind: "switchboard.events.v1.NoteChanged".to_owned(),
        tenant: Some(fresh()),
        waba: None,
        aggregate: fresh(),
        version: 0,
        body: b"secret".to_vec(),
        headers: BTreeMap::from([("ce-source".to_owned(), "sample".to_owned())]),
        reason: "poison".to_owned(),
        detail: Some("it does not parse".to_owned()),
        stack_hash: None,
        contact: None,
        traceparent: None,
        time: kernel::time::Timestamp::from_seconds(crate::support::NOW_S),
        due_in,
    }
}

async fn letters(world: &World) -> Vec<DeadLetter> {
    list(&world.store, &Filter { limit: 10, ..Filter::default() }).await.unwrap()
}

/// A try of the one letter that is due.
async fn begin_try(world: &World) -> DueLetter {
    claim_due(&world.store, "notes", 10).await.unwrap().remove(0)
}

/// Whoever tries letters at this moment is taken for dead.
async fn lapse_claims(world: &World) {
    world.change("UPDATE sample.dead_letter SET claimed_until_us = 1").await;
}

/// A try that ends as one does that met an outage: due again at once.
async fn put_back(world: &World, tried: &DueLetter) {
    let at_once = Some(Duration::ZERO);
    failed(&world.store, tried, "waiting", Some("away"), at_once).await.unwrap();
}

async fn is_new(world: &World, event: EventId) -> bool {
    let me = world.whole(tenant());
    let first = world.store.write(&me, |tx| async move { tx.first_time("notes", &[event]).await });
    first.await.unwrap() == [true]
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn attempts_are_counted_and_forgotten(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let event = EventId::from_uuid(fresh());
    for attempt in 1..=5 {
        assert_eq!(poison::count(&world.store, "notes", event).await.unwrap(), Some(attempt));
    }
    poison::clear(&world.store, "notes", &[event]).await.unwrap();
    assert_eq!(poison::count(&world.store, "notes", event).await.unwrap(), Some(1));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_buried_event_is_handled_and_listed_without_its_body(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let buried = letter(None);
    poison::count(&world.store, "notes", buried.event).await.unwrap();
    bury(&world.store, &buried).await.unwrap();
    bury(&world.store, &buried).await.unwrap();
    let again = poison::count(&world.store, "notes", buried.event).await.unwrap();
    assert_eq!(again, None, "a redelivery of it counts nothing");
    assert!(!is_new(&world, buried.event).await, "no redelivery handles it");
    let filter = Filter { limit: 10, ..Filter::default() };
    let listed = list(&world.store, &filter).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].event, listed[0].waiting), (buried.event, false));
    assert_eq!(listed[0].headers, buried.headers);
    let none = Filter { reason: Some("scope_mismatch".to_owned()), ..filter };
    assert!(list(&world.store, &none).await.unwrap().is_empty());
    assert!(claim_due(&world.store, "notes", 10).await.unwrap().is_empty(), "it is dead");
    assert_eq!(world.count("SELECT count(*) FROM sample.poison").await, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_replayed_event_is_new_once_and_its_letter_goes(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let buried = letter(None);
    bury(&world.store, &buried).await.unwrap();
    let id = letters(&world).await[0].id;
    assert!(replay(&world.store, id).await.unwrap());
    let due = claim_due(&world.store, "notes", 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].letter, buried);
    assert!(claim_due(&world.store, "notes", 10).await.unwrap().is_empty(), "claimed");
    assert!(is_new(&world, buried.event).await, "the handler's own unit records it again");
    assert!(!is_new(&world, buried.event).await);
    done(&world.store, &due[0]).await.unwrap();
    assert!(letters(&world).await.is_empty());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_try_that_fails_again_leaves_the_event_handled_and_waiting(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let due = claim_due(&world.store, "notes", 10).await.unwrap().remove(0);
    assert_eq!(due.attempts, 1);
    let later = Some(Duration::from_mins(10));
    failed(&world.store, &due, "unknown_aggregate", Some("not there yet"), later).await.unwrap();
    assert!(!is_new(&world, waiting.event).await);
    assert!(claim_due(&world.store, "notes", 10).await.unwrap().is_empty(), "not due");
    let listed = letters(&world).await;
    assert_eq!((listed[0].reason.as_str(), listed[0].waiting), ("unknown_aggregate", true));
    assert!(discard(&world.store, due.id).await.unwrap());
    assert!(!discard(&world.store, due.id).await.unwrap());
    assert!(!is_new(&world, waiting.event).await, "dropped for good");
}

#[rstest]
#[tokio::test]
async fn a_try_that_another_took_over_ends_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let late = begin_try(&world).await;
    lapse_claims(&world).await;
    let current = begin_try(&world).await;
    failed(&world.store, &late, "late", None, None).await.unwrap();
    assert_eq!(letters(&world).await[0].reason, "poison", "the later try has it");
    put_back(&world, &current).await;
    // The late one finds the letter's own inbox row now, and takes the event for done.
    assert!(!is_new(&world, waiting.event).await);
    done(&world.store, &late).await.unwrap();
    let again = begin_try(&world).await;
    assert!(is_new(&world, waiting.event).await, "its effect is still to happen");
    done(&world.store, &again).await.unwrap();
    assert!(letters(&world).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_try_whose_effect_was_committed_is_over_though_it_seems_to_have_failed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let tried = begin_try(&world).await;
    assert!(is_new(&world, waiting.event).await, "committed; the answer is lost");
    put_back(&world, &tried).await;
    assert!(letters(&world).await.is_empty());
    assert!(!is_new(&world, waiting.event).await);
}

#[rstest]
#[tokio::test]
async fn a_failure_that_is_written_down_twice_keeps_the_letter(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let tried = begin_try(&world).await;
    put_back(&world, &tried).await;
    put_back(&world, &tried).await;
    assert_eq!(begin_try(&world).await.attempts, 2);
    assert!(is_new(&world, waiting.event).await);
}

#[rstest]
#[tokio::test]
async fn an_event_that_comes_again_while_its_letter_is_tried_leaves_the_try_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let tried = begin_try(&world).await;
    bury(&world.store, &waiting).await.unwrap();
    assert!(is_new(&world, waiting.event).await, "the try has its effect");
    done(&world.store, &tried).await.unwrap();
    bury(&world.store, &waiting).await.unwrap();
    assert!(letters(&world).await.is_empty(), "what has happened is not buried");
}

#[rstest]
#[tokio::test]
async fn a_letter_that_is_dropped_while_it_is_tried_has_no_effect_later(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let waiting = letter(Some(Duration::ZERO));
    bury(&world.store, &waiting).await.unwrap();
    let tried = begin_try(&world).await;
    assert!(discard(&world.store, tried.id).await.unwrap());
    assert!(!is_new(&world, waiting.event).await);
    put_back(&world, &tried).await;
    assert!(letters(&world).await.is_empty());
}
