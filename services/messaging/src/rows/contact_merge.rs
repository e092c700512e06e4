//! What became of contacts that turned out to be one person, or of a number that changed hands: the log that an unmerge reads.

use sea_orm::entity::prelude::*;

/// A row of `contact_merge`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact_merge")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) into_id: Uuid,
    pub(crate) from_id: Uuid,
    pub(crate) key: String,
    pub(crate) reason: String,
    pub(crate) at_us: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity);

use kernel::id::ContactId;
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// Logs that contacts were merged, or that a number changed hands.
pub(crate) async fn log(
    tx: &ScopedTx,
    into: ContactId,
    from: ContactId,
    key: &str,
    reason: &'static str,
) -> Result<(), Error> {
    tx.insert(ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        id: Set(tx.ids().v7(tx.now())),
        into_id: Set(into.uuid()),
        from_id: Set(from.uuid()),
        key: Set(key.to_owned()),
        reason: Set(reason.to_owned()),
        at_us: Set(tx.now().as_micros()),
    })
    .await
}
