//! Messages, in either direction.

use async_graphql::{Context, InputObject, Object, Result};
use proto::messaging::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, call_cost, page_cost};
use super::contacts::{self, Contact, Conversation};
use super::content::MessageContentInput;
use super::error::{or_refuse, payloads};
use super::explanations::MetaError;
use super::node::must_be;
use super::numbers::{self, Number};
use super::scalars::{
    DateTime, ID, Json, at, given, idempotency_key, json, maybe_at, micros, some,
};
use super::templates::{self, Template};
use super::words::{Contract as _, Direction, Dispatch, MessageStatus, Order, Origin, Word as _};
use crate::refusal::Refusal;

/// A message, in either direction.
#[derive(Debug)]
pub(crate) struct Message(pub(crate) pb::Message);

/// A message, in either direction.
#[Object]
impl Message {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    /// Meta's id (wamid); null until Meta answered.
    async fn meta_id(&self) -> Option<&str> {
        some(&self.0.meta_id)
    }

    async fn number(&self, ctx: &Context<'_>) -> Result<Option<Number>> {
        numbers::load(Call::of(ctx)?, &self.0.number_id).await
    }

    async fn conversation(&self, ctx: &Context<'_>) -> Result<Option<Conversation>> {
        match some(&self.0.conversation_id) {
            Some(id) => contacts::load_conversation(Call::of(ctx)?, id).await,
            None => Ok(None),
        }
    }

    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Contact>> {
        match some(&self.0.contact_id) {
            Some(id) => contacts::load_contact(Call::of(ctx)?, id).await,
            None => Ok(None),
        }
    }

    /// The template that it was made from, where it was.
    async fn template(&self, ctx: &Context<'_>) -> Result<Option<Template>> {
        match some(&self.0.template_id) {
            Some(id) => templates::load(Call::of(ctx)?, id).await,
            None => Ok(None),
        }
    }

    async fn direction(&self) -> Direction {
        Direction::of(self.0.direction)
    }

    /// Where an outbound message came from.
    async fn origin(&self) -> Option<Origin> {
        (self.0.origin != 0).then(|| Origin::of(self.0.origin))
    }

    /// Meta's word: text, template, image …
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.r#type
    }

    /// Meta's message object.
    async fn body(&self) -> Option<Json> {
        json(&self.0.body_json)
    }

    async fn status(&self) -> Option<MessageStatus> {
        MessageStatus::of(&self.0.status)
    }

    /// How far we are with an outbound message.
    async fn dispatch(&self) -> Option<Dispatch> {
        Dispatch::of(&self.0.dispatch)
    }

    /// Why it failed: a stable word of ours, or `meta`.
    async fn failure_reason(&self) -> Option<&str> {
        some(&self.0.failure_reason)
    }

    /// What Meta said, where Meta said no.
    async fn meta_error(&self) -> Option<MetaError> {
        self.0.meta_error.clone().map(MetaError)
    }

    /// What Meta counts it as: of a template its category, else `service`, once it is known.
    async fn category(&self) -> Option<&str> {
        some(&self.0.category)
    }

    /// Recipient or sender as Meta names them: digits, or a business-scoped user id.
    async fn counterpart(&self) -> &str {
        &self.0.counterpart
    }

    /// The message that this one quotes.
    async fn context_message(&self, ctx: &Context<'_>) -> Result<Option<Self>> {
        match some(&self.0.context_message_id) {
            Some(id) => load(Call::of(ctx)?, id).await,
            None => Ok(None),
        }
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// Held back until then: a schedule, or pacing.
    async fn not_before(&self) -> Option<DateTime> {
        maybe_at(self.0.not_before_us)
    }

    /// Every step of its path, oldest first: why it was, or was not, delivered.
    #[graphql(complexity = "call_cost(child_complexity)")]
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<MessageStep>> {
        let call = Call::of(ctx)?;
        let request = pb::ListMessageStepsRequest { message_id: self.0.id.clone() };
        let answer = call.answered(call.messages().list_message_steps(request).await)?;
        Ok(answer.steps.into_iter().map(MessageStep).collect())
    }
}

/// One step of a message's path.
#[derive(Debug)]
pub(crate) struct MessageStep(pb::MessageStep);

/// One step of a message's path.
#[Object]
impl MessageStep {
    /// `accepted_by_us`, `queued`, `claimed`, `sending`, `accepted`, `sent`, `delivered`, `read`, `played`, `failed`,
    /// `unknown`, `requeued`, `cancelled`, `expired` or `received`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// When it happened: Meta's time where Meta told it.
    async fn at(&self) -> DateTime {
        at(self.0.at_us)
    }

    async fn detail(&self) -> Option<&str> {
        some(&self.0.detail)
    }

    async fn meta_error(&self) -> Option<MetaError> {
        self.0.meta_error.clone().map(MetaError)
    }
}

/// A message by id, as far as the caller sees it.
pub(crate) async fn load(call: &Call, id: &str) -> Result<Option<Message>> {
    let found = call.load.messages.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Message))
}

