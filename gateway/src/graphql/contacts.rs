//! Contacts and conversations.

use async_graphql::{Context, InputObject, Object, Result};
use proto::messaging::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, nested_cost, page_cost};
use super::error::payloads;
use super::messages::{self, Message};
use super::node::must_be;
use super::numbers::{self, Number};
use super::scalars::{DateTime, ID, at, given, maybe_at, some};
use super::words::{ConsentCategory, Contract as _, Order, Wish, Word as _};

/// A customer of the tenant.
#[derive(Debug)]
pub(crate) struct Contact(pub(crate) pb::Contact);

/// A customer of the tenant.
#[Object]
impl Contact {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    /// Phone number; null where Meta gave none.
    async fn e164(&self) -> Option<&str> {
        some(&self.0.e164)
    }

    /// Business-scoped user id; null where Meta gave none.
    async fn bsuid(&self) -> Option<&str> {
        some(&self.0.bsuid)
    }

    async fn name(&self) -> Option<&str> {
        some(&self.0.name)
    }

    async fn username(&self) -> Option<&str> {
        some(&self.0.username)
    }

    /// Whether they want no marketing.
    async fn opted_out_marketing(&self) -> bool {
        self.0.opted_out_marketing
    }

    /// Whether they want nothing at all.
    async fn opted_out_all(&self) -> bool {
        self.0.opted_out_all
    }

    /// Categories of which an opt-in is recorded.
    async fn opted_in(&self) -> Vec<ConsentCategory> {
        self.0.opted_in.iter().filter_map(|word| ConsentCategory::of(word)).collect()
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }
}

/// All that one number and one contact said to each other.
#[derive(Debug)]
pub(crate) struct Conversation(pub(crate) pb::Conversation);

/// All that one number and one contact said to each other.
#[Object]
impl Conversation {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn number(&self, ctx: &Context<'_>) -> Result<Option<Number>> {
        numbers::load(Call::of(ctx)?, &self.0.number_id).await
    }

    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Contact>> {
        load_contact(Call::of(ctx)?, &self.0.contact_id).await
    }

    /// Who answers: `agent`, `bot`, `mba` or `phone_app`; null when nobody does.
    async fn holder_kind(&self) -> Option<&str> {
        some(&self.0.holder_kind)
    }

    /// Id of the agent, or name of the bot.
    async fn holder(&self) -> Option<&str> {
        some(&self.0.holder)
    }

    /// When the customer service window ends; null when none is open.
    async fn window_ends_at(&self) -> Option<DateTime> {
        maybe_at(self.0.window_ends_us)
    }

    async fn last_message_at(&self) -> Option<DateTime> {
        (self.0.last_message_us != 0).then(|| at(self.0.last_message_us))
    }

    /// Messages of the customer that nobody has read.
    async fn unread(&self) -> u32 {
        self.0.unread
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// Its messages, both ways.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Message>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListMessagesRequest {
            page: Some(paging.request()),
            conversation_id: self.0.id.clone(),
            ..Default::default()
        };
        messages::list(call, &paging, request).await
    }
}

/// A contact by id, as far as the caller sees it.
pub(crate) async fn load_contact(call: &Call, id: &str) -> Result<Option<Contact>> {
    let found = call.load.contacts.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Contact))
}

/// A conversation by id, as far as the caller sees it.
pub(crate) async fn load_conversation(call: &Call, id: &str) -> Result<Option<Conversation>> {
    let found = call.load.conversations.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Conversation))
}

#[derive(Debug, Default)]
pub(crate) struct ContactQuery;

#[Object]
impl ContactQuery {
    /// One contact.
    async fn contact(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Contact>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Contact>(call, &id)?;
        load_contact(call, &id).await
    }

    /// Contacts that the caller may see.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Contact>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListContactsRequest { page: Some(paging.request()) };
        let answer = call.answered(call.contacts().list_contacts(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Contact))
    }

    /// One conversation.
    async fn conversation(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Conversation>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Conversation>(call, &id)?;
        load_conversation(call, &id).await
    }

    /// Conversations that the caller may see, of one number or WABA where it is named.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        number_id: Option<ID>,
        waba_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Conversation>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListConversationsRequest {
            page: Some(paging.request()),
            number_id: given(number_id),
            waba_id: given(waba_id),
        };
        let answer = call.answered(call.conversations().list_conversations(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Conversation))
    }
}

