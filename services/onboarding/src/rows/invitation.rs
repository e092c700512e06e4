//! Invitations: the secret half of a link and the single-use state of its page, both as hashes. A desk table.

use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{DeskTable, Error, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) app_id: String,
    pub(crate) token_hash: String,
    pub(crate) state_hash: Option<String>,
    pub(crate) browser_hash: Option<String>,
    pub(crate) state_until_us: Option<i64>,
    pub(crate) created_us: i64,
    pub(crate) expires_us: i64,
    pub(crate) used_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// Puts a new invitation down.
pub(crate) async fn insert(tx: &SystemTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}

/// An invitation of a tenant.
pub(crate) async fn get(tx: &SystemTx, tenant: Uuid, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::TenantId.eq(tenant).and(Column::Id.eq(id))).one().await
}

/// An invitation by its secret's hash, open or not, its row locked.
pub(crate) async fn of_link(tx: &SystemTx, token_hash: &str) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::TokenHash.eq(token_hash)).for_update().one().await
}

impl Model {
    /// Whether it may still be used.
    pub(crate) fn is_open(&self, now_us: i64) -> bool {
        self.used_us.is_none() && self.expires_us > now_us
    }
}

/// Binds a fresh state to an invitation and a browser.
pub(crate) async fn bind(
    tx: &SystemTx,
    row: &Model,
    state_hash: &str,
    browser_hash: &str,
    until_us: i64,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::StateHash, Some(state_hash.to_owned()))
        .set(Column::BrowserHash, Some(browser_hash.to_owned()))
        .set(Column::StateUntilUs, Some(until_us))
        .filter(Column::TenantId.eq(row.tenant_id).and(Column::Id.eq(row.id)))
        .exec()
        .await
        .map(drop)
}

/// Uses a state up: true for the one call that came first.
pub(crate) async fn use_state(
    tx: &SystemTx,
    row: &Model,
    state_hash: &str,
    browser_hash: &str,
) -> Result<bool, Error> {
    let used = tx
        .update::<Entity>()
        .set(Column::StateHash, Option::<String>::None)
        .filter(Column::TenantId.eq(row.tenant_id).and(Column::Id.eq(row.id)))
        .filter(Column::StateHash.eq(state_hash).and(Column::BrowserHash.eq(browser_hash)))
        .filter(Column::StateUntilUs.gt(tx.now().as_micros()))
        .exec()
        .await?;
    Ok(used == 1)
}

/// Marks an invitation as used; false where it was before.
pub(crate) async fn mark_used(tx: &ScopedTx, id: Uuid) -> Result<bool, Error> {
    let used = tx
        .update::<Entity>()
        .set(Column::UsedUs, Some(tx.now().as_micros()))
        .filter(Column::Id.eq(id).and(Column::UsedUs.is_null()))
        .exec()
        .await?;
    Ok(used > 0)
}
