//! What became of templates and numbers, as Meta told it. An entry's id carries its time, so order by id is history's.

use kernel::time::Timestamp;
use sea_orm::entity::prelude::*;
use store::{Error, Find, ScopedTx, tenanted};

use crate::domain::heard::Entry;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    /// The template or number.
    pub(crate) subject_id: Uuid,
    pub(crate) at_us: i64,
    pub(crate) field: String,
    pub(crate) old_value: String,
    pub(crate) new_value: String,
    pub(crate) reason: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// Writes entries of a thing's history, all of one instant.
pub(crate) fn rows(
    tx: &ScopedTx,
    (waba, subject): (Uuid, Uuid),
    at_us: i64,
    entries: Vec<Entry>,
) -> Vec<Model> {
    let at = Timestamp::from_micros(at_us);
    entries
        .into_iter()
        .map(|entry| Model {
            tenant_id: tx.tenant().uuid(),
            id: tx.ids().v7(at),
            waba_id: waba,
            subject_id: subject,
            at_us,
            field: entry.field.as_str().to_owned(),
            old_value: entry.old,
            new_value: entry.new,
            reason: entry.reason,
        })
        .collect()
}

/// Puts entries down.
pub(crate) async fn insert(tx: &ScopedTx, rows: Vec<Model>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.insert_many(rows.into_iter().map(super::whole::<_, ActiveModel>).collect()).await.map(drop)
}

/// Only one thing's.
pub(crate) fn of(rows: Find<Entity>, subject: Uuid) -> Find<Entity> {
    rows.filter(Column::SubjectId.eq(subject))
}
