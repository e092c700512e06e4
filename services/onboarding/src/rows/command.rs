//! Desk commands that came with an idempotency key, each with what it made. The tenant of a row is whose desk it was:
//! the partner's id, nil for the BSP.

use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "desk_command")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) operation: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key: String,
    pub(crate) fingerprint: String,
    pub(crate) object_id: Uuid,
    /// What the answer shows once alone, sealed.
    pub(crate) answer: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// Puts a command down; answers the row of the one that came before under this key.
pub(crate) async fn take(tx: &SystemTx, row: Model) -> Result<Option<Model>, Error> {
    let same = Column::TenantId
        .eq(row.tenant_id)
        .and(Column::Operation.eq(row.operation.clone()))
        .and(Column::Key.eq(row.key.clone()));
    if tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await? > 0 {
        return Ok(None);
    }
    tx.find::<Entity>().filter(same).one().await
}
