//! The copy of onboarding's partners: that they are there, and their names.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One partner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// One partner.
pub(crate) async fn get(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// Keeps a partner's newest state.
pub(crate) async fn keep(tx: &SystemTx, new: &Model) -> Result<(), Error> {
    let changed = tx
        .update::<Entity>()
        .set(Column::Name, new.name.clone())
        .set(Column::Version, new.version)
        .filter(Column::Id.eq(new.id))
        .filter(Column::Version.lt(new.version))
        .exec()
        .await?;
    if changed > 0 {
        return Ok(());
    }
    let row =
        ActiveModel { id: Set(new.id), name: Set(new.name.clone()), version: Set(new.version) };
    tx.insert_ignore(vec![row]).await.map(drop)
}
