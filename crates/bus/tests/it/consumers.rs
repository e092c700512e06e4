//! What a consumer may rely on, over both wirings: SQLite with the embedded bus, PostgreSQL with RabbitMQ.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
use store::purpose::common;
use store::{RawSql, Shard, SystemTx, deadletter};

use crate::script::{Act, Script, Versions, apply_all, effects};
use crate::support::{House, Wiring, envelope, until};

#[rstest]
#[tokio::test]
async fn an_event_that_comes_twice_has_its_effect_once(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let script = Script::new("once", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the first delivery", async || script.tries(sent.id) == 1).await;
    let last = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone(), last.clone()]).await;
    until("the last effect", async || effects(&house.store, "once").await.contains_key(&last.id))
        .await;
    until("the second delivery", async || script.tries(sent.id) == 2).await;
    assert_eq!(effects(&house.store, "once").await[&sent.id], 1);
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn poison_is_a_dead_letter_at_five_and_takes_no_neighbour_along(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
    #[values(Act::Panic, Act::Poison)] how: Act,
) {
    let house = House::start(wiring).await;
    let sent: Vec<_> = (0..10).map(|_| envelope("sample.thing.happened")).collect();
    let bad = sent[4].id;
    let plan =
        move |event: &bus::Envelope, _| if event.id == bad { how.clone() } else { Act::Apply };
    let script = Script::new("poisoned", &house.store, plan);
    house.world.declare("sample", &script).await;
    house.world.publish(sent).await;
    house.consume(Arc::new(script.clone())).await;
    until("the dead letter", async || !house.letters().await.is_empty()).await;
    let letters = house.letters().await;
    assert_eq!((letters[0].event, letters[0].reason.as_str()), (bad, "poison"));
    until("the neighbours", async || effects(&house.store, "poisoned").await.len() == 9).await;
    let together = script.batches().iter().filter(|size| **size > 1).count();
    let apart = script.tries(bad) - together;
    assert_eq!(apart, 5, "batches: {:?}", script.batches());
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn what_is_away_pauses_the_group_and_counts_nothing(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let away = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&away);
    let script = Script::new("patient", &house.store, move |_, times| {
        if times >= 5 {
            state.store(false, Ordering::SeqCst);
        }
        if state.load(Ordering::SeqCst) { Act::Away } else { Act::Apply }
    });
    let sent = envelope("sample.thing.happened");
    house.consume(Arc::new(script.clone())).await;
    house.world.publish(vec![sent.clone()]).await;
    until("the effect", async || effects(&house.store, "patient").await.contains_key(&sent.id))
        .await;
    assert!(house.letters().await.is_empty());
    let counted = "DELETE FROM poison WHERE {purpose}";
    let unit = |tx: SystemTx| async move { tx.raw(RawSql::both(counted, Vec::new())).exec().await };
    let counted = house.store.system(common::CONSUME, Shard::ONLY, unit).await.unwrap();
    assert_eq!(counted, 0, "nothing was counted");
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn a_replayed_letter_has_its_effect_and_goes(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let mended = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&mended);
    let plan = move |_: &_, _| if state.load(Ordering::SeqCst) { Act::Apply } else { Act::Panic };
    let script = Script::new("replayed", &house.store, plan);
    house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the dead letter", async || !house.letters().await.is_empty()).await;
    mended.store(true, Ordering::SeqCst);
    let letter = house.letters().await.remove(0);
    assert!(bus::admin::replay(&house.store, letter.id).await.unwrap());
    until("the letter's end", async || house.letters().await.is_empty()).await;
    assert_eq!(effects(&house.store, "replayed").await[&sent.id], 1);
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn a_dropped_letter_stays_without_effect_when_its_event_comes_again(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let bad = envelope("sample.thing.happened");
    let id = bad.id;
    let plan = move |event: &bus::Envelope, times| {
        if event.id == id && times < 5 { Act::Poison } else { Act::Apply }
    };
    let script = Script::new("dropped", &house.store, plan);
    house.consume(Arc::new(script.clone())).await;
    house.world.publish(vec![bad.clone()]).await;
    until("the dead letter", async || !house.letters().await.is_empty()).await;
    let letter = house.letters().await.remove(0);
    assert!(bus::admin::discard(&house.store, letter.id).await.unwrap());
    assert!(!bus::admin::discard(&house.store, letter.id).await.unwrap());
    house.world.publish(vec![bad.clone()]).await;
    until("the redelivery", async || script.tries(id) == 6).await;
    let last = envelope("sample.thing.happened");
    house.world.publish(vec![last.clone()]).await;
    until("the last effect", async || {
        effects(&house.store, "dropped").await.contains_key(&last.id)
    })
    .await;
    assert!(!effects(&house.store, "dropped").await.contains_key(&id));
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn an_event_waits_for_its_parent_and_is_done_when_it_is_there(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let script = Script::new(
        "waits",
        &house.store,
        |_, times| {
            if times < 2 { Act::Wait } else { Act::Apply }
        },
    );
    house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the waiting letter", async || {
        house.letters().await.iter().any(|letter| letter.reason == "waiting" && letter.waiting)
    })
    .await;
    until("the effect", async || effects(&house.store, "waits").await.contains_key(&sent.id)).await;
    until("the letter's end", async || house.letters().await.is_empty()).await;
    assert_eq!(effects(&house.store, "waits").await[&sent.id], 1);
    house.end().await;
}

