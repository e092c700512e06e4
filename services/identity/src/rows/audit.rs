//! Who did what. One row an act: in the log of its tenant, and in the desk's where the desk did it.

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{DeskTable, DeskTx, Error, Find, ScopedTx, SystemTx, tenanted};

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub(crate) struct Model {
    /// Nil for what concerns no tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) at_us: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) detail: String,
    /// Whether it stands in the desk's log too.
    pub(crate) desk: bool,
    pub(crate) partner_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// Writes an act down beside its effect.
pub(crate) async fn write(tx: &SystemTx, act: Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(act)).await
}

/// The same in a tenant's own unit.
pub(crate) async fn write_own(tx: &ScopedTx, act: Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(act)).await
}

/// Writes several.
pub(crate) async fn write_many(tx: &SystemTx, acts: Vec<Model>) -> Result<(), Error> {
    let rows = acts.into_iter().map(ActiveModel::from).collect();
    tx.insert_many(rows).await.map(drop)
}

/// Which page of a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) after: Option<Uuid>,
    pub(crate) newest_first: bool,
    pub(crate) limit: u64,
}

fn page(mut query: Find<Entity>, span: Span) -> Find<Entity> {
    if let Some(after) = span.after {
        let beyond = if span.newest_first { Column::Id.lt(after) } else { Column::Id.gt(after) };
        query = query.filter(beyond);
    }
    let order = if span.newest_first { Order::Desc } else { Order::Asc };
    query.order_by(Column::Id, order).limit(span.limit)
}

/// The tenant's own log.
pub(crate) async fn list(tx: &ScopedTx, span: Span) -> Result<Vec<Model>, Error> {
    page(tx.find::<Entity>(), span).all().await
}

/// The desk's log, of all tenants or of one.
pub(crate) async fn list_desk(
    tx: &DeskTx,
    tenant: Option<Uuid>,
    span: Span,
) -> Result<Vec<Model>, Error> {
    let mut query = tx.find::<Entity>().filter(Column::Desk.eq(true));
    if let Some(tenant) = tenant {
        query = query.filter(Column::TenantId.eq(tenant));
    }
    page(query, span).all().await
}
