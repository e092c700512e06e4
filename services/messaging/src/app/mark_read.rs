//! Telling a customer that their message was read, and that we are typing. Repeating it is harmless, so
//! no row is kept of it, but the conversation has nothing unread after.

use std::sync::Arc;

use auth::Scope;
use graph::{Graph, TokenSource};
use kernel::id::{MessageId, NumberId};
use meta::ids::{MetaNumberId, Wamid};
use meta::message::MarkRead;
use store::Store;

use crate::app::dispatch::meta_error;
use crate::domain::message::{Course, Message};
use crate::domain::sender::Sender;
use crate::error::{Error, Thing};
use crate::rows::{conversation, message, meta_id, sender, view::View};

/// Which message a caller means: by our id, or by Meta's.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// Ours.
    Ours(MessageId),
    /// Meta's wamid.
    Meta(String),
}

/// What a caller wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Which message.
    pub(crate) which: Which,
    /// The number that it came to, where the caller names it.
    pub(crate) number: Option<NumberId>,
    /// Whether to show that we are typing.
    pub(crate) typing: bool,
}

/// Marks a customer's message, and those before it, as read.
#[tracing::instrument(name = "messaging.mark_read", skip_all, err(level = "debug"))]
pub(crate) async fn mark_read(
    store: &Store,
    graph: &Graph,
    tokens: &dyn TokenSource,
    scope: &Scope,
    wish: &Wish,
) -> Result<(), Error> {
    let (message, sender) = find(store, scope, &wish.which).await?;
    if wish.number.is_some_and(|number| number != message.number) {
        return Err(Error::NotFound(Thing::Message));
    }
    let wamid = message.meta_id.as_deref().ok_or(Error::NotInbound)?;
    let unreachable = |error: Arc<dyn std::error::Error + Send + Sync>| Error::Graph(error);
    let mark = MarkRead {
        message_id: Wamid::new(wamid).map_err(|error| unreachable(Arc::new(error)))?,
        typing_indicator: wish.typing,
    };
    let number =
        MetaNumberId::new(sender.meta_id.as_str()).map_err(|error| unreachable(Arc::new(error)))?;
    let (tenant, waba) = (sender.tenant.uuid(), sender.waba.uuid());
    let token = tokens.token(tenant, waba).await.map_err(|error| unreachable(Arc::new(error)))?;
    let app = graph.app(&sender.app).map_err(|error| unreachable(Arc::new(error)))?;
    if let Err(error) = app.mark_read(&token.secret, &number, &mark).await {
        if error.graph_error().is_some_and(meta::GraphError::is_access) {
            tokens.invalidate(tenant, waba).await;
        }
        return Err(match error.graph_error() {
            Some(meta) => Error::Meta(Box::new(meta_error(meta))),
            None => unreachable(Arc::new(error)),
        });
    }
    let touch = conversation::Touch {
        id: message.conversation.uuid(),
        last_message_us: 0,
        last_message_id: message.id.uuid(),
        last_inbound_us: 0,
        unread: 0,
        answered: true,
        holder_kind: None,
    };
    let touches = &[touch];
    store.write(scope, |tx| async move { Ok(conversation::touch(&tx, touches).await?) }).await
}

async fn find(store: &Store, scope: &Scope, which: &Which) -> Result<(Message, Sender), Error> {
    store
        .read(scope, |tx| async move {
            let unknown = || Error::NotFound(Thing::Message);
            let id = match which {
                Which::Ours(id) => *id,
                Which::Meta(wamid) => {
                    let found = meta_id::find(&tx, vec![wamid.clone()]).await?;
                    let row = found.into_iter().next().ok_or_else(unknown)?;
                    MessageId::from_uuid(row.message_id)
                }
            };
            let found = message::among(View::of(&tx, scope).messages(), &[id]).await?;
            let message = found.into_iter().next().ok_or_else(unknown)?;
            let mut senders = sender::load(&tx, &[message.number]).await?;
            let sender = senders.remove(&message.number).ok_or_else(unknown)?;
            match message.course {
                Course::Inbound => Ok((message, sender)),
                Course::Outbound(_) => Err(Error::NotInbound),
            }
        })
        .await
}
