//! From the raw log to events: each element once, verbatim, under its tenant.

use proto::webhooks::v1::ListQuarantineRequest;
use rstest::rstest;
use serde_json::{Value, json};
use store::Backend;
use testkit::until;

use crate::support::{Setup, World, elements, message};

#[rstest]
#[tokio::test]
async fn the_same_delivery_fifty_times_at_once_is_one_event(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    let held = world.known("9", "5").await;
    let body = message("9", "5", "wamid.1");
    let answers = futures::future::join_all((0..50).map(|_| world.deliver(body.clone()))).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    world.settled().await;
    let elements = world.elements().await;
    assert_eq!(elements.len(), 1);
    assert_eq!(elements[0].tenant_id, held.tenant.to_string());
    // Meta repeats for days.
    assert_eq!(world.deliver(body).await, 200);
    world.settled().await;
    assert_eq!(world.elements().await.len(), 0);
}

#[tokio::test]
async fn an_element_leaves_as_meta_wrote_it() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let held = world.known("9", "5").await;
    world.deliver(message("9", "5", "wamid.1")).await;
    world.settled().await;
    let events = world.events().await;
    let element = &elements(&events)[0];
    let envelope = events.iter().find(|event| event.key == "webhooks.element.messages").unwrap();
    assert_eq!(envelope.tenant, Some(held.tenant.uuid()));
    assert_eq!(envelope.waba.map(kernel::id::WabaId::from_uuid).unwrap().to_string(), held.waba.id);
    assert_eq!(
        std::str::from_utf8(&element.element).unwrap(),
        r#"{"from":"351911222333","from_user_id":"PT.1","id":"wamid.1","timestamp":"1795443199","type":"text","text":{"body":"caf\u00e9 \ud83d\ude00 a\/b"}}"#
    );
    assert_eq!(
        std::str::from_utf8(&element.metadata).unwrap(),
        r#"{"display_phone_number":"351300111222","phone_number_id":"5"}"#
    );
    assert_eq!(
        std::str::from_utf8(&element.contact).unwrap(),
        r#"{"profile":{"name":"Zo\u00eb"},"wa_id":"351911222333","user_id":"PT.1"}"#
    );
    assert_eq!((element.field.as_str(), element.element_kind.as_str()), ("messages", "message"));
    assert_eq!((element.number_id.as_str(), element.index), (held.number.id.as_str(), 0));
    assert_eq!(element.received_us, world.now_us());
    assert!(element.raw_id.starts_with("inbound_"));
}

fn batch() -> Value {
    let value = |wamids: &[&str], statuses: &[(&str, &str)]| {
        json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "1", "phone_number_id": "5"},
            "messages": wamids.iter().map(|id| json!({"id": id, "type": "text"})).collect::<Vec<_>>(),
            "statuses": statuses.iter().map(|(id, status)| json!({"id": id, "status": status})).collect::<Vec<_>>(),
        })
    };
    json!({"object": "whatsapp_business_account", "entry": [
        {"id": "9", "changes": [
            {"field": "messages", "value": value(&["wamid.1", "wamid.2"], &[("wamid.3", "sent")])},
            {"field": "messages", "value": value(&[], &[("wamid.3", "delivered")])},
        ]},
        {"id": "9", "time": 1_795_000_000, "changes": [
            {"field": "message_template_status_update", "value": {"event": "APPROVED", "message_template_id": 1}},
            {"field": "some_future_event", "value": {"anything": ["at", "all"]}},
        ]},
    ]})
}

#[tokio::test]
async fn a_delivery_is_taken_apart_on_all_its_levels() {
    let world = Setup::on(Backend::Sqlite).start().await;
    world.known("9", "5").await;
    world.deliver(batch().to_string()).await;
    world.settled().await;
    let mut seen: Vec<(u32, String, String)> = world
        .elements()
        .await
        .into_iter()
        .map(|element| (element.index, element.field, element.element_kind))
        .collect();
    seen.sort();
    let expected = [
        (0, "messages", "message"),
        (1, "messages", "message"),
        (2, "messages", "status"),
        (3, "messages", "status"),
        (4, "message_template_status_update", "change"),
        (5, "some_future_event", "change"),
    ];
    let seen: Vec<_> =
        seen.iter().map(|(at, field, kind)| (*at, field.as_str(), kind.as_str())).collect();
    assert_eq!(seen, expected);
}

#[rstest]
#[case::no_json("{ this is no JSON")]
#[case::not_meta("[1,2,3]")]
#[case::bytes("\u{0}\u{1}")]
#[tokio::test]
async fn a_signed_body_that_nobody_can_read_is_kept_and_seen(#[case] body: &str) {
    let world = Setup::on(Backend::Sqlite).start().await;
    world.known("9", "5").await;
    assert_eq!(world.deliver(body).await, 200);
    world.deliver(message("9", "5", "wamid.1")).await;
    world.settled().await;
    let kept = "SELECT count(*) FROM inbound_raw WHERE state = 'unreadable'";
    assert_eq!(world.database.count(kept).await, 1);
    assert_eq!(world.elements().await.len(), 1, "the next one is none the worse");
    let shown = world.desk().list_quarantine(ListQuarantineRequest::default()).await.unwrap();
    let shown = shown.into_inner().items;
    assert_eq!(shown.iter().map(|entry| entry.reason.as_str()).collect::<Vec<_>>(), ["unreadable"]);
}

#[rstest]
#[tokio::test]
async fn what_a_dead_worker_had_claimed_is_routed_by_the_next(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).receiving_alone().start().await;
    for n in 0..3 {
        assert_eq!(world.deliver(message("9", "5", &format!("wamid.{n}"))).await, 200);
    }
    let (database, store, clock) = world.end().await;
    // As a process leaves it that died after its claim: the lease has run out.
    database
        .change("UPDATE inbound_raw SET claim = 'dead', claimed_until_us = 1, attempts = 1")
        .await;
    let world = World::start_over(Setup::on(backend), database, store, clock).await;
    world.known("9", "5").await;
    world.settled().await;
    let placed = "SELECT count(*) FROM quarantine";
    until("placed", async || world.database.count(placed).await == 0).await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 3);
}

#[tokio::test]
async fn a_delivery_that_killed_its_process_five_times_is_given_up_and_shown() {
    let world = Setup::on(Backend::Sqlite).receiving_alone().start().await;
    world.deliver(message("9", "5", "wamid.1")).await;
    let (database, store, clock) = world.end().await;
    database
        .change("UPDATE inbound_raw SET claim = 'dead', claimed_until_us = 1, attempts = 5")
        .await;
    let world = World::start_over(Setup::on(Backend::Sqlite), database, store, clock).await;
    world.settled().await;
    let failed = "SELECT count(*) FROM inbound_raw WHERE state = 'failed'";
    assert_eq!(world.database.count(failed).await, 1);
    let shown = "SELECT count(*) FROM quarantine WHERE reason = 'failed'";
    assert_eq!(world.database.count(shown).await, 1);
}
