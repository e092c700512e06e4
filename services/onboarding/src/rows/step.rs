//! Steps of the sagas, a row each. A desk table.

use sea_orm::entity::prelude::*;
use store::{DeskTable, DeskTx, Error, tenanted};

use crate::domain::step::StepState;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "onboarding_step")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) onboarding_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) step: String,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) started_us: Option<i64>,
    pub(crate) finished_us: Option<i64>,
    /// What went wrong with a step that failed; a note about every other one.
    pub(crate) error: String,
    pub(crate) meta_error: Option<String>,
    pub(crate) retry_at_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Model {
    /// Whether its last try failed, be it of the step or of taking it back.
    pub(crate) fn has_failed(&self) -> bool {
        self.state == StepState::Failed.as_str() || self.retry_at_us.is_some()
    }
}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

/// The steps of sagas that the desk may see.
pub(crate) async fn of_sagas(tx: &DeskTx, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().filter(Column::OnboardingId.is_in(ids.iter().copied())).all().await
}
