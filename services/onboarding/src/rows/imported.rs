//! Numbers that assets has imported: a read model, for the saga's import step.

use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "imported_number")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// How many of a WABA's numbers were imported, by Meta's ids.
pub(crate) async fn count(tx: &ScopedTx, waba: Uuid, meta_ids: &[String]) -> Result<u64, Error> {
    tx.find::<Entity>()
        .filter(Column::WabaId.eq(waba))
        .filter(Column::MetaId.is_in(meta_ids.iter().cloned()))
        .count()
        .await
}

/// Keeps a number's newest state; older versions are skipped.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<(), Error> {
    let own = Column::TenantId.eq(row.tenant_id).and(Column::NumberId.eq(row.number_id));
    let changed = tx
        .update::<Entity>()
        .set(Column::WabaId, row.waba_id)
        .set(Column::MetaId, row.meta_id.clone())
        .set(Column::Version, row.version)
        .filter(own.and(Column::Version.lt(row.version)))
        .exec()
        .await?;
    if changed == 0 {
        tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    }
    Ok(())
}
