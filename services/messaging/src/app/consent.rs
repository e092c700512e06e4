//! Recording that a customer opted out, or takes it back.

use auth::Scope;
use kernel::id::ContactId;
use store::Store;

use crate::domain::contact::ConsentCategory;
use crate::error::{Error, Thing};
use crate::rows::contact;

/// Records an opt-out or takes it back.
#[tracing::instrument(name = "messaging.set_consent", skip_all, fields(contact.id = %id), err(level = "debug"))]
pub(crate) async fn set(
    store: &Store,
    scope: &Scope,
    id: ContactId,
    category: ConsentCategory,
    opted_out: bool,
) -> Result<contact::Model, Error> {
    store
        .write(scope, |tx| async move {
            let unknown = || Error::NotFound(Thing::Contact);
            let found = contact::visible_by_id(&tx, vec![id.uuid()]).await?;
            let row = found.into_iter().next().ok_or_else(unknown)?;
            let consent = row.consent().set(category, opted_out, tx.now());
            contact::set_consent(&tx, id, consent).await?.ok_or_else(unknown)
        })
        .await
}
