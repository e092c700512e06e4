//! Read model of numbers, from assets.

use sea_orm::Order;
use sea_orm::entity::prelude::*;

/// A row of `number_state`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) e164: String,
    pub(crate) status: String,
    pub(crate) registered: bool,
    pub(crate) removed: bool,
    pub(crate) throughput_mps: i64,
    pub(crate) environment: String,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use std::collections::BTreeSet;

/// The caller's number of this id of Meta's; the one that is still there, where it was taken away and came back. Index:
/// `(meta_id)`.
pub(crate) async fn of_meta(
    tx: &store::ScopedTx,
    meta: &str,
) -> Result<Option<Model>, store::Error> {
    let found = tx.find::<Entity>().filter(Column::MetaId.eq(meta));
    found.order_by(Column::Removed, Order::Asc).order_by(Column::Id, Order::Desc).one().await
}

/// Numbers by our id or by Meta's, of every tenant: who an element names is found before it is acted
/// for (ISO-41). Indexes: `(id)`, `(meta_id)`.
pub(crate) async fn named(
    tx: &store::SystemTx,
    ids: &BTreeSet<Uuid>,
    metas: &BTreeSet<String>,
) -> Result<Vec<Model>, store::Error> {
    let condition = sea_orm::Condition::any()
        .add(Column::Id.is_in(ids.iter().copied()))
        .add(Column::MetaId.is_in(metas.iter().map(String::as_str)));
    tx.find::<Entity>().filter(condition).all().await
}
