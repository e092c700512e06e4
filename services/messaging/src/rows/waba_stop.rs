//! WABAs that Meta stopped: nothing goes out until the credential changes or the time is over.

use sea_orm::entity::prelude::*;

/// A row of `waba_stop`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba_stop")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    pub(crate) code: i64,
    pub(crate) generation: i64,
    pub(crate) since_us: i64,
    pub(crate) until_us: Option<i64>,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

/// The WABA's stop.
pub(crate) async fn of(tx: &store::ScopedTx, waba: Uuid) -> Result<Option<Model>, store::Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).one().await
}
