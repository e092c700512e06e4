//! Subscriptions: each over a Watch stream of the service that owns the things. Every item carries its cursor;
//! with `after` a subscriber goes on where an earlier socket ended.

use async_graphql::{Context, Result, SimpleObject, Subscription};
use futures::{Stream, StreamExt as _};
use proto::messaging::v1 as messaging;
use proto::messaging::v1::message_service_client::MessageServiceClient;
use proto::onboarding::v1 as onboarding;
use proto::onboarding::v1::onboarding_service_client::OnboardingServiceClient;
use tonic::Status;

use super::call::Call;
use super::messages::Message;
use super::onboardings::Onboarding;
use super::scalars::{ID, given};
use super::watch::{Seen, follow};

/// An onboarding that moved.
#[derive(Debug, SimpleObject)]
pub(crate) struct OnboardingEvent {
    /// Where to go on: give it as `after`.
    cursor: String,
    /// The stream fell behind and was opened again. What was missed comes again from the cursor; where there is none
    /// yet, list anew what you need.
    resync: bool,
    onboarding: Option<Onboarding>,
}

/// A message that moved, or came in.
#[derive(Debug, SimpleObject)]
pub(crate) struct MessageEvent {
    /// Where to go on: give it as `after`.
    cursor: String,
    /// The stream fell behind and was opened again. What was missed comes again from the cursor; where there is none
    /// yet, list anew what you need.
    resync: bool,
    message: Option<Message>,
}

fn onboarding_event(seen: Seen<onboarding::Onboarding>) -> OnboardingEvent {
    let Seen { item, cursor, resync } = seen;
    OnboardingEvent { cursor, resync, onboarding: item.map(Onboarding) }
}

fn message_event(seen: Seen<messaging::Message>) -> MessageEvent {
    let Seen { item, cursor, resync } = seen;
    MessageEvent { cursor, resync, message: item.map(Message) }
}

fn seen_message(
    item: Result<messaging::WatchMessagesResponse, Status>,
) -> Result<Seen<messaging::Message>, Status> {
    item.map(|item| Seen { item: item.message, cursor: item.cursor, resync: item.resync })
}

/// Messages as they move, from `after` on.
fn messages(
    call: &std::sync::Arc<Call>,
    after: Option<String>,
    wanted: messaging::WatchMessagesRequest,
) -> impl Stream<Item = Result<MessageEvent>> + use<> {
    let call = std::sync::Arc::clone(call);
    let items = follow(call, after.unwrap_or_default(), move |call, _, after| {
        let mut client: MessageServiceClient<_> = call.messages();
        let request = messaging::WatchMessagesRequest { after, ..wanted.clone() };
        Box::pin(async move {
            let stream = client.watch_messages(request).await?.into_inner();
            Ok(stream.map(seen_message).boxed())
        })
    });
    items.map(|seen| seen.map(message_event))
}

#[derive(Debug, Default)]
pub(crate) struct SubscriptionRoot;

#[Subscription(name = "Subscription")]
#[expect(
    clippy::unused_async,
    reason = "the macro asks for it; streams are opened when they are read"
)]
impl SubscriptionRoot {
    /// Onboardings as they move: first what stands after the cursor, then each change. The desk's, of one tenant where
    /// it is named; a tenant's own.
    async fn onboarding_steps(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        tenant_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<OnboardingEvent>> + use<>> {
        let call = Call::of(ctx)?;
        let tenant = call.desk_tenant(tenant_id).map_err(|refusal| call.error(refusal))?;
        let call = std::sync::Arc::clone(call);
        let items = follow(call, after.unwrap_or_default(), move |call, _, after| {
            let desk = call.is_desk();
            let mut client: OnboardingServiceClient<_> = call.onboardings();
            let tenant_id = tenant.clone();
            Box::pin(async move {
                if desk {
                    let request = onboarding::WatchOnboardingsRequest { after, tenant_id };
                    let stream = client.watch_onboardings(request).await?.into_inner();
                    let seen = stream.map(|item| {
                        item.map(|item| Seen {
                            item: item.onboarding,
                            cursor: item.cursor,
                            resync: item.resync,
                        })
                    });
                    return Ok(seen.boxed());
                }
                let request = onboarding::WatchOwnOnboardingsRequest { after };
                let stream = client.watch_own_onboardings(request).await?.into_inner();
                let seen = stream.map(|item| {
                    item.map(|item| Seen {
                        item: item.onboarding,
                        cursor: item.cursor,
                        resync: item.resync,
                    })
                });
                Ok(seen.boxed())
            })
        });
        Ok(items.map(|seen| seen.map(onboarding_event)))
    }

    /// Messages as they move, both directions.
    async fn message_updates(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        waba_id: Option<ID>,
        number_id: Option<ID>,
        conversation_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<MessageEvent>> + use<>> {
        let wanted = messaging::WatchMessagesRequest {
            waba_id: given(waba_id),
            number_id: given(number_id),
            conversation_id: given(conversation_id),
            ..Default::default()
        };
        Ok(messages(Call::of(ctx)?, after, wanted))
    }

    /// Customers' messages as they come in.
    async fn inbound_messages(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        waba_id: Option<ID>,
        number_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<MessageEvent>> + use<>> {
        let wanted = messaging::WatchMessagesRequest {
            waba_id: given(waba_id),
            number_id: given(number_id),
            direction: messaging::Direction::Inbound.into(),
            ..Default::default()
        };
        Ok(messages(Call::of(ctx)?, after, wanted))
    }
}
