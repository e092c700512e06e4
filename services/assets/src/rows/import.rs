//! What is to be read of a WABA, when, and how the last try ended: one row a WABA, so that an import survives the
//! process and shows its last error.

use sea_orm::{ExprTrait as _, FromQueryResult, entity::prelude::*};
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba_import")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    /// Counts who asked: a try that began before the last one who asked is not the end of it.
    pub(crate) asked: i64,
    /// Business time; nothing = nobody asks.
    pub(crate) due_us: Option<i64>,
    /// Until when a worker holds it, by the database's clock.
    pub(crate) lease_us: i64,
    /// Failures since the last success.
    pub(crate) attempts: i64,
    pub(crate) last_error: String,
    pub(crate) meta_error: Option<String>,
    /// When it was last done, business time; 0 = never.
    pub(crate) imported_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// A row that was claimed.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Due {
    pub(crate) tenant_id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) asked: i64,
    pub(crate) attempts: i64,
}

/// Asks for an import, at once.
pub(crate) async fn ask(tx: &SystemTx, tenant: Uuid, waba: Uuid) -> Result<(), Error> {
    let now_us = tx.now().as_micros();
    let own = Column::TenantId.eq(tenant).and(Column::WabaId.eq(waba));
    if ask_for(tx, own, now_us).await? > 0 {
        return Ok(());
    }
    let row = Model {
        tenant_id: tenant,
        waba_id: waba,
        asked: 1,
        due_us: Some(now_us),
        lease_us: 0,
        attempts: 0,
        last_error: String::new(),
        meta_error: None,
        imported_us: 0,
    };
    tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await.map(drop)
}

async fn ask_for(tx: &SystemTx, which: Expr, now_us: i64) -> Result<u64, Error> {
    tx.update::<Entity>()
        .set(Column::Asked, Expr::col(Column::Asked).add(1))
        .set(Column::DueUs, Some(now_us))
        .set(Column::Attempts, 0_i64)
        .filter(which)
        .exec()
        .await
}

/// Asks for all WABAs of a tenant.
pub(crate) async fn ask_tenant(tx: &SystemTx, tenant: Uuid) -> Result<(), Error> {
    ask_for(tx, Column::TenantId.eq(tenant), tx.now().as_micros()).await.map(drop)
}

/// Asks again for a WABA that was not looked at since then, unless it is asked for.
pub(crate) async fn ask_unless_newer(
    tx: &SystemTx,
    tenant: Uuid,
    waba: Uuid,
    since_us: i64,
) -> Result<u64, Error> {
    let own = Column::TenantId.eq(tenant).and(Column::WabaId.eq(waba));
    let idle = own.and(Column::DueUs.is_null()).and(Column::ImportedUs.lt(since_us));
    ask_for(tx, idle, tx.now().as_micros()).await
}

/// Asks for those that were not looked at since then, the longest ago first, at most so many.
pub(crate) async fn ask_oldest(tx: &SystemTx, since_us: i64, most: i64) -> Result<u64, Error> {
    // Index waba_import (due_us): those that nobody asks for.
    const SQL: &str = "UPDATE waba_import SET asked = asked + 1, due_us = {1} WHERE (tenant_id, waba_id) IN \
         (SELECT tenant_id, waba_id FROM waba_import WHERE due_us IS NULL AND imported_us < {2} AND {purpose} \
          ORDER BY imported_us LIMIT {3} {skip_locked})";
    let binds: Vec<Bind> = vec![tx.now().as_micros().into(), since_us.into(), most.into()];
    tx.raw(RawSql::both(SQL, binds)).exec().await
}

/// Claims what is due, those that were never done first: an onboarding waits for them.
pub(crate) async fn claim(tx: &SystemTx, lease_us: i64, most: i64) -> Result<Vec<Due>, Error> {
    // Index waba_import (due_us).
    const SQL: &str = "UPDATE waba_import SET lease_us = {db_now} + {2} WHERE (tenant_id, waba_id) IN \
         (SELECT tenant_id, waba_id FROM waba_import WHERE due_us <= {1} AND lease_us < {db_now} AND {purpose} \
          ORDER BY CASE WHEN imported_us = 0 THEN 0 ELSE 1 END, due_us LIMIT {3} {skip_locked}) \
         RETURNING tenant_id, waba_id, asked, attempts";
    let binds: Vec<Bind> = vec![tx.now().as_micros().into(), lease_us.into(), most.into()];
    tx.raw(RawSql::both(SQL, binds)).all().await
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// When to try again; nothing = done.
    pub(crate) again_us: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) error: String,
    pub(crate) meta_error: Option<String>,
}

/// Writes down how a try ended and gives the row back. Whoever asked meanwhile is not forgotten.
pub(crate) async fn end(tx: &ScopedTx, due: &Due, ended: Ended) -> Result<(), Error> {
    let done = ended.again_us.is_none();
    let mut update = tx
        .update::<Entity>()
        .set(Column::LeaseUs, 0_i64)
        .set(Column::LastError, ended.error)
        .set(Column::MetaError, ended.meta_error);
    if done {
        update = update.set(Column::ImportedUs, tx.now().as_micros());
    }
    update.filter(Column::WabaId.eq(due.waba_id)).exec().await?;
    tx.update::<Entity>()
        .set(Column::DueUs, ended.again_us)
        .set(Column::Attempts, ended.attempts)
        .filter(Column::WabaId.eq(due.waba_id).and(Column::Asked.eq(due.asked)))
        .exec()
        .await
        .map(drop)
}
