//! Taking a message back before it is on the wire. Cancel and dispatch meet at the row: whoever changes
//! `dispatch` first wins, and the other learns it.

use auth::Scope;
use kernel::id::MessageId;
use store::Store;

use crate::app::pen::{Note, Pen};
use crate::domain::message::{
    Dispatch, Failure, LocalReason, Message, MessageStatus, StepName, Word,
};
use crate::error::{Error, Thing};
use crate::rows::{message, view::View};

/// Takes a message back.
#[tracing::instrument(name = "messaging.cancel", skip_all, fields(message.id = %id), err(level = "debug"))]
pub(crate) async fn cancel(store: &Store, scope: &Scope, id: MessageId) -> Result<Message, Error> {
    store
        .write(scope, |tx| async move {
            let own = View::of(&tx, scope).messages().for_update();
            let found = message::among(own, &[id]).await?.into_iter().next();
            let mut message = found.ok_or(Error::NotFound(Thing::Message))?;
            let now = tx.now();
            let Some(outbound) = message.outbound_mut() else {
                return Err(Error::NotFound(Thing::Message));
            };
            if outbound.dispatch == Dispatch::Cancelled {
                return Ok(message);
            }
            if !outbound.dispatch.is_ours_still() {
                return Err(Error::OnItsWay(outbound.dispatch.as_str().to_owned()));
            }
            outbound.dispatch = Dispatch::Cancelled;
            let status = MessageStatus::Failed(Failure::Local(LocalReason::Cancelled));
            outbound.hear(&Word { status, at: now, error: None });
            outbound.deadline = None;
            let mut changed = [message];
            message::change(&tx, &mut changed).await?;
            let [message] = changed;
            let mut pen = Pen::new(&tx);
            pen.note(&message, Note::plain(StepName::Cancelled, now));
            pen.write().await?;
            Ok(message)
        })
        .await
}
