//! Read model of tenants, from onboarding.

use sea_orm::entity::prelude::*;

/// A row of `tenant_state`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) active: bool,
    /// Words of categories, with spaces between them.
    pub(crate) require_opt_in: String,
    pub(crate) messages_per_day: Option<i64>,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity);
