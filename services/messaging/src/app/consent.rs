//! Recording what customers want and do not want, of those too whom nobody has written to yet.

use auth::Scope;
use kernel::id::{ContactId, NumberId, WabaId};
use meta::ids::{Bsuid, Recipient, WaId};
use store::Store;
use uuid::Uuid;

use crate::app::people::{People, Person};
use crate::domain::contact::{ConsentCategory, Identity, Wish};
use crate::error::{Error, Thing};
use crate::rows::{contact, view::View, waba_state};

/// Records a wish, or takes it back.
#[tracing::instrument(name = "messaging.set_consent", skip_all, fields(contact.id = %id), err(level = "debug"))]
pub(crate) async fn set(
    store: &Store,
    scope: &Scope,
    id: ContactId,
    category: ConsentCategory,
    wish: Wish,
) -> Result<contact::Model, Error> {
    store
        .write(scope, |tx| async move {
            let unknown = || Error::NotFound(Thing::Contact);
            let own = View::of(&tx, scope).contacts();
            let found = contact::among(own, vec![id.uuid()]).await?;
            let row = found.into_iter().next().ok_or_else(unknown)?;
            let consent = row.consent().set(category, wish, tx.now())?;
            contact::set_consent(&tx, id, consent).await?.ok_or_else(unknown)
        })
        .await
}

/// The contact of somebody in the portfolio of a WABA, made where there is none. Idempotent: keys decide who is who.
#[tracing::instrument(name = "messaging.create_contact", skip_all, fields(waba.id = %waba), err(level = "debug"))]
pub(crate) async fn create_contact(
    store: &Store,
    scope: &Scope,
    waba: WabaId,
    to: &str,
) -> Result<contact::Model, Error> {
    let recipient = Bsuid::new(to)
        .map(Recipient::Bsuid)
        .or_else(|_| WaId::new(to).map(Recipient::Phone))
        .map_err(|error| Error::invalid("to", error.to_string()))?;
    let identity = &Identity::of_recipient(&recipient);
    store
        .write(scope, |tx| async move {
            let unknown = || Error::NotFound(Thing::Waba);
            let own = View::of(&tx, scope).wabas();
            let found = waba_state::one(own, waba).await?.ok_or_else(unknown)?;
            let person = Person {
                portfolio: found.portfolio_id,
                waba,
                // Nobody has written yet, so there is no conversation whose number it would be.
                number: NumberId::from_uuid(Uuid::nil()),
                identity: identity.clone(),
                name: None,
                username: None,
                at: tx.now(),
                told_by_meta: false,
            };
            let mut people = People::load(&tx, &[&person]).await?;
            let met = people.meet(&tx, &[&person]).await?;
            let rows = contact::by_id(&tx, met.iter().map(ContactId::uuid).collect()).await?;
            rows.into_iter().next().ok_or(Error::NotFound(Thing::Contact))
        })
        .await
}
