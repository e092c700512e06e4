//! A key of one environment sees nothing of the other's WABAs; a person sees both (AUTH-15).

use std::time::Duration;

use auth::Environment;
use kernel::clock::Clock as _;
use kernel::id::{NumberId, WabaId};
use proto::messaging::v1 as pb;
use rstest::rstest;
use store::Backend;
use testkit::{fresh, within};
use tokio_stream::StreamExt as _;
use tonic::{Code, Streaming};

use crate::isolation::{attacks, nothing, same};
use crate::support::{Caller, Number, World, send};

/// A number of the same tenant whose WABA is a live one.
async fn live_number(world: &World) -> Number {
    let number = Number {
        waba: WabaId::from_uuid(fresh()),
        id: NumberId::from_uuid(fresh()),
        meta_id: "77".to_owned(),
        waba_meta_id: "66".to_owned(),
        environment: "live",
        ..world.number.clone()
    };
    world.tell_of(&number).await;
    number
}

/// A message of that number that waits: there is no such number at Meta.
async fn scheduled(world: &World, number: &Number, to: &str) -> pb::Message {
    let at = world.clock.now() + Duration::from_hours(1);
    let request =
        pb::SendMessageRequest { send_at_us: Some(at.as_micros()), ..send(number, to, "Hello") };
    let answer = world.caller().messages.send_message(request).await.unwrap();
    answer.into_inner().message.unwrap()
}

/// Ids of messages, contacts and conversations that a caller's lists show, oldest first.
async fn listed(caller: &mut Caller) -> [Vec<String>; 3] {
    let oldest_first = proto::common::v1::Page {
        order: proto::common::v1::Order::OldestFirst.into(),
        ..Default::default()
    };
    let page = Some(oldest_first);
    let request = pb::ListMessagesRequest { page: page.clone(), ..Default::default() };
    let messages = caller.messages.list_messages(request).await.unwrap().into_inner().items;
    let request = pb::ListContactsRequest { page: page.clone() };
    let contacts = caller.contacts.list_contacts(request).await.unwrap().into_inner().items;
    let request = pb::ListConversationsRequest { page, ..Default::default() };
    let all = caller.conversations.list_conversations(request).await.unwrap().into_inner().items;
    [
        messages.into_iter().map(|one| one.id).collect(),
        contacts.into_iter().map(|one| one.id).collect(),
        all.into_iter().map(|one| one.id).collect(),
    ]
}

/// The same of these two, asked for by id.
async fn batched(caller: &mut Caller, two: [&pb::Message; 2]) -> [Vec<String>; 3] {
    let ids = |of: fn(&pb::Message) -> &String| two.map(of).map(String::clone).to_vec();
    let request = pb::BatchGetMessagesRequest { message_ids: ids(|one| &one.id) };
    let found = caller.messages.batch_get_messages(request).await.unwrap().into_inner();
    let request = pb::BatchGetContactsRequest { contact_ids: ids(|one| &one.contact_id) };
    let contacts = caller.contacts.batch_get_contacts(request).await.unwrap().into_inner();
    let request =
        pb::BatchGetConversationsRequest { conversation_ids: ids(|one| &one.conversation_id) };
    let all = caller.conversations.batch_get_conversations(request).await.unwrap().into_inner();
    let mut batches = [
        found.messages.into_iter().map(|one| one.id).collect::<Vec<_>>(),
        contacts.contacts.into_iter().map(|one| one.id).collect(),
        all.conversations.into_iter().map(|one| one.id).collect(),
    ];
    for batch in &mut batches {
        batch.sort();
    }
    batches
}

