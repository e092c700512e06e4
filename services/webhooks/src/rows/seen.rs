//! What was routed already: the narrow table that outlives the raw log's partitions.

use std::collections::HashSet;

use sea_orm::{ActiveValue::Set, entity::prelude::*};
use store::{Error, RawSql, SystemTx, tenanted};

/// One element.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "element_seen")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seen_key: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) received_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// Records elements, and answers (tenant, key) of those that nobody had recorded. The rows go in by order of key, so
/// that two workers with the same elements wait for each other and never in a ring.
pub(crate) async fn first(
    tx: &SystemTx,
    mut rows: Vec<Model>,
) -> Result<HashSet<(Uuid, Uuid)>, Error> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    rows.sort_by_key(|row| (row.tenant_id, row.seen_key));
    rows.dedup_by_key(|row| (row.tenant_id, row.seen_key));
    let rows = rows.into_iter().map(|row| ActiveModel {
        tenant_id: Set(row.tenant_id),
        seen_key: Set(row.seen_key),
        waba_id: Set(row.waba_id),
        received_us: Set(row.received_us),
    });
    let new = tx.insert_new(rows.collect()).await?;
    Ok(new.into_iter().map(|row| (row.tenant_id, row.seen_key)).collect())
}

/// Which of these keys one of these tenants had routed.
pub(crate) async fn routed(
    tx: &SystemTx,
    tenants: &[Uuid],
    keys: &[Uuid],
) -> Result<HashSet<Uuid>, Error> {
    // Primary key of element_seen.
    let of_these = Column::TenantId.is_in(tenants.iter().copied());
    let named = Column::SeenKey.is_in(keys.iter().copied());
    let rows = tx.find::<Entity>().filter(of_these).filter(named).all().await?;
    Ok(rows.into_iter().map(|row| row.seen_key).collect())
}

/// Forgets at most `limit` elements that were received before an instant.
pub(crate) async fn forget(tx: &SystemTx, before_us: i64, limit: i64) -> Result<u64, Error> {
    // Index ix_element_seen_received_us.
    const FORGET: &str = "DELETE FROM element_seen WHERE (tenant_id, seen_key) IN (SELECT tenant_id, seen_key \
         FROM element_seen WHERE received_us < {1} ORDER BY received_us LIMIT {2}) AND {purpose}";
    tx.raw(RawSql::both(FORGET, vec![before_us.into(), limit.into()])).exec().await
}
