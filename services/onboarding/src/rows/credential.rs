//! The vault's rows: sealed tokens. No desk reads them, and no scope of a person or a key: the saga's own right and the
//! vault's purpose alone do.

use sea_orm::Order;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, ScopedTx, SystemTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credential")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) onboarding_id: Uuid,
    pub(crate) waba_id: Option<Uuid>,
    pub(crate) app_id: String,
    pub(crate) token: Vec<u8>,
    pub(crate) generation: i64,
    pub(crate) expires_us: Option<i64>,
    pub(crate) created_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

// A token belongs to no WABA before its saga's claim, like the saga itself.
tenanted!(Entity, waba);

/// The token that a saga exchanged.
pub(crate) async fn of_saga(tx: &ScopedTx, saga: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::OnboardingId.eq(saga)).one().await
}

/// The newest token of a tenant's WABA.
pub(crate) async fn of_waba(
    tx: &SystemTx,
    tenant: Uuid,
    waba: Uuid,
) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::TenantId.eq(tenant).and(Column::WabaId.eq(waba)))
        .order_by(Column::Generation, Order::Desc)
        .one()
        .await
}

/// Takes a saga's token out of the vault.
pub(crate) async fn forget(tx: &ScopedTx, saga: Uuid) -> Result<(), Error> {
    tx.delete::<Entity>().filter(Column::OnboardingId.eq(saga)).exec().await.map(drop)
}

/// Takes the tokens of a WABA's other sagas out of the vault.
pub(crate) async fn forget_others(tx: &ScopedTx, saga: Uuid, waba: Uuid) -> Result<(), Error> {
    tx.delete::<Entity>()
        .filter(Column::WabaId.eq(waba).and(Column::OnboardingId.ne(saga)))
        .exec()
        .await
        .map(drop)
}

/// Makes a saga's token the newest of a WABA.
pub(crate) async fn bind(
    tx: &ScopedTx,
    saga: Uuid,
    waba: Uuid,
    generation: i64,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::WabaId, Some(waba))
        .set(Column::Generation, generation)
        .filter(Column::OnboardingId.eq(saga))
        .exec()
        .await
        .map(drop)
}

/// Puts a sealed token down.
pub(crate) async fn insert(tx: &ScopedTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}
