//! Ids in Meta's form, Meta's own and the edge ids that we give: unique where a partitioned table cannot be, and what every look-up by such an id reads.

use sea_orm::entity::prelude::*;

/// A row of `message_meta_id`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_meta_id")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) direction: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) meta_id: String,
    pub(crate) waba_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) edge: bool,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{MessageId, NumberId, WabaId};
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// An id in Meta's form that leads to a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Led {
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// At which number.
    pub(crate) number: NumberId,
    /// `in` or `out`.
    pub(crate) direction: &'static str,
    /// The id.
    pub(crate) meta_id: String,
    /// Where it leads.
    pub(crate) message: MessageId,
    /// Whether it is an edge id.
    pub(crate) edge: bool,
}

/// Stores ids and answers those that are new, by their text: what is not among them was there before.
pub(crate) async fn insert_new(tx: &ScopedTx, ids: Vec<Led>) -> Result<Vec<Model>, Error> {
    let rows = ids.into_iter().map(|led| ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        number_id: Set(led.number.uuid()),
        direction: Set(led.direction.to_owned()),
        meta_id: Set(led.meta_id),
        waba_id: Set(led.waba.uuid()),
        message_id: Set(led.message.uuid()),
        edge: Set(led.edge),
    });
    tx.insert_new(rows.collect::<Vec<_>>()).await
}

/// Where ids lead. Index: `(tenant_id, meta_id)`.
pub(crate) async fn find(tx: &ScopedTx, ids: Vec<String>) -> Result<Vec<Model>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>().filter(Column::MetaId.is_in(ids)).all().await
}
