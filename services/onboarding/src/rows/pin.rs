//! Two-step PINs, sealed and stored before the call that sets them.

use sea_orm::entity::prelude::*;
use store::{Error, ScopedTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number_pin")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_meta_id: String,
    pub(crate) id: Uuid,
    pub(crate) pin: Vec<u8>,
    pub(crate) created_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// Stores a number's PIN where it has none yet, and answers the one that is stored.
pub(crate) async fn keep(
    tx: &ScopedTx,
    id: Uuid,
    number_meta_id: &str,
    pin: Vec<u8>,
) -> Result<Model, Error> {
    let row = Model {
        tenant_id: tx.tenant().uuid(),
        number_meta_id: number_meta_id.to_owned(),
        id,
        pin,
        created_us: tx.now().as_micros(),
    };
    tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    tx.find::<Entity>()
        .filter(Column::NumberMetaId.eq(number_meta_id))
        .one()
        .await?
        .ok_or_else(|| Error::internal("a PIN that was just stored is not there"))
}
