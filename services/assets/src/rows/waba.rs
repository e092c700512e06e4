//! What assets must know of a WABA. A read model of onboarding's WABAs.

use auth::Environment;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) environment: String,
    pub(crate) app_id: String,
    pub(crate) state: String,
    pub(crate) credential_generation: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// What [`keep`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// An older version, or one that is known.
    Skipped,
    /// The newest state; with what stood before, if anything did.
    Taken(Option<Model>),
}

/// Keeps a WABA's newest state: an older version is skipped.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<Kept, Error> {
    let own = || Column::TenantId.eq(row.tenant_id).and(Column::WabaId.eq(row.waba_id));
    let before = tx.find::<Entity>().filter(own()).for_update().one().await?;
    let changed = tx
        .update::<Entity>()
        .set(Column::MetaId, row.meta_id.clone())
        .set(Column::Environment, row.environment.clone())
        .set(Column::AppId, row.app_id.clone())
        .set(Column::State, row.state.clone())
        .set(Column::CredentialGeneration, row.credential_generation)
        .set(Column::Version, row.version)
        .filter(own().and(Column::Version.lt(row.version)))
        .exec()
        .await?;
    if changed > 0 {
        return Ok(Kept::Taken(before));
    }
    let inserted = tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    Ok(if inserted > 0 { Kept::Taken(None) } else { Kept::Skipped })
}

/// Which tenants these WABAs stand under.
pub(crate) async fn holders(tx: &SystemTx, wabas: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    let rows =
        tx.find::<Entity>().filter(Column::WabaId.is_in(wabas.iter().copied())).all().await?;
    Ok(rows.into_iter().map(|row| (row.waba_id, row.tenant_id)).collect())
}

/// A WABA within reach.
pub(crate) async fn get(tx: &ScopedTx, waba: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).one().await
}

/// A WABA, whoever's.
pub(crate) async fn find(tx: &SystemTx, waba: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).one().await
}

/// Whether a thing of this environment exists for a token of that one (AUTH-15).
pub(crate) fn visible(environment: Environment, of_thing: &str) -> bool {
    match environment {
        Environment::Any => true,
        Environment::Live | Environment::Sandbox => of_thing == environment.as_str(),
    }
}
