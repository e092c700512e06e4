//! Counts of 15 minutes, kept beside the facts so that a month is read without reading its facts.

use std::collections::BTreeMap;

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

use crate::domain::count::Cell;

/// One count.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bucket")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) bucket_us: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) measure: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) category: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) origin: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) reason: String,
    pub(crate) count: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// Adds counts, or takes away what counts elsewhere, cell by cell in the cells' order. A batch has few cells: one a quarter of an hour, number and kind.
pub(crate) async fn add(tx: &SystemTx, cells: BTreeMap<Cell, i64>) -> Result<(), Error> {
    // Primary key of bucket: one row a statement.
    const ADD: &str = "INSERT INTO bucket (tenant_id, waba_id, number_id, bucket_us, measure, category, origin, reason, count) \
         SELECT {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9} WHERE {purpose} \
         ON CONFLICT (tenant_id, waba_id, number_id, bucket_us, measure, category, origin, reason) \
         DO UPDATE SET count = bucket.count + excluded.count";
    for (cell, count) in cells {
        let binds: Vec<Bind> = vec![
            cell.tenant.into(),
            cell.waba.into(),
            cell.number.into(),
            cell.bucket_us.into(),
            cell.measure.as_str().into(),
            cell.category.into(),
            cell.origin.into(),
            cell.reason.into(),
            count.into(),
        ];
        tx.raw(RawSql::both(ADD, binds)).exec().await?;
    }
    Ok(())
}

/// The counts of a WABA (and number) from `from_us` up to `to_us`.
pub(crate) async fn between(
    tx: &ScopedTx,
    waba: Uuid,
    number: Option<Uuid>,
    from_us: i64,
    to_us: i64,
) -> Result<Vec<Model>, Error> {
    let mut query = tx
        .find::<Entity>()
        .filter(Column::WabaId.eq(waba))
        .filter(Column::BucketUs.gte(from_us))
        .filter(Column::BucketUs.lt(to_us))
        // What turned out to count elsewhere leaves a nought behind.
        .filter(Column::Count.gt(0));
    if let Some(number) = number {
        query = query.filter(Column::NumberId.eq(number));
    }
    query.all().await
}
