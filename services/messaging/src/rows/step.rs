//! Every step on a message's path.

use sea_orm::entity::prelude::*;

/// A row of `message_step`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_step")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) at_us: i64,
    pub(crate) name: String,
    pub(crate) detail: String,
    pub(crate) error: Option<String>,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{MessageId, WabaId};
use kernel::time::Timestamp;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use store::{Error, ScopedTx};

use crate::domain::message::{MetaError, StepName};

/// A step, as units write and readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Also the id of its event.
    pub(crate) id: Uuid,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// Of which message.
    pub(crate) message: MessageId,
    /// When it happened: Meta's time where Meta told it.
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) name: StepName,
    /// More, for people.
    pub(crate) detail: String,
    /// Meta's words.
    pub(crate) error: Option<MetaError>,
}

/// Stores steps.
pub(crate) async fn insert(tx: &ScopedTx, steps: &[Step]) -> Result<(), Error> {
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let error = step.error.as_ref().map(serde_json::to_string).transpose();
        rows.push(ActiveModel {
            tenant_id: Set(tx.tenant().uuid()),
            id: Set(step.id),
            waba_id: Set(step.waba.uuid()),
            message_id: Set(step.message.uuid()),
            at_us: Set(step.at.as_micros()),
            name: Set(step.name.as_str().to_owned()),
            detail: Set(step.detail.clone()),
            error: Set(error.map_err(|error| Error::internal(format!("write a step: {error}")))?),
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    tx.insert_many(rows).await.map(drop)
}

/// A message's steps, oldest first. Index: (tenant, message, id).
pub(crate) async fn of_message(tx: &ScopedTx, message: MessageId) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::MessageId.eq(message.uuid()))
        .order_by(Column::AtUs, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(1_000)
        .all()
        .await
}

/// Steps after an id, in order: what a stream that comes back has missed. Index: the primary key.
pub(crate) async fn after(tx: &ScopedTx, after: Uuid, rows: u64) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::Id.gt(after))
        .order_by(Column::Id, Order::Asc)
        .limit(rows)
        .all()
        .await
}
