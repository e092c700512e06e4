//! What the desk sees of a tenant: that it is there, and how much it sends and receives. A desk table.

use std::collections::BTreeMap;

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{Bind, DeskTable, DeskTx, Error, RawSql, SystemTx, tenanted};

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_figure")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) registered_us: i64,
    pub(crate) version: i64,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) failed: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// Keeps a tenant's newest state; its counts stay. One statement: facts may make the row at the same time.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<(), Error> {
    const KEEP: &str = "INSERT INTO tenant_figure (tenant_id, partner_id, name, registered_us, version, sent, received, failed) \
         SELECT {1}, {2}, {3}, {4}, {5}, 0, 0, 0 WHERE {purpose} ON CONFLICT (tenant_id) DO UPDATE SET \
         partner_id = excluded.partner_id, name = excluded.name, registered_us = excluded.registered_us, \
         version = excluded.version WHERE tenant_figure.version < excluded.version";
    let binds: Vec<Bind> = vec![
        row.tenant_id.into(),
        row.partner_id.into(),
        row.name.into(),
        row.registered_us.into(),
        row.version.into(),
    ];
    tx.raw(RawSql::both(KEEP, binds)).exec().await.map(drop)
}

/// What a batch of facts adds to one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) failed: i64,
}

/// Adds counts, tenant by tenant in order of id. A tenant that is not known yet gets a row of version 0, which the
/// tenant's own event fills: facts and state may come in any order.
pub(crate) async fn add(tx: &SystemTx, added: BTreeMap<Uuid, Added>) -> Result<(), Error> {
    const ADD: &str = "INSERT INTO tenant_figure (tenant_id, partner_id, name, registered_us, version, sent, received, failed) \
         SELECT {1}, NULL, '', 0, 0, {2}, {3}, {4} WHERE {purpose} ON CONFLICT (tenant_id) \
         DO UPDATE SET sent = tenant_figure.sent + excluded.sent, received = tenant_figure.received + excluded.received, \
         failed = tenant_figure.failed + excluded.failed";
    for (tenant, n) in added {
        let binds: Vec<Bind> =
            vec![tenant.into(), n.sent.into(), n.received.into(), n.failed.into()];
        tx.raw(RawSql::both(ADD, binds)).exec().await?;
    }
    Ok(())
}

/// Tenants that the desk may see, in order of id. Those that only facts have named so far are left out: whose they are
/// is not known yet.
pub(crate) async fn list(
    tx: &DeskTx,
    after: Option<Uuid>,
    only: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let mut query = tx.find::<Entity>().filter(Column::Version.gt(0));
    if let Some(after) = after {
        query = query.filter(Column::TenantId.gt(after));
    }
    if let Some(only) = only {
        query = query.filter(Column::TenantId.eq(only));
    }
    query.order_by(Column::TenantId, Order::Asc).limit(limit).all().await
}
