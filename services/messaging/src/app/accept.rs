//! Accepting a message: what the caller wants becomes a [`Draft`], and the lane stores it, beside others
//! that come at the same time, with its step and its event in one commit (DEL-9). Once answered it is
//! never lost; sending happens after.

mod draft;
mod lane;

pub(crate) use draft::{Draft, Quote, Request};
pub(crate) use lane::AcceptLane;

use auth::Scope;
use kernel::clock::Clock;
use kernel::ids::Ids;
use store::Store;

use crate::domain::message::Message;
use crate::error::Error;
use crate::failpoint::failpoint;

/// Accepts a message.
#[tracing::instrument(name = "messaging.accept", skip_all, fields(message.id), err(level = "debug"))]
pub(crate) async fn accept(
    store: &Store,
    clock: &dyn Clock,
    ids: &dyn Ids,
    scope: &Scope,
    request: &Request,
) -> Result<Message, Error> {
    let draft = Draft::read(request, scope, clock.now(), ids)?;
    tracing::Span::current().record("message.id", tracing::field::display(draft.id));
    let accepted = store.lane::<AcceptLane>().submit(scope, draft).await;
    failpoint!("accept.after_commit");
    accepted
}
