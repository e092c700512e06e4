//! Which WABAs a contact was in touch with.

use sea_orm::entity::prelude::*;

/// A row of `contact_waba`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact_waba")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) contact_id: Uuid,
    pub(crate) first_us: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{ContactId, WabaId};
use kernel::time::Timestamp;
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// Notes that WABAs were in touch with contacts, where that is new.
pub(crate) async fn insert(
    tx: &ScopedTx,
    pairs: Vec<(WabaId, ContactId)>,
    at: Timestamp,
) -> Result<(), Error> {
    if pairs.is_empty() {
        return Ok(());
    }
    let rows = pairs.into_iter().map(|(waba, contact)| ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        waba_id: Set(waba.uuid()),
        contact_id: Set(contact.uuid()),
        first_us: Set(at.as_micros()),
    });
    tx.insert_ignore(rows.collect::<Vec<_>>()).await.map(drop)
}
