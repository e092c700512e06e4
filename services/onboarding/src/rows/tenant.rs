//! The tenant registry. A desk table.

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{DeskTable, DeskTx, Error, ScopedTx, SystemTx, tenanted};

use crate::domain::suspension::Suspender;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) state: String,
    /// The desk that has it suspended; empty while none has.
    pub(crate) suspended_by: String,
    /// Words of categories, with spaces between them.
    pub(crate) require_opt_in: String,
    pub(crate) messages_per_day: Option<i64>,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// A tenant, whoever's.
pub(crate) async fn get(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::TenantId.eq(id)).one().await
}

impl Model {
    /// Whether it may act.
    pub(crate) fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Who has it suspended.
    pub(crate) fn suspender(&self) -> Result<Option<Suspender>, Error> {
        match self.suspended_by.as_str() {
            "" => Ok(None),
            word => Suspender::parse(word).map(Some).ok_or_else(|| Error::bad_row("tenant", word)),
        }
    }

    /// The same, suspended by this desk or by none.
    pub(crate) fn with_suspender(self, suspender: Option<Suspender>) -> Self {
        let state = if suspender.is_some() { "suspended" } else { "active" };
        let by = suspender.map(Suspender::as_str).unwrap_or_default();
        Self { state: state.to_owned(), suspended_by: by.to_owned(), ..self }
    }
}

/// Whether a tenant may act.
pub(crate) async fn is_active(tx: &SystemTx, id: Uuid) -> Result<bool, Error> {
    Ok(get(tx, id).await?.is_some_and(|row| row.is_active()))
}

/// A tenant, its row locked until the end of the unit.
pub(crate) async fn lock(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::TenantId.eq(id)).for_update().one().await
}

/// The scope's own tenant.
pub(crate) async fn own(tx: &ScopedTx) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().one().await
}

/// The scope's own tenant, its row locked until the end of the unit.
pub(crate) async fn lock_own(tx: &ScopedTx) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().for_update().one().await
}

/// Writes what a tenant set for itself.
pub(crate) async fn update_own(tx: &ScopedTx, row: &Model) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::RequireOptIn, row.require_opt_in.clone())
        .set(Column::Version, row.version)
        .filter(Column::TenantId.eq(row.tenant_id))
        .exec()
        .await
        .map(drop)
}

/// Puts a new tenant down.
pub(crate) async fn insert(tx: &SystemTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}

/// Writes what the desk sets of a tenant.
pub(crate) async fn update(tx: &SystemTx, row: &Model) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::State, row.state.clone())
        .set(Column::SuspendedBy, row.suspended_by.clone())
        .set(Column::MessagesPerDay, row.messages_per_day)
        .set(Column::Version, row.version)
        .filter(Column::TenantId.eq(row.tenant_id))
        .exec()
        .await
        .map(drop)
}

/// Tenants after an id, for a snapshot.
pub(crate) async fn after(
    tx: &SystemTx,
    id: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>();
    let rest = match id {
        Some(id) => all.filter(Column::TenantId.gt(id)),
        None => all,
    };
    rest.order_by(Column::TenantId, Order::Asc).limit(limit).all().await
}

/// Tenants by id that the desk may see.
pub(crate) async fn among(tx: &DeskTx, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().filter(Column::TenantId.is_in(ids.iter().copied())).all().await
}
