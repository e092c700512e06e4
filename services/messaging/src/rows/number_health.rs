//! What we ourselves learn of a number: since when its webhooks come without a break, and until when it may not market.

use sea_orm::entity::prelude::*;

/// A row of `number_health`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number_health")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) heard_first_us: Option<i64>,
    pub(crate) heard_broken_us: Option<i64>,
    pub(crate) marketing_held_us: Option<i64>,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);