/// Messages that the caller may see.
pub(crate) async fn list(
    call: &Call,
    paging: &Paging,
    request: pb::ListMessagesRequest,
) -> Result<Connection<Message>> {
    let answer = call.answered(call.messages().list_messages(request).await)?;
    Ok(paging.connection(answer.items, answer.page_info, Message))
}

#[derive(Debug, Default)]
pub(crate) struct MessageQuery;

#[Object]
impl MessageQuery {
    /// One message.
    async fn message(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Message>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Message>(call, &id)?;
        load(call, &id).await
    }

    /// Messages that the caller may see, of one conversation, number or WABA where it is named.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        conversation_id: Option<ID>,
        number_id: Option<ID>,
        waba_id: Option<ID>,
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
            conversation_id: given(conversation_id),
            number_id: given(number_id),
            waba_id: given(waba_id),
        };
        list(call, &paging, request).await
    }
}

#[derive(Debug, InputObject)]
struct MessageSendInput {
    /// The number that sends.
    number_id: ID,
    /// E.164 with or without `+`, or a business-scoped user id.
    to: String,
    content: MessageContentInput,
    /// A message to quote: our id or Meta's wamid.
    context_message_id: Option<String>,
    /// Your own data, given back in your webhooks; at most 512 characters.
    callback_data: Option<String>,
    /// Not before then, at most 30 days ahead; absent means now.
    send_at: Option<DateTime>,
    /// Give up when it has not left by then, at most 30 days after it may leave; absent means what suits the type.
    expires_at: Option<DateTime>,
    /// The same key with the same input answers the same message for 7 days.
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct MessageCancelInput {
    message_id: ID,
}

#[derive(Debug, InputObject)]
struct MessageMarkReadInput {
    /// Our id of the inbound message.
    message_id: ID,
    /// Shows "typing…" for up to 25 s.
    #[graphql(default)]
    typing: bool,
}

payloads! {
    MessageSendPayload { message: Message }
    MessageCancelPayload { message: Message }
    MessageMarkReadPayload { message: Message }
}

/// Names what is wrong with a message by the input's own fields: messaging speaks of Meta's object, which `content`
/// becomes a part of; `whole` where `content.json` is that object.
fn about_content(mut refusal: Refusal, whole: bool) -> Refusal {
    for (field, _) in &mut refusal.violations {
        let root = field.split(['.', '[']).next().unwrap_or_default();
        let named = match root {
            "recipient" => "to".to_owned(),
            "context" => "context_message_id".to_owned(),
            "biz_opaque_callback_data" => "callback_data".to_owned(),
            "body_json" if whole => field.replacen("body_json", "body_json.json", 1),
            "to" | "number_id" | "context_message_id" | "callback_data" | "idempotency_key"
            | "send_at_us" | "expires_us" | "body_json" => continue,
            _ if whole => format!("body_json.json.{field}"),
            _ => format!("body_json.{field}"),
        };
        *field = named;
    }
    refusal
}

#[derive(Debug, Default)]
pub(crate) struct MessageMutation;

#[Object]
impl MessageMutation {
    /// Accepts a message: validates and stores it, and answers. Sending happens after.
    async fn message_send(
        &self,
        ctx: &Context<'_>,
        input: MessageSendInput,
    ) -> Result<MessageSendPayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let whole = matches!(input.content, MessageContentInput::Json(_));
        let request = pb::SendMessageRequest {
            number_id: input.number_id.0,
            to: input.to,
            body_json: input.content.body().to_string(),
            context_message_id: input.context_message_id.unwrap_or_default(),
            idempotency_key,
            callback_data: input.callback_data.unwrap_or_default(),
            origin: pb::Origin::Api.into(),
            send_at_us: micros(input.send_at),
            expires_us: micros(input.expires_at),
        };
        let answer = call.messages().send_message(request).await;
        match answer.map_err(|status| about_content(status.into(), whole)) {
            Ok(answer) => Ok(MessageSendPayload {
                message: answer.into_inner().message.map(Message),
                ..Default::default()
            }),
            Err(refusal) => call.refused(&refusal),
        }
    }

    /// Cancels a message that is not yet on the wire.
    async fn message_cancel(
        &self,
        ctx: &Context<'_>,
        input: MessageCancelInput,
    ) -> Result<MessageCancelPayload> {
        let call = Call::of(ctx)?;
        let request = pb::CancelMessageRequest { message_id: input.message_id.0 };
        call.settle(call.messages().cancel_message(request).await, |answer| MessageCancelPayload {
            message: answer.message.map(Message),
            ..Default::default()
        })
    }

    /// Tells the customer that their message was read.
    async fn message_mark_read(
        &self,
        ctx: &Context<'_>,
        input: MessageMarkReadInput,
    ) -> Result<MessageMarkReadPayload> {
        let call = Call::of(ctx)?;
        let id = input.message_id.0;
        let request = pb::MarkReadRequest {
            message_id: id.clone(),
            typing: input.typing,
            ..Default::default()
        };
        let mut payload: MessageMarkReadPayload = call
            .settle(call.messages().mark_read(request).await, |_| {
                MessageMarkReadPayload::default()
            })?;
        if payload.user_errors.is_empty() {
            payload.message = load(call, &id).await?;
        }
        Ok(payload)
    }
}
