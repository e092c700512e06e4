//! `ConversationService`.

use std::sync::Arc;

use kernel::id::{ConversationId, MessageId, TenantId, WabaId};
use kernel::page::Cursors;
use proto::messaging::v1 as pb;
use proto::messaging::v1::conversation_service_server::ConversationService;
use store::Store;
use tonic::{Request, Response, Status};

use super::page;
use crate::app::hold::{Wish, hold};
use crate::app::read;
use crate::error::{Error, Thing};
use crate::rows::conversation::{Filter, Model};

/// Conversations.
#[derive(Clone)]
pub(crate) struct Conversations {
    /// The store.
    pub(crate) store: Store,
    /// Cursors under this service's key.
    pub(crate) cursors: Arc<Cursors>,
}

fn told(row: Model, now: i64) -> pb::Conversation {
    let last = MessageId::from_uuid(row.last_message_id);
    let window_ends_us = row.window_ends().map(kernel::time::Timestamp::as_micros);
    pb::Conversation {
        id: row.conversation_id().to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        waba_id: WabaId::from_uuid(row.waba_id).to_string(),
        number_id: row.number().to_string(),
        contact_id: row.contact().to_string(),
        window_ends_us: window_ends_us.filter(|ends| *ends > now),
        last_message_us: row.last_message_us,
        last_message_id: if last.uuid().is_nil() { String::new() } else { last.to_string() },
        created_us: row.created_us,
        version: row.version,
        unread: u32::try_from(row.unread).unwrap_or(u32::MAX),
        holder_kind: row.holder_kind,
        holder: row.holder,
    }
}

impl Conversations {
    fn now(&self) -> i64 {
        self.store.now().as_micros()
    }

    async fn wish<T>(
        &self,
        request: Request<T>,
        of: impl FnOnce(T) -> (String, Wish),
    ) -> Result<Option<pb::Conversation>, Status> {
        let scope = server::scope(&request)?;
        let (id, wish) = of(request.into_inner());
        let id: ConversationId = server::parse_id("conversation_id", &id)?;
        let row = hold(&self.store, &scope, id, &wish).await?;
        Ok(Some(told(row, self.now())))
    }
}

#[tonic::async_trait]
impl ConversationService for Conversations {
    async fn get_conversation(
        &self,
        request: Request<pb::GetConversationRequest>,
    ) -> Result<Response<pb::GetConversationResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: ConversationId =
            server::parse_id("conversation_id", &request.get_ref().conversation_id)?;
        let found = read::conversations(&self.store, &scope, &[id]).await?.into_iter().next();
        let row = found.ok_or(Error::NotFound(Thing::Conversation))?;
        let conversation = Some(told(row, self.now()));
        Ok(Response::new(pb::GetConversationResponse { conversation }))
    }

    async fn list_conversations(
        &self,
        request: Request<pb::ListConversationsRequest>,
    ) -> Result<Response<pb::ListConversationsResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let filter = Filter {
            waba: server::parse_optional_id("waba_id", &request.waba_id)?,
            number: server::parse_optional_id("number_id", &request.number_id)?,
        };
        let wanted = page::wanted(request.page);
        let found =
            read::page_of_conversations(&self.store, &self.cursors, &scope, filter, &wanted)
                .await?;
        let now = self.now();
        let (items, page_info) = page::cut(found.map(|row| told(row, now)));
        Ok(Response::new(pb::ListConversationsResponse { items, page_info }))
    }

    async fn batch_get_conversations(
        &self,
        request: Request<pb::BatchGetConversationsRequest>,
    ) -> Result<Response<pb::BatchGetConversationsResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = page::ids("conversation_ids", &request.get_ref().conversation_ids)?;
        let found = read::conversations(&self.store, &scope, &ids).await?;
        let now = self.now();
        let conversations = found.into_iter().map(|row| told(row, now)).collect();
        Ok(Response::new(pb::BatchGetConversationsResponse { conversations }))
    }

    async fn take_conversation(
        &self,
        request: Request<pb::TakeConversationRequest>,
    ) -> Result<Response<pb::TakeConversationResponse>, Status> {
        let conversation = self
            .wish(request, |request| {
                let wish = Wish::Take { kind: request.holder_kind, name: request.holder };
                (request.conversation_id, wish)
            })
            .await?;
        Ok(Response::new(pb::TakeConversationResponse { conversation }))
    }

    async fn pass_conversation(
        &self,
        request: Request<pb::PassConversationRequest>,
    ) -> Result<Response<pb::PassConversationResponse>, Status> {
        let conversation = self
            .wish(request, |request| {
                let wish = Wish::Pass { kind: request.holder_kind, name: request.holder };
                (request.conversation_id, wish)
            })
            .await?;
        Ok(Response::new(pb::PassConversationResponse { conversation }))
    }

    async fn release_conversation(
        &self,
        request: Request<pb::ReleaseConversationRequest>,
    ) -> Result<Response<pb::ReleaseConversationResponse>, Status> {
        let conversation =
            self.wish(request, |request| (request.conversation_id, Wish::Release)).await?;
        Ok(Response::new(pb::ReleaseConversationResponse { conversation }))
    }
}
