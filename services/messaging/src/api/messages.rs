//! `MessageService`.

use std::sync::Arc;

use auth::{Scope, Wabas};
use bus::TailHub;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use graph::{Graph, TokenSource};
use kernel::clock::Clock;
use kernel::id::{MessageId, WabaId};
use kernel::ids::Ids;
use kernel::page::Cursors;
use proto::messaging::v1 as pb;
use proto::messaging::v1::message_service_server::MessageService;
use server::{Security, WatchGuard};
use store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::page;
use crate::app::accept::{self, accept};
use crate::app::mark_read::{Which, Wish, mark_read};
use crate::app::watch::{self, Item, watch};
use crate::app::{cancel, read};
use crate::domain::message::{MetaError, Origin};
use crate::error::{Error, instant};
use crate::events;
use crate::rows::message::Filter;
use crate::rows::step;

/// Messages.
#[derive(Clone)]
pub(crate) struct Messages {
    /// The store, with its lanes.
    pub(crate) store: Store,
    /// Business time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub(crate) ids: Arc<dyn Ids>,
    /// Cursors under this service's key.
    pub(crate) cursors: Arc<Cursors>,
    /// Meta.
    pub(crate) graph: Graph,
    /// Access tokens.
    pub(crate) tokens: Arc<dyn TokenSource>,
    /// The tail of our own events.
    pub(crate) hub: TailHub,
    /// Judges streams again.
    pub(crate) security: Security,
    /// Ends streams at drain.
    pub(crate) stop: CancellationToken,
    /// Wakes the dispatcher of this process.
    pub(crate) wake: Arc<Notify>,
}

fn origin(origin: pb::Origin) -> Option<Origin> {
    match origin {
        pb::Origin::Unspecified => None,
        pb::Origin::Api => Some(Origin::Api),
        pb::Origin::Edge => Some(Origin::Edge),
        pb::Origin::Console => Some(Origin::Console),
        pb::Origin::Campaign => Some(Origin::Campaign),
        pb::Origin::Automation => Some(Origin::Automation),
        pb::Origin::PhoneApp => Some(Origin::PhoneApp),
    }
}

fn step(row: step::Model) -> pb::MessageStep {
    let error: Option<MetaError> =
        row.error.as_deref().and_then(|error| serde_json::from_str(error).ok());
    pb::MessageStep {
        id: row.id.to_string(),
        at_us: row.at_us,
        name: row.name,
        detail: row.detail,
        meta_error: error.as_ref().map(events::meta_error),
    }
}

fn in_scope(item: &pb::WatchMessagesResponse, scope: &Scope) -> bool {
    let Some(message) = &item.message else { return true };
    let tenant = scope.tenant().map(|tenant| tenant.to_string());
    let waba = message.waba_id.parse::<WabaId>().ok();
    tenant.as_deref() == Some(message.tenant_id.as_str())
        && waba.is_some_and(|waba| scope.wabas().is_some_and(|wabas: &Wabas| wabas.contains(waba)))
}

