//! What is not yours does not exist: another tenant's, another WABA's, another environment's.

use auth::Environment;
use kernel::clock::Clock as _;
use kernel::id::{ContactId, ConversationId, MessageId, NumberId, TenantId, WabaId};
use kernel::ids::SystemIds;
use proto::messaging::v1 as pb;
use rstest::rstest;
use store::Backend;
use tonic::{Code, Status};

use crate::support::{Caller, Number, World, send};

/// Holds a refusal of a foreign thing to be that of an absent one.
pub(crate) fn same(foreign: &Status, absent: &Status) {
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!(foreign.message(), absent.message());
    assert_eq!(foreign.details(), absent.details());
}

/// Every call that names something, once with these ids.
pub(crate) async fn attacks(
    caller: &mut Caller,
    number: &Number,
    message: &str,
    contact: &str,
    conversation: &str,
) -> Vec<Status> {
    let mut refusals = Vec::new();
    let mut note = |refused: Result<(), Status>| refusals.push(refused.unwrap_err());
    let (m, c, v) = (message.to_owned(), contact.to_owned(), conversation.to_owned());
    let request = send(number, "+351912000111", "Hello");
    note(caller.messages.send_message(request).await.map(drop));
    let request = by_meta_id(number);
    note(caller.messages.send_message(request).await.map(drop));
    let request = pb::GetMessageRequest { message_id: m.clone() };
    note(caller.messages.get_message(request).await.map(drop));
    let request = pb::ListMessageStepsRequest { message_id: m.clone() };
    note(caller.messages.list_message_steps(request).await.map(drop));
    let request = pb::CancelMessageRequest { message_id: m.clone() };
    note(caller.messages.cancel_message(request).await.map(drop));
    let request = pb::MarkReadRequest { message_id: m, ..Default::default() };
    note(caller.messages.mark_read(request).await.map(drop));
    let request = pb::GetContactRequest { contact_id: c.clone() };
    note(caller.contacts.get_contact(request).await.map(drop));
    let request = pb::SetConsentRequest {
        contact_id: c,
        category: "all".to_owned(),
        wish: pb::Wish::OptedOut.into(),
    };
    note(caller.contacts.set_consent(request).await.map(drop));
    let request = pb::GetConversationRequest { conversation_id: v.clone() };
    note(caller.conversations.get_conversation(request).await.map(drop));
    let request = pb::TakeConversationRequest {
        conversation_id: v.clone(),
        holder_kind: "bot".to_owned(),
        holder: "x".to_owned(),
    };
    note(caller.conversations.take_conversation(request).await.map(drop));
    let request = pb::ReleaseConversationRequest { conversation_id: v };
    note(caller.conversations.release_conversation(request).await.map(drop));
    refusals
}

/// What the Cloud API edge asks: the number by Meta's id of it.
fn by_meta_id(number: &Number) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        number_id: number.meta_id.clone(),
        ..send(number, "+351912000111", "Hello")
    }
}

/// A number and ids that never were.
pub(crate) fn nothing(world: &World) -> (Number, String, String, String) {
    let (ids, now) = (SystemIds::new(), world.clock.now());
    let number = Number {
        id: NumberId::mint(&ids, now),
        meta_id: "100000000000000".to_owned(),
        ..world.number.clone()
    };
    (
        number,
        MessageId::mint(&ids, now).to_string(),
        ContactId::mint(&ids, now).to_string(),
        ConversationId::mint(&ids, now).to_string(),
    )
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_things_are_as_if_they_never_were(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let mine = world.text("+351912000111", "Hello").await;
    let (ids, now) = (SystemIds::new(), world.clock.now());
    let stranger = Number { tenant: TenantId::mint(&ids, now), ..world.number.clone() };
    let mut attacker = world.caller_of(&stranger);
    let foreign =
        attacks(&mut attacker, &world.number, &mine.id, &mine.contact_id, &mine.conversation_id)
            .await;
    let (number, message, contact, conversation) = nothing(&world);
    let absent = attacks(&mut attacker, &number, &message, &contact, &conversation).await;
    for (foreign, absent) in foreign.iter().zip(&absent) {
        same(foreign, absent);
    }
    // The rightful caller passes with the same ids.
    let request = pb::GetMessageRequest { message_id: mine.id.clone() };
    world.caller().messages.get_message(request).await.unwrap();
    let listed = attacker.messages.list_messages(pb::ListMessagesRequest::default()).await;
    assert!(listed.unwrap().into_inner().items.is_empty());
    let request = pb::BatchGetMessagesRequest { message_ids: vec![mine.id] };
    let batch = attacker.messages.batch_get_messages(request).await.unwrap().into_inner();
    assert!(batch.messages.is_empty());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_waba_sees_nothing_of_another(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let mine = world.text("+351912000111", "Hello").await;
    let other = WabaId::mint(&SystemIds::new(), world.clock.now());
    let mut limited = world.key(world.number.tenant, other, Environment::Sandbox);
    let foreign =
        attacks(&mut limited, &world.number, &mine.id, &mine.contact_id, &mine.conversation_id)
            .await;
    assert!(foreign.iter().all(|refused| refused.code() == Code::NotFound), "{foreign:?}");
    let listed = limited.contacts.list_contacts(pb::ListContactsRequest::default()).await;
    assert!(listed.unwrap().into_inner().items.is_empty());
    let conversations = pb::ListConversationsRequest::default();
    let listed = limited.conversations.list_conversations(conversations).await;
    assert!(listed.unwrap().into_inner().items.is_empty());
    let mut rightful = world.key(world.number.tenant, world.number.waba, Environment::Sandbox);
    let request = pb::GetContactRequest { contact_id: mine.contact_id };
    rightful.contacts.get_contact(request).await.unwrap();
    let request = send(&world.number, "+351912000111", "Hello");
    rightful.messages.send_message(request).await.unwrap();
    rightful.messages.send_message(by_meta_id(&world.number)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_does_not_find_a_number_of_the_sandbox() {
    let world = World::on(Backend::Sqlite).await;
    let mut live = world.key(world.number.tenant, world.number.waba, Environment::Live);
    for request in [send(&world.number, "+351912000111", "Hello"), by_meta_id(&world.number)] {
        let refused = live.messages.send_message(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_tenant_is_refused() {
    let world = World::on(Backend::Sqlite).await;
    world.text("+351912000111", "Hello").await;
    let mine = world.caller().messages.list_messages(pb::ListMessagesRequest::default()).await;
    let cursor = mine.unwrap().into_inner().page_info.unwrap().cursors.remove(0);
    let stranger = TenantId::mint(&SystemIds::new(), world.clock.now());
    let stranger = Number { tenant: stranger, ..world.number.clone() };
    let page = proto::common::v1::Page { page_token: cursor, ..Default::default() };
    let request = pb::ListMessagesRequest { page: Some(page), ..Default::default() };
    let refused = world.caller_of(&stranger).messages.list_messages(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_follows_the_rules(#[case] backend: Backend) {
    let world = World::on(backend).await;
    assert_eq!(world.catalogue_faults().await, Vec::<String>::new());
}
