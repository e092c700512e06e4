//! What assets must know of a tenant: whose partner it is. A read model of onboarding's tenants.

use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) state: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// Keeps a tenant's newest state: an older version is skipped. Answers whether its partner is news.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<bool, Error> {
    let own = || Column::TenantId.eq(row.tenant_id);
    let before = tx.find::<Entity>().filter(own()).for_update().one().await?;
    let news = before.as_ref().is_none_or(|before| before.partner_id != row.partner_id);
    let changed = tx
        .update::<Entity>()
        .set(Column::PartnerId, row.partner_id)
        .set(Column::State, row.state.clone())
        .set(Column::Version, row.version)
        .filter(own().and(Column::Version.lt(row.version)))
        .exec()
        .await?;
    if changed > 0 {
        return Ok(news);
    }
    let inserted = tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    Ok(inserted > 0 && news)
}

/// The partner of the tenant in whose scope this runs.
pub(crate) async fn partner(tx: &ScopedTx) -> Result<Option<Uuid>, Error> {
    Ok(tx.find::<Entity>().one().await?.and_then(|row| row.partner_id))
}