#[tonic::async_trait]
impl MessageService for Messages {
    async fn send_message(
        &self,
        request: Request<pb::SendMessageRequest>,
    ) -> Result<Response<pb::SendMessageResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let number = read::number_named(&self.store, &scope, &request.number_id).await?;
        let wish = accept::Request {
            number: Some(number),
            origin: origin(request.origin()),
            to: request.to,
            body_json: request.body_json,
            context: request.context_message_id,
            key: request.idempotency_key,
            callback_data: request.callback_data,
            send_at: request.send_at_us.map(|at| instant("send_at_us", at)).transpose()?,
            expires: request.expires_us.map(|at| instant("expires_us", at)).transpose()?,
        };
        let message = accept(&self.store, &*self.clock, &*self.ids, &scope, &wish).await?;
        self.wake.notify_one();
        let message = Some(events::message(&message));
        Ok(Response::new(pb::SendMessageResponse { message }))
    }

    async fn get_message(
        &self,
        request: Request<pb::GetMessageRequest>,
    ) -> Result<Response<pb::GetMessageResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: MessageId = server::parse_id("message_id", &request.get_ref().message_id)?;
        let message = read::message(&self.store, &scope, id).await?;
        let message = Some(events::message(&message));
        Ok(Response::new(pb::GetMessageResponse { message }))
    }

    async fn batch_get_messages(
        &self,
        request: Request<pb::BatchGetMessagesRequest>,
    ) -> Result<Response<pb::BatchGetMessagesResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = page::ids("message_ids", &request.get_ref().message_ids)?;
        let found = read::messages(&self.store, &scope, &ids).await?;
        let messages = found.iter().map(events::message).collect();
        Ok(Response::new(pb::BatchGetMessagesResponse { messages }))
    }

    async fn list_messages(
        &self,
        request: Request<pb::ListMessagesRequest>,
    ) -> Result<Response<pb::ListMessagesResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let filter = Filter {
            waba: server::parse_optional_id("waba_id", &request.waba_id)?,
            number: server::parse_optional_id("number_id", &request.number_id)?,
            conversation: server::parse_optional_id("conversation_id", &request.conversation_id)?,
        };
        let wanted = page::wanted(request.page);
        let found =
            read::page_of_messages(&self.store, &self.cursors, &scope, filter, &wanted).await?;
        let (items, page_info) = page::cut(found.map(|message| events::message(&message)));
        Ok(Response::new(pb::ListMessagesResponse { items, page_info }))
    }

    async fn list_message_steps(
        &self,
        request: Request<pb::ListMessageStepsRequest>,
    ) -> Result<Response<pb::ListMessageStepsResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: MessageId = server::parse_id("message_id", &request.get_ref().message_id)?;
        let found = read::steps(&self.store, &scope, id).await?;
        let steps = found.into_iter().map(step).collect();
        Ok(Response::new(pb::ListMessageStepsResponse { steps }))
    }

    async fn cancel_message(
        &self,
        request: Request<pb::CancelMessageRequest>,
    ) -> Result<Response<pb::CancelMessageResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: MessageId = server::parse_id("message_id", &request.get_ref().message_id)?;
        let message = cancel::cancel(&self.store, &scope, id).await?;
        let message = Some(events::message(&message));
        Ok(Response::new(pb::CancelMessageResponse { message }))
    }

    async fn mark_read(
        &self,
        request: Request<pb::MarkReadRequest>,
    ) -> Result<Response<pb::MarkReadResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let which = if kernel::id::prefix_of(&request.message_id) == Some("message") {
            Which::Ours(server::parse_id("message_id", &request.message_id)?)
        } else if request.message_id.is_empty() {
            return Err(Error::invalid("message_id", "is required").into());
        } else {
            Which::Meta(request.message_id)
        };
        let number = match request.number_id.as_str() {
            "" => None,
            named => Some(read::number_named(&self.store, &scope, named).await?),
        };
        let wish = Wish { which, number, typing: request.typing };
        mark_read(&self.store, &self.graph, &*self.tokens, &scope, &wish).await?;
        Ok(Response::new(pb::MarkReadResponse {}))
    }

    type WatchMessagesStream = BoxStream<'static, Result<pb::WatchMessagesResponse, Status>>;

    async fn watch_messages(
        &self,
        request: Request<pb::WatchMessagesRequest>,
    ) -> Result<Response<Self::WatchMessagesStream>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let filter = watch::Filter {
            waba: server::parse_optional_id("waba_id", &request.waba_id)?,
            number: server::parse_optional_id("number_id", &request.number_id)?,
            conversation: server::parse_optional_id("conversation_id", &request.conversation_id)?,
            direction: match request.direction() {
                pb::Direction::Unspecified => None,
                told @ (pb::Direction::Inbound | pb::Direction::Outbound) => Some(told),
            },
        };
        let items = watch(&self.store, &self.hub, &self.cursors, &scope, &request.after, filter)?;
        let items = items.map(|item| {
            Ok(match item? {
                Item::Moved { message, cursor } => {
                    pb::WatchMessagesResponse { message: Some(*message), cursor, resync: false }
                }
                Item::Resync => pb::WatchMessagesResponse { resync: true, ..Default::default() },
            })
        });
        let guard = WatchGuard::new(self.security.clone(), scope, self.stop.clone());
        Ok(Response::new(guard.guard(items, in_scope)))
    }
}
