//! Sagas. A desk table: state and Meta's ids, no content, no secrets.

use auth::Environment;
use sea_orm::Order;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{DeskTable, DeskTx, Error, Find, SystemTx, tenanted};

use crate::domain::step::State;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "onboarding")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) invitation_id: Uuid,
    /// Of the dialog's answer that began it, so that the same answer finds it again.
    pub(crate) answer_hash: String,
    pub(crate) app_id: String,
    /// Of its Meta app, `live` or `sandbox`; empty where that is configured no more.
    pub(crate) environment: String,
    pub(crate) state: String,
    pub(crate) step: String,
    pub(crate) waba_hint: String,
    pub(crate) number_hint: String,
    pub(crate) waba_meta_id: String,
    pub(crate) waba_id: Option<Uuid>,
    pub(crate) numbers: String,
    pub(crate) registered: String,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
    pub(crate) change_id: Uuid,
    pub(crate) webhooks_proven_us: Option<i64>,
    pub(crate) due_us: i64,
    pub(crate) lease_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

// A saga belongs to no WABA before its claim: until then it is seen by those alone who reach all of the tenant's.
tenanted!(Entity, waba);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// A saga's row, whoever's.
pub(crate) async fn find(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// Changes of one read of a stream's past.
pub(crate) const MOST_CHANGED: u64 = 200;

/// Has the sagas that wait for the import of a WABA look at once. Those on their way to that step are touched too: the
/// lock puts their step after this.
pub(crate) async fn wake_import(tx: &SystemTx, tenant: Uuid, waba: Uuid) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::DueUs, tx.now().as_micros())
        .filter(Column::TenantId.eq(tenant).and(Column::WabaId.eq(waba)))
        .filter(Column::State.eq(State::Running.as_str()))
        .exec()
        .await
        .map(drop)
}

/// A saga's row that the desk may see.
pub(crate) async fn by_id(tx: &DeskTx, id: Uuid) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).all().await
}

/// Only one tenant's, where one is named.
pub(crate) fn of_tenant(rows: Find<Entity>, tenant: Option<Uuid>) -> Find<Entity> {
    match tenant {
        Some(tenant) => rows.filter(Column::TenantId.eq(tenant)),
        None => rows,
    }
}

/// Those of the environment that the caller works in (AUTH-15).
pub(crate) fn of_environment(rows: Find<Entity>, environment: Environment) -> Find<Entity> {
    match environment {
        Environment::Any => rows,
        Environment::Live | Environment::Sandbox => {
            rows.filter(Column::Environment.eq(environment.as_str()))
        }
    }
}

/// The next that changed after a change id, oldest change first.
pub(crate) fn changed(rows: Find<Entity>, after: Uuid) -> Find<Entity> {
    rows.filter(Column::ChangeId.gt(after))
        .order_by(Column::ChangeId, Order::Asc)
        .limit(MOST_CHANGED)
}