#[derive(Debug, InputObject)]
struct ContactCreateInput {
    waba_id: ID,
    /// E.164 with or without `+`, or a business-scoped user id.
    to: String,
}

#[derive(Debug, InputObject)]
struct ConsentSetInput {
    contact_id: ID,
    category: ConsentCategory,
    wish: Wish,
}

#[derive(Debug, InputObject)]
struct ConversationTakeInput {
    conversation_id: ID,
    /// agent, where it is absent, or bot.
    holder_kind: Option<String>,
    /// Name of the bot, where it is one.
    holder: Option<String>,
}

#[derive(Debug, InputObject)]
struct ConversationPassInput {
    conversation_id: ID,
    /// agent or bot.
    holder_kind: String,
    /// Id of the agent, or name of the bot.
    holder: Option<String>,
}

#[derive(Debug, InputObject)]
struct ConversationReleaseInput {
    conversation_id: ID,
}

payloads! {
    ContactCreatePayload { contact: Contact }
    ConsentSetPayload { contact: Contact }
    ConversationTakePayload { conversation: Conversation }
    ConversationPassPayload { conversation: Conversation }
    ConversationReleasePayload { conversation: Conversation }
}

#[derive(Debug, Default)]
pub(crate) struct ContactMutation;

#[Object]
impl ContactMutation {
    /// Makes a contact of somebody who has not been written to yet, so that consent can be recorded first. Who is known
    /// already is answered as known.
    async fn contact_create(
        &self,
        ctx: &Context<'_>,
        input: ContactCreateInput,
    ) -> Result<ContactCreatePayload> {
        let call = Call::of(ctx)?;
        let request = pb::CreateContactRequest { waba_id: input.waba_id.0, to: input.to };
        call.settle(call.contacts().create_contact(request).await, |answer| ContactCreatePayload {
            contact: answer.contact.map(Contact),
            ..Default::default()
        })
    }

    /// Records what a customer wants of a category, or takes it back. An opt-out is of MARKETING or of ALL, and of ALL
    /// it takes every opt-in back; an opt-in is of MARKETING, UTILITY or AUTHENTICATION.
    async fn consent_set(
        &self,
        ctx: &Context<'_>,
        input: ConsentSetInput,
    ) -> Result<ConsentSetPayload> {
        let call = Call::of(ctx)?;
        let request = pb::SetConsentRequest {
            contact_id: input.contact_id.0,
            category: input.category.word().to_owned(),
            wish: input.wish.number(),
        };
        call.settle(call.contacts().set_consent(request).await, |answer| ConsentSetPayload {
            contact: answer.contact.map(Contact),
            ..Default::default()
        })
    }

    /// Takes a conversation: the caller, or the named bot, holds it.
    async fn conversation_take(
        &self,
        ctx: &Context<'_>,
        input: ConversationTakeInput,
    ) -> Result<ConversationTakePayload> {
        let call = Call::of(ctx)?;
        let request = pb::TakeConversationRequest {
            conversation_id: input.conversation_id.0,
            holder_kind: input.holder_kind.unwrap_or_default(),
            holder: input.holder.unwrap_or_default(),
        };
        call.settle(call.conversations().take_conversation(request).await, |answer| {
            ConversationTakePayload {
                conversation: answer.conversation.map(Conversation),
                ..Default::default()
            }
        })
    }

    /// Passes a conversation that the caller holds to somebody else.
    async fn conversation_pass(
        &self,
        ctx: &Context<'_>,
        input: ConversationPassInput,
    ) -> Result<ConversationPassPayload> {
        let call = Call::of(ctx)?;
        let request = pb::PassConversationRequest {
            conversation_id: input.conversation_id.0,
            holder_kind: input.holder_kind,
            holder: input.holder.unwrap_or_default(),
        };
        call.settle(call.conversations().pass_conversation(request).await, |answer| {
            ConversationPassPayload {
                conversation: answer.conversation.map(Conversation),
                ..Default::default()
            }
        })
    }

    /// Lets a conversation go: nobody holds it.
    async fn conversation_release(
        &self,
        ctx: &Context<'_>,
        input: ConversationReleaseInput,
    ) -> Result<ConversationReleasePayload> {
        let call = Call::of(ctx)?;
        let request = pb::ReleaseConversationRequest { conversation_id: input.conversation_id.0 };
        call.settle(call.conversations().release_conversation(request).await, |answer| {
            ConversationReleasePayload {
                conversation: answer.conversation.map(Conversation),
                ..Default::default()
            }
        })
    }
}
