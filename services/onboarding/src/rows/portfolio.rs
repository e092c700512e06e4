//! Business portfolios: a row a tenant, even where two tenants share one of Meta's.

use sea_orm::entity::prelude::*;
use store::{Error, ScopedTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "portfolio")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) name: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// The tenant's row of one of Meta's portfolios, made where there is none.
pub(crate) async fn find_or_make(tx: &ScopedTx, meta_id: &str, name: &str) -> Result<Uuid, Error> {
    let row = Model {
        tenant_id: tx.tenant().uuid(),
        id: tx.ids().v7(tx.now()),
        meta_id: meta_id.to_owned(),
        name: name.to_owned(),
    };
    tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    let row = tx.find::<Entity>().filter(Column::MetaId.eq(meta_id)).one().await?;
    row.map(|row| row.id)
        .ok_or_else(|| Error::internal("a portfolio that was just stored is not there"))
}
