//! What this build cannot read of Meta's is kept as it came, for the build that can (DEL-12).

use kernel::clock::Clock as _;
use rstest::rstest;
use serde_json::{Value, json};
use store::Backend;
use store::deadletter::{Filter, list};
use testkit::until;

use crate::support::{World, routed};

#[rstest]
#[case::a_status_word("messages", "status", |wamid: &str, at: &str| {
    json!({"id": wamid, "status": "teleported", "timestamp": at, "recipient_id": "351912000111"})
})]
#[case::a_person("messages", "message", |_: &str, at: &str| {
    json!({"from_user_id": "BR.12-34", "id": "wamid.NEW", "timestamp": at, "type": "text",
        "text": {"body": "Hello"}})
})]
#[case::whom_the_phone_wrote_to("smb_message_echoes", "change", |_: &str, at: &str| {
    json!({"message_echoes": [{"from": "15550009999", "to_user_id": "BR.12-34",
        "id": "wamid.ECHO", "timestamp": at, "type": "text", "text": {"body": "Hello"}}]})
})]
#[case::what_a_customer_wants("user_preferences", "change", |_: &str, at: &str| {
    json!({"user_preferences": [{"wa_id": "351912000111", "value": "pause", "timestamp": at}]})
})]
#[tokio::test(flavor = "multi_thread")]
async fn what_this_build_cannot_read_waits_for_the_next(
    #[case] field: &str,
    #[case] kind: &str,
    #[case] element: fn(&str, &str) -> Value,
) {
    let world = World::on(Backend::Sqlite).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    let sent = world.text("+351912000111", "Hello").await;
    let accepted = world.until(&sent.id, "accepted").await;
    let now = world.clock.now();
    let element = element(&accepted.meta_id, &now.as_seconds().to_string()).to_string();
    let event = routed(&world.number, field, kind, &element, None, now);
    world.publish_raw(event.clone()).await;
    let kept = async || list(&world.store, &Filter { limit: 10, ..Filter::default() }).await;
    until("the letter", async || !kept().await.unwrap().is_empty()).await;
    let letters = kept().await.unwrap();
    let told: Vec<_> = letters.iter().map(|one| (one.event, one.reason.as_str())).collect();
    assert_eq!(told, [(event.id, "unknown_type")]);
    assert_eq!(world.list().await.len(), 1, "nothing of it is taken in by half");
    assert_eq!(world.steps(&sent.id).await.last().map(String::as_str), Some("accepted"));
}
