//! What Meta tells: stored once, in any order, under its own tenant.

use bus::About;
use kernel::clock::Clock as _;
use kernel::id::EventId;
use kernel::ids::SystemIds;
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::{Value, json};
use store::Backend;
use store::deadletter::{Filter, list};
use testkit::until;

use crate::support::{Number, World, routed};

fn again(envelope: &bus::Envelope) -> bus::Envelope {
    bus::Envelope { id: EventId::mint(&SystemIds::new(), envelope.time()), ..envelope.clone() }
}

fn text(wamid: &str, from: &str, at: i64, text: &str) -> Value {
    json!({"from": from, "id": wamid, "timestamp": at.to_string(), "type": "text",
        "text": {"body": text}})
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_customers_message_opens_the_window(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let wamid = world.says("351912000111", "Ainda há mesa?").await;
    until("the message", async || world.list().await.len() == 1).await;
    let message = world.list().await.remove(0);
    assert_eq!(message.direction(), pb::Direction::Inbound);
    assert_eq!((message.status.as_str(), message.meta_id.as_str()), ("received", wamid.as_str()));
    let body: Value = serde_json::from_str(&message.body_json).unwrap();
    assert_eq!(body["text"]["body"], "Ainda há mesa?");
    let mut caller = world.caller();
    let request = pb::GetConversationRequest { conversation_id: message.conversation_id };
    let conversation = caller.conversations.get_conversation(request).await.unwrap();
    let conversation = conversation.into_inner().conversation.unwrap();
    assert_eq!((conversation.unread, conversation.last_message_id), (1, message.id.clone()));
    assert!(conversation.window_ends_us.unwrap() > world.clock.now().as_micros());
    let request = pb::GetContactRequest { contact_id: message.contact_id };
    let contact = caller.contacts.get_contact(request).await.unwrap().into_inner().contact;
    let contact = contact.unwrap();
    assert_eq!((contact.e164.as_str(), contact.name.as_str()), ("+351912000111", "Rui"));
    let named = |number_id: &str| pb::MarkReadRequest {
        message_id: wamid.clone(),
        typing: true,
        number_id: number_id.to_owned(),
    };
    let of_another = caller.messages.mark_read(named("100000000000000")).await.unwrap_err();
    assert_eq!(of_another.code(), tonic::Code::NotFound);
    caller.messages.mark_read(named(&world.number.meta_id)).await.unwrap();
    let request = pb::GetConversationRequest { conversation_id: conversation.id };
    let read = caller.conversations.get_conversation(request).await.unwrap().into_inner();
    assert_eq!(read.conversation.unwrap().unread, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn what_meta_repeats_is_stored_once(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let now = world.clock.now();
    let element = text("wamid.A", "351912000111", now.as_seconds(), "Hello").to_string();
    let event = routed(&world.number, "messages", "message", &element, None, now);
    for _ in 0..3 {
        // The same event again, and the same element under another event.
        world.publish_raw(event.clone()).await;
        world.publish_raw(again(&event)).await;
    }
    let last = text("wamid.B", "351912000111", now.as_seconds(), "Bye").to_string();
    let last = routed(&world.number, "messages", "message", &last, None, now);
    world.publish_raw(last).await;
    until("the last one", async || {
        world.list().await.iter().any(|message| message.meta_id == "wamid.B")
    })
    .await;
    assert_eq!(world.list().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_nobody_knows_is_kept_as_it_came() {
    let world = World::on(Backend::Sqlite).await;
    let now = world.clock.now();
    let element = json!({"from": "351912000111", "id": "wamid.H", "type": "hologram",
        "timestamp": now.as_seconds().to_string(), "hologram": {"depth": 3}})
    .to_string();
    world.publish_raw(routed(&world.number, "messages", "message", &element, None, now)).await;
    until("the message", async || world.list().await.len() == 1).await;
    let message = world.list().await.remove(0);
    assert_eq!((message.r#type.as_str(), message.body_json), ("hologram", element));
}

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn statuses_come_to_the_same_end_in_every_order_and_twice(#[case] backend: Backend) {
    let world = World::on(backend).await;
    world.control("PUT", "/settings", json!({"lose_status_webhooks": true})).await;
    for (n, order) in ORDERS.iter().enumerate() {
        let sent = world.text(&format!("+35191200011{n}"), "Hello").await;
        let accepted = world.until(&sent.id, "accepted").await;
        let now = world.clock.now();
        let statuses = ["sent", "delivered", "read"].map(|status| {
            let element = json!({"id": accepted.meta_id, "status": status,
                "timestamp": now.as_seconds().to_string(), "recipient_id": "351912000111"});
            routed(&world.number, "messages", "status", &element.to_string(), None, now)
        });
        for place in order {
            world.publish_raw(statuses[*place].clone()).await;
            world.publish_raw(again(&statuses[*place])).await;
        }
        until("all three", async || {
            let steps = world.steps(&sent.id).await;
            ["sent", "delivered", "read"].iter().all(|step| steps.contains(&(*step).to_owned()))
        })
        .await;
        assert_eq!(world.get(&sent.id).await.status, "read", "{order:?}");
        let steps = world.steps(&sent.id).await;
        assert_eq!(steps.iter().filter(|step| *step == "read").count(), 1, "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_somebody_elses_message_waits_for_its_answer() {
    let world = World::on(Backend::Sqlite).await;
    let now = world.clock.now();
    let element = json!({"id": "wamid.STRANGE", "status": "sent",
        "timestamp": now.as_seconds().to_string(), "recipient_id": "351912000111"});
    let event = routed(&world.number, "messages", "status", &element.to_string(), None, now);
    world.publish_raw(event).await;
    // An element after it is applied, so that one is done with.
    world.says("351912000111", "Hello").await;
    until("the message", async || world.list().await.len() == 1).await;
    let letters = list(&world.store, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
    assert!(letters.is_empty(), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_business_writes_from_its_phone_is_shown_as_such() {
    let world = World::on(Backend::Sqlite).await;
    world.says("351912000111", "Hello").await;
    until("the message", async || world.list().await.len() == 1).await;
    let now = world.clock.now();
    let element = json!({"message_echoes": [{"from": "15550009999", "to": "351912000111",
        "id": "wamid.ECHO", "timestamp": (now.as_seconds() + 1).to_string(), "type": "text",
        "text": {"body": "Até já"}}]})
    .to_string();
    let event = routed(&world.number, "smb_message_echoes", "change", &element, None, now);
    world.publish_raw(event).await;
    until("the echo", async || world.list().await.len() == 2).await;
    let listed = world.list().await;
    let echo = listed.iter().find(|message| message.meta_id == "wamid.ECHO").unwrap();
    assert_eq!(echo.origin(), pb::Origin::PhoneApp);
    assert_eq!((echo.status.as_str(), echo.dispatch.as_str()), ("sent", "settled"));
    assert_eq!(echo.conversation_id, listed[0].conversation_id);
    let request = pb::GetConversationRequest { conversation_id: echo.conversation_id.clone() };
    let held = world.caller().conversations.get_conversation(request).await.unwrap();
    assert_eq!(held.into_inner().conversation.unwrap().holder_kind, "phone_app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_stops_marketing_gets_none() {
    let world = World::on(Backend::Sqlite).await;
    let sent = world.text("+351912000111", "Hello").await;
    let body = json!({"phone_number_id": world.number.meta_id, "value": "stop"});
    world.control("POST", "/customers/351912000111/preferences", body).await;
    let request = pb::GetContactRequest { contact_id: sent.contact_id };
    until("the opt-out", async || {
        let contact = world.caller().contacts.get_contact(request.clone()).await.unwrap();
        contact.into_inner().contact.unwrap().opted_out_marketing
    })
    .await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn two_spellings_of_a_number_are_one_contact(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let sent = world.text("+55 11 98765-4321", "Olá").await;
    let now = world.clock.now();
    let element = text("wamid.BR", "551187654321", now.as_seconds(), "Oi").to_string();
    let contact = json!({"wa_id": "551187654321", "user_id": "BR.123", "profile": {"name": "Bia"}});
    let event =
        routed(&world.number, "messages", "message", &element, Some(&contact.to_string()), now);
    world.publish_raw(event).await;
    until("the answer", async || {
        world.list().await.iter().any(|message| message.meta_id == "wamid.BR")
    })
    .await;
    let listed = world.list().await;
    let inbound = listed.iter().find(|message| message.meta_id == "wamid.BR").unwrap();
    assert_eq!(inbound.contact_id, sent.contact_id);
    assert_eq!(inbound.conversation_id, sent.conversation_id);
    let request = pb::GetContactRequest { contact_id: sent.contact_id };
    let contact = world.caller().contacts.get_contact(request).await.unwrap().into_inner().contact;
    let contact = contact.unwrap();
    assert_eq!((contact.bsuid.as_str(), contact.e164.as_str()), ("BR.123", "+551187654321"));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_element_under_a_wrong_tenant_is_a_dead_letter(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let now = world.clock.now();
    let ids = SystemIds::new();
    let forged = Number {
        tenant: kernel::id::TenantId::mint(&ids, now),
        waba: kernel::id::WabaId::mint(&ids, now),
        ..world.number.clone()
    };
    let element = text("wamid.X", "351912000111", now.as_seconds(), "Hello").to_string();
    world.publish_raw(routed(&forged, "messages", "message", &element, None, now)).await;
    until("the dead letter", async || {
        let filter = Filter { limit: 10, ..Filter::default() };
        let letters = list(&world.store, &filter).await.unwrap();
        letters.iter().any(|letter| letter.reason == "scope_mismatch")
    })
    .await;
    assert!(world.list().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_of_a_number_changes_nothing() {
    let world = World::on(Backend::Sqlite).await;
    world.number_says(|number| "BANNED".clone_into(&mut number.status)).await;
    let old = proto::assets::v1::Number {
        id: world.number.id.to_string(),
        tenant_id: world.number.tenant.to_string(),
        waba_id: world.number.waba.to_string(),
        status: "CONNECTED".to_owned(),
        registered: true,
        version: 1,
        ..Default::default()
    };
    let about =
        About::state(world.number.id.uuid(), 1).of(world.number.tenant).within(world.number.waba);
    let event = proto::events::v1::NumberChanged { number: Some(old), partner_id: String::new() };
    world.publish(about, &event).await;
    until("the ban", async || {
        let request = crate::support::send(&world.number, "+351912000111", "Hello");
        let answer = world.caller().messages.send_message(request).await;
        answer.is_err_and(|refused| refused.message().contains("BANNED"))
    })
    .await;
    world.publish(about, &event).await;
    world.template_says("later", "UTILITY", "APPROVED", "Later").await;
    let request = crate::support::send(&world.number, "+351912000111", "Hello");
    let refused = world.caller().messages.send_message(request).await.unwrap_err();
    assert!(refused.message().contains("BANNED"));
}
