//! Who holds a conversation, and lists in both orders.

use proto::common::v1::{Order, Page};
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::json;
use server::Refusal;
use store::Backend;
use testkit::until;

use crate::support::{World, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_does_not_hold_a_conversation_is_silent() {
    let world = World::on(Backend::Sqlite).await;
    world.says("351912000111", "Hello").await;
    until("the message", async || world.list().await.len() == 1).await;
    let conversation_id = world.list().await.remove(0).conversation_id;
    let mut caller = world.caller();
    let bot = pb::SendMessageRequest {
        origin: pb::Origin::Automation.into(),
        ..send(&world.number, "+351912000111", "I am a bot")
    };
    let refused = caller.messages.send_message(bot.clone()).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "CONVERSATION_HELD");
    let give = pb::TakeConversationRequest {
        conversation_id: conversation_id.clone(),
        holder_kind: "bot".to_owned(),
        holder: "faq".to_owned(),
    };
    caller.conversations.take_conversation(give).await.unwrap();
    caller.messages.send_message(bot.clone()).await.unwrap();
    // A person steps in.
    let take = pb::TakeConversationRequest {
        conversation_id: conversation_id.clone(),
        ..Default::default()
    };
    let held = caller.conversations.take_conversation(take).await.unwrap().into_inner();
    assert_eq!(held.conversation.unwrap().holder_kind, "agent");
    caller.messages.send_message(bot).await.unwrap_err();
    let mut other = world.caller();
    let release = pb::ReleaseConversationRequest { conversation_id: conversation_id.clone() };
    let refused = other.conversations.release_conversation(release.clone()).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "NOT_HOLDER");
    let pass = pb::PassConversationRequest {
        conversation_id,
        holder_kind: "bot".to_owned(),
        holder: "faq".to_owned(),
    };
    for (kind, holder) in [("agent", ""), ("bot", ""), ("", ""), ("agent", "a colleague")] {
        let nobody = pb::PassConversationRequest {
            holder_kind: kind.to_owned(),
            holder: holder.to_owned(),
            ..pass.clone()
        };
        let refused = caller.conversations.pass_conversation(nobody).await.unwrap_err();
        let refused = Refusal::of(&refused);
        let field = if kind.is_empty() { "holder_kind" } else { "holder" };
        assert_eq!(
            (refused.reason.as_str(), refused.violations[0].0.as_str()),
            ("INVALID_HOLDER", field)
        );
    }
    let passed = caller.conversations.pass_conversation(pass).await.unwrap().into_inner();
    assert_eq!(passed.conversation.unwrap().holder, "faq");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_in_both_orders(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(world.text(&format!("+35191200011{n}"), "Hello").await.id);
    }
    let mut caller = world.caller();
    let mut pages = async |token: &str, order: Order| {
        let page = Page { page_size: 2, page_token: token.to_owned(), order: order.into() };
        let request = pb::ListMessagesRequest { page: Some(page), ..Default::default() };
        let answer = caller.messages.list_messages(request).await.unwrap().into_inner();
        let ids: Vec<String> = answer.items.into_iter().map(|item| item.id).collect();
        (ids, answer.page_info.unwrap())
    };
    let (first, info) = pages("", Order::NewestFirst).await;
    assert_eq!(first, [sent[4].clone(), sent[3].clone()]);
    let (second, info) = pages(&info.next_page_token, Order::NewestFirst).await;
    assert_eq!(second, [sent[2].clone(), sent[1].clone()]);
    // Backwards from the first of this page: the other order.
    let (back, _) = pages(&info.cursors[0], Order::OldestFirst).await;
    assert_eq!(back, [sent[3].clone(), sent[4].clone()]);
    let (last, info) = pages(&info.next_page_token, Order::NewestFirst).await;
    assert_eq!((last, info.next_page_token.as_str()), (vec![sent[0].clone()], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_the_same_however_long_it_is() {
    let world = World::on(Backend::Sqlite).await;
    let body = json!({"type": "text", "text": {"body": "x"}}).to_string();
    for n in 0..30 {
        let request = pb::SendMessageRequest {
            body_json: body.clone(),
            ..send(&world.number, &format!("+3519120{n:05}"), "")
        };
        world.caller().messages.send_message(request).await.unwrap();
    }
    let ids: Vec<String> = world.list().await.into_iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), 30);
    let request = pb::BatchGetMessagesRequest { message_ids: ids };
    let found = world.caller().messages.batch_get_messages(request).await.unwrap();
    assert_eq!(found.into_inner().messages.len(), 30);
}
