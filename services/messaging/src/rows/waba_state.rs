//! Read model of WABAs, from onboarding.

use sea_orm::entity::prelude::*;

/// A row of `waba_state`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) environment: String,
    pub(crate) state: String,
    pub(crate) portfolio_id: Uuid,
    pub(crate) app_id: String,
    pub(crate) generation: i64,
    pub(crate) not_live_us: Option<i64>,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::WabaId;
use store::{Error, Find};

/// That of `rows` which has this id.
pub(crate) async fn one(rows: Find<Entity>, id: WabaId) -> Result<Option<Model>, Error> {
    rows.filter(Column::WabaId.eq(id.uuid())).one().await
}
