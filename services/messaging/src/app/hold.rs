//! Who holds a conversation: take, pass, release.

use auth::Scope;
use kernel::id::ConversationId;
use store::Store;

use crate::domain::conversation::{Actor, Holder};
use crate::error::{Error, Thing};
use crate::rows::{conversation, view::View};

/// What somebody wants with a conversation.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// To have it, or to have somebody have it.
    Take {
        /// agent or bot.
        kind: String,
        /// Its name.
        name: String,
    },
    /// To give it to somebody.
    Pass {
        /// agent or bot.
        kind: String,
        /// Its name.
        name: String,
    },
    /// To let it go.
    Release,
}

/// Who asks.
fn actor(scope: &Scope) -> Actor {
    let subject = scope.subject().to_owned();
    if scope.is_api_key() { Actor::Program(subject) } else { Actor::Person(subject) }
}

/// Does it.
#[tracing::instrument(name = "messaging.hold", skip_all, fields(conversation.id = %id), err(level = "debug"))]
pub(crate) async fn hold(
    store: &Store,
    scope: &Scope,
    id: ConversationId,
    wish: &Wish,
) -> Result<conversation::Model, Error> {
    let actor = actor(scope);
    let (actor, wish) = (&actor, wish);
    store
        .write(scope, |tx| async move {
            let unknown = || Error::NotFound(Thing::Conversation);
            let own = View::of(&tx, scope).conversations().for_update();
            let found = conversation::among(own, vec![id.uuid()]).await?;
            let row = found.into_iter().next().ok_or_else(unknown)?;
            let held = row.held_by()?;
            let next = match wish {
                Wish::Take { kind, name } => Holder::named(kind, name, actor)?,
                Wish::Pass { kind, name } => held.pass(actor, Holder::other(kind, name)?)?,
                Wish::Release => held.release(actor)?,
            };
            if next == held {
                return Ok(row);
            }
            conversation::set_holder(&tx, id, &next).await?.ok_or_else(unknown)
        })
        .await
}
