//! Places at the desk: the BSP's own (no partner), or a partner's.

use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One person's place at one desk.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operator")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    /// The partner, or nil.
    pub(crate) place_id: Uuid,
    /// As whoever added them calls them.
    pub(crate) name: String,
    pub(crate) role: String,
    /// Whether the person has taken the place, by its link. Until then it opens nothing.
    pub(crate) active: bool,
    pub(crate) created_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A person's places at desks.
pub(crate) async fn of_person(tx: &SystemTx, user: Uuid) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().filter(Column::UserId.eq(user)).all().await
}

/// Gives a person a place.
pub(crate) async fn insert(tx: &SystemTx, new: &Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(new.clone())).await
}

/// Marks a place as taken, and answers it; none where there is none any more.
pub(crate) async fn activate(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    let update = tx.update::<Entity>().set(Column::Active, true).filter(Column::Id.eq(id));
    Ok(update.exec_returning().await?.into_iter().next())
}
