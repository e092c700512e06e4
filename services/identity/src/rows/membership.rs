//! Places in tenants. Address and name stand here as that tenant knows them: one tenant's list tells
//! nothing that another typed in.

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{Error, RawSql, ScopedTx, SystemTx, tenanted};

/// One person's place in one tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) role: String,
    /// Whether the person has taken the place, by its link. Until then it opens nothing.
    pub(crate) active: bool,
    pub(crate) created_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// A place with what a sign-in must know of its tenant.
#[derive(Debug, Clone, sea_orm::FromQueryResult)]
pub(crate) struct Placed {
    pub(crate) tenant_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) role: String,
    pub(crate) tenant_name: String,
    pub(crate) tenant_state: String,
}

/// The places that a person has taken, in all tenants.
pub(crate) async fn placed(tx: &SystemTx, user: Uuid) -> Result<Vec<Placed>, Error> {
    // By ix_membership_user_id, then the tenant's primary key.
    const PLACED: &str = "SELECT m.tenant_id AS tenant_id, m.id AS id, m.role AS role, \
        t.name AS tenant_name, t.state AS tenant_state \
        FROM membership m JOIN tenant t ON t.tenant_id = m.tenant_id \
        WHERE m.user_id = {1} AND m.active AND {purpose}";
    tx.raw(RawSql::both(PLACED, vec![user.into()])).all().await
}

/// A person's place in one tenant, locked.
pub(crate) async fn of_person(
    tx: &SystemTx,
    tenant: Uuid,
    user: Uuid,
) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::TenantId.eq(tenant))
        .filter(Column::UserId.eq(user))
        .for_update()
        .one()
        .await
}

/// Places of a role that were taken in a tenant, locked, so that the last of them cannot go twice.
pub(crate) async fn with_role(
    tx: &SystemTx,
    tenant: Uuid,
    role: &str,
) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::TenantId.eq(tenant))
        .filter(Column::Role.eq(role))
        .filter(Column::Active.eq(true))
        .order_by(Column::Id, Order::Asc)
        .for_update()
        .all()
        .await
}

/// Gives a person a place.
pub(crate) async fn insert(tx: &SystemTx, new: &Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(new.clone())).await
}

/// Changes what a person is in a tenant.
pub(crate) async fn set_role(
    tx: &SystemTx,
    tenant: Uuid,
    id: Uuid,
    role: &str,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::Role, role)
        .filter(Column::TenantId.eq(tenant))
        .filter(Column::Id.eq(id))
        .exec()
        .await
        .map(drop)
}

/// Marks a place as taken; false where there is none any more.
pub(crate) async fn activate(tx: &SystemTx, tenant: Uuid, id: Uuid) -> Result<bool, Error> {
    let changed = tx
        .update::<Entity>()
        .set(Column::Active, true)
        .filter(Column::TenantId.eq(tenant))
        .filter(Column::Id.eq(id))
        .exec()
        .await?;
    Ok(changed == 1)
}

/// Takes a place away.
pub(crate) async fn remove(tx: &SystemTx, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.delete::<Entity>()
        .filter(Column::TenantId.eq(tenant))
        .filter(Column::Id.eq(id))
        .exec()
        .await
        .map(drop)
}

/// People of the caller's tenant, by id of their place.
pub(crate) async fn list(
    tx: &ScopedTx,
    after: Option<Uuid>,
    newest_first: bool,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let mut query = tx.find::<Entity>();
    if let Some(after) = after {
        let beyond = if newest_first { Column::Id.lt(after) } else { Column::Id.gt(after) };
        query = query.filter(beyond);
    }
    let order = if newest_first { Order::Desc } else { Order::Asc };
    query.order_by(Column::Id, order).limit(limit).all().await
}