#[rstest]
#[case::another_tenants(Act::Mismatch, "scope_mismatch", false)]
#[case::a_newer_type(Act::Unknown, "unknown_type", true)]
#[tokio::test]
async fn what_cannot_be_worked_on_is_written_down_at_once(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
    #[case] act: Act,
    #[case] reason: &str,
    #[case] waiting: bool,
) {
    let house = House::start(wiring).await;
    let script = Script::new("strange", &house.store, move |_, _| act.clone());
    house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the letter", async || !house.letters().await.is_empty()).await;
    let letter = house.letters().await.remove(0);
    assert_eq!((letter.reason.as_str(), letter.waiting), (reason, waiting));
    assert_eq!(script.tries(sent.id), 1);
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn a_try_that_died_after_its_effect_is_not_done_twice(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let plan = |_: &_, times| if times == 0 { Act::Wait } else { Act::Hang };
    let script = Script::new("twice", &house.store, plan);
    let member = house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the try that never ends", async || script.tries(sent.id) == 2).await;
    // Its transaction was committed, and then the process died.
    let commit = |tx: SystemTx| {
        let sent = &sent;
        async move { apply_all(tx, "twice", &[sent]).await }
    };
    house.store.system(common::PROGRESS, Shard::ONLY, commit).await.unwrap();
    member.abort();
    let lapse = "UPDATE dead_letter SET claimed_until_us = 1 WHERE {purpose}";
    let unit = |tx: SystemTx| async move { tx.raw(RawSql::both(lapse, Vec::new())).exec().await };
    house.store.system(common::CONSUME, Shard::ONLY, unit).await.unwrap();
    let script = Script::new("twice", &house.store, |_, _| Act::Apply);
    house.consume(Arc::new(script.clone())).await;
    until("the letter's end", async || house.letters().await.is_empty()).await;
    assert_eq!(effects(&house.store, "twice").await[&sent.id], 1);
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn a_try_whose_answer_was_lost_after_its_effect_is_not_done_twice(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let plan = |_: &_, times| match times {
        0 => Act::Wait,
        1 => Act::ApplyUnheard,
        _ => Act::Apply,
    };
    let script = Script::new("unheard", &house.store, plan);
    house.consume(Arc::new(script.clone())).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    until("the effect", async || effects(&house.store, "unheard").await.contains_key(&sent.id))
        .await;
    until("the letter's end", async || house.letters().await.is_empty()).await;
    assert_eq!(effects(&house.store, "unheard").await[&sent.id], 1);
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn an_event_that_kills_its_process_is_a_dead_letter_and_its_neighbours_are_not(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let sent: Vec<_> = (0..3).map(|_| envelope("sample.thing.happened")).collect();
    let killer = sent[1].id;
    let plan =
        move |event: &bus::Envelope, _| if event.id == killer { Act::Hang } else { Act::Apply };
    let script = Script::new("killed", &house.store, plan);
    house.world.declare("sample", &script).await;
    house.world.publish(sent.clone()).await;
    let mut deaths = 0;
    while house.letters().await.is_empty() {
        let before = script.tries(killer);
        let member = house.consume(Arc::new(script.clone())).await;
        until("the killer or its letter", async || {
            script.tries(killer) > before || !house.letters().await.is_empty()
        })
        .await;
        member.abort();
        deaths += 1;
        assert!(deaths < 10, "it never becomes a dead letter");
    }
    let letters = house.letters().await;
    assert_eq!((letters.len(), letters[0].event), (1, killer));
    house.consume(Arc::new(script.clone())).await;
    until("the neighbours", async || effects(&house.store, "killed").await.len() == 2).await;
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn an_event_that_is_done_with_and_comes_again_is_not_touched(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    let sent: Vec<_> = (0..2).map(|_| envelope("sample.thing.happened")).collect();
    let killer = sent[0].id;
    let plan =
        move |event: &bus::Envelope, _| if event.id == killer { Act::Hang } else { Act::Apply };
    let script = Script::new("acked", &house.store, plan);
    house.world.declare("sample", &script).await;
    house.world.publish(sent.clone()).await;
    let member = house.consume(Arc::new(script.clone())).await;
    until("the killer", async || script.tries(killer) == 1).await;
    // Its effect is committed, and the process dies before it can say so.
    let done = |tx: SystemTx| async move { tx.first_time("acked", &[killer]).await };
    assert_eq!(house.store.system(common::CONSUME, Shard::ONLY, done).await.unwrap(), [true]);
    member.abort();
    house.consume(Arc::new(script.clone())).await;
    until("its neighbour", async || effects(&house.store, "acked").await.len() == 1).await;
    house.end().await;
    assert_eq!(script.tries(killer), 1);
}

#[rstest]
#[tokio::test]
async fn every_order_of_three_versions_ends_in_the_same_state(
    #[values(Wiring::Embedded, Wiring::Production)] wiring: Wiring,
) {
    let house = House::start(wiring).await;
    house.consume(Arc::new(Versions::new(&house.store))).await;
    let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    let mut aggregates = Vec::new();
    for order in orders {
        let first = envelope("sample.thing.changed");
        for version in order {
            let mut event = envelope("sample.thing.changed");
            (event.aggregate, event.version) = (first.aggregate, version);
            house.world.publish(vec![event]).await;
        }
        aggregates.push(first.aggregate);
    }
    for aggregate in aggregates {
        until("the newest version", async || {
            Versions::of(&house.store, aggregate).await == Some(3)
        })
        .await;
    }
    house.end().await;
}

#[rstest]
#[tokio::test]
async fn a_refused_message_is_a_dead_letter_that_no_replay_works_on() {
    let house = House::start(Wiring::Production).await;
    let script = Script::new("wary", &house.store, |_, _| Act::Apply);
    house.world.declare("sample", &script).await;
    house.world.publish_as_nobody("sample.thing.happened").await;
    house.consume(Arc::new(script.clone())).await;
    until("the letter", async || !house.letters().await.is_empty()).await;
    let letter = house.letters().await.remove(0);
    assert_eq!(letter.reason, "forged");
    bus::admin::replay(&house.store, letter.id).await.unwrap();
    until("the refusal", async || {
        let letters = house.letters().await;
        letters.first().is_some_and(|letter| letter.attempts == 1 && !letter.waiting)
    })
    .await;
    assert!(script.batches().is_empty());
    house.end().await;
}

#[tokio::test]
async fn what_the_brokers_backstop_gave_up_is_a_dead_letter() {
    let house = House::start(Wiring::Production).await;
    let script = Script::new("given", &house.store, |_, _| Act::Apply);
    house.world.declare("sample", &script).await;
    let sent = envelope("sample.thing.happened");
    house.world.publish(vec![sent.clone()]).await;
    house.world.reject("sample", "given").await; // to the dead queue, as the limit would
    house.consume(Arc::new(script.clone())).await;
    until("the letter", async || !house.letters().await.is_empty()).await;
    let letter = house.letters().await.remove(0);
    assert_eq!((letter.event, letter.reason.as_str()), (sent.id, "given_up"));
    house.end().await;
}

#[tokio::test]
async fn operators_see_letters_without_bodies() {
    let house = House::start(Wiring::Embedded).await;
    let script = Script::new("shown", &house.store, |_, _| Act::Mismatch);
    house.consume(Arc::new(script.clone())).await;
    let mut sent = envelope("sample.thing.happened");
    sent.body = b"Anna wrote this".to_vec().into();
    house.world.publish(vec![sent.clone()]).await;
    until("the letter", async || !house.letters().await.is_empty()).await;
    let shown = bus::admin::dead_letters(&house.store, 0).await.unwrap().remove(0);
    assert_eq!((shown.event_id, shown.event_key), (sent.id.to_string(), sent.key));
    assert!(
        !format!(
            "{:?}",
            deadletter::list(&house.store, &deadletter::Filter { limit: 10, ..Default::default() })
                .await
                .unwrap()
        )
        .contains("Anna")
    );
    house.end().await;
}
