//! Statuses that were applied, so that each counts once.

use sea_orm::entity::prelude::*;

/// A row of `status_seen`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "status_seen")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) meta_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) status: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) participant: String,
    pub(crate) waba_id: Uuid,
    pub(crate) at_us: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use std::collections::BTreeSet;

use kernel::id::{NumberId, WabaId};
use kernel::time::Timestamp;
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// What one status is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// Of which number.
    pub(crate) number: NumberId,
    /// The wamid.
    pub(crate) meta_id: String,
    /// Meta's word.
    pub(crate) status: String,
    /// Member of a group; empty else.
    pub(crate) participant: String,
}

/// Notes statuses as applied; answers those that were not before.
pub(crate) async fn first_time(
    tx: &ScopedTx,
    waba: WabaId,
    seen: BTreeSet<Seen>,
    at: Timestamp,
) -> Result<BTreeSet<Seen>, Error> {
    if seen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = seen.into_iter().map(|seen| ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        number_id: Set(seen.number.uuid()),
        meta_id: Set(seen.meta_id),
        status: Set(seen.status),
        participant: Set(seen.participant),
        waba_id: Set(waba.uuid()),
        at_us: Set(at.as_micros()),
    });
    let new = tx.insert_new(rows.collect::<Vec<_>>()).await?;
    Ok(new
        .into_iter()
        .map(|row| Seen {
            number: NumberId::from_uuid(row.number_id),
            meta_id: row.meta_id,
            status: row.status,
            participant: row.participant,
        })
        .collect())
}