fn ids_of(messages: &[&pb::Message]) -> [Vec<String>; 3] {
    let of = |id: fn(&pb::Message) -> &String| messages.iter().map(|one| id(one).clone()).collect();
    [of(|one| &one.id), of(|one| &one.contact_id), of(|one| &one.conversation_id)]
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_key_finds_nothing_of_the_other_environment(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let live = live_number(&world).await;
    let of_live = &scheduled(&world, &live, "+351912000222").await;
    let of_sandbox = &world.text("+351912000111", "Hello").await;
    let key = |environment| world.wide_key(world.number.tenant, environment);
    let mut caller = key(Environment::Sandbox);
    let (conversation, contact) = (&of_live.conversation_id, &of_live.contact_id);
    let foreign = attacks(&mut caller, &live, &of_live.id, contact, conversation).await;
    let (number, message, contact, conversation) = nothing(&world);
    let absent = attacks(&mut caller, &number, &message, &contact, &conversation).await;
    for (foreign, absent) in foreign.iter().zip(&absent) {
        same(foreign, absent);
    }
    let request =
        pb::CreateContactRequest { waba_id: live.waba.to_string(), to: "+351912000333".to_owned() };
    let refused = caller.contacts.create_contact(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let both = [of_live, of_sandbox];
    for (environment, sees) in
        [(Environment::Sandbox, vec![of_sandbox]), (Environment::Live, vec![of_live])]
    {
        assert_eq!(listed(&mut key(environment)).await, ids_of(&sees), "{environment}");
        assert_eq!(batched(&mut key(environment), both).await, ids_of(&sees), "{environment}");
    }
    assert_eq!(listed(&mut world.caller()).await, ids_of(&both));
    // Nothing was done to it: its own key takes it back.
    let request = pb::CancelMessageRequest { message_id: of_live.id.clone() };
    key(Environment::Live).messages.cancel_message(request).await.unwrap();
}

async fn watch(mut caller: Caller, after: &str) -> Streaming<pb::WatchMessagesResponse> {
    let request = pb::WatchMessagesRequest { after: after.to_owned(), ..Default::default() };
    caller.messages.watch_messages(request).await.unwrap().into_inner()
}

/// Reads until a message is delivered; answers the ids of all that was seen, and the last cursor.
async fn until_delivered(
    stream: &mut Streaming<pb::WatchMessagesResponse>,
    id: &str,
) -> (Vec<String>, String) {
    let seen = async {
        let mut ids = Vec::new();
        while let Some(item) = stream.next().await {
            let item = item.unwrap();
            let message = item.message.unwrap();
            let is_last = message.id == id && message.status == "delivered";
            ids.push(message.id);
            if is_last {
                ids.dedup();
                return (ids, item.cursor);
            }
        }
        panic!("the stream ended before {id} was delivered");
    };
    within("the delivery", seen).await
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_a_key_its_own_environment_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let live = live_number(&world).await;
    let key = || world.wide_key(world.number.tenant, Environment::Sandbox);
    let (mut all, mut own) = (watch(world.caller(), "").await, watch(key(), "").await);
    let before = world.text("+351912000444", "Before").await.id;
    let (_, cursor) = until_delivered(&mut own, &before).await;
    until_delivered(&mut all, &before).await;
    // As it happens: the tail tells a person of both.
    let of_live = scheduled(&world, &live, "+351912000222").await.id;
    let of_sandbox = world.text("+351912000111", "Hello").await.id;
    let (mut seen, _) = until_delivered(&mut all, &of_sandbox).await;
    seen.sort();
    seen.dedup();
    assert!(seen.contains(&of_live), "{seen:?}");
    let (seen, _) = until_delivered(&mut own, &of_sandbox).await;
    assert!(!seen.contains(&of_live), "{seen:?}");
    // And out of the database, by a stream that comes back.
    let (seen, _) = until_delivered(&mut watch(world.caller(), &cursor).await, &of_sandbox).await;
    assert!(seen.contains(&of_live), "{seen:?}");
    let (seen, _) = until_delivered(&mut watch(key(), &cursor).await, &of_sandbox).await;
    assert!(!seen.contains(&of_live), "{seen:?}");
}
