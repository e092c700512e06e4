//! Which number is which WABA's: a read model of assets'. A number that was removed stays: its last statuses come late.

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, SystemTx, tenanted};

use crate::domain::place::Line;

/// One number.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

impl From<Model> for Line {
    fn from(row: Model) -> Self {
        Self {
            tenant: row.tenant_id,
            waba: row.waba_id,
            number: row.number_id,
            meta_id: row.meta_id,
        }
    }
}

/// Those with these ids of Meta's, whosever they are.
pub(crate) async fn by_meta_ids(tx: &SystemTx, ids: &[&str]) -> Result<Vec<Line>, Error> {
    // Index ix_number_meta_id.
    let rows = tx.find::<Entity>().filter(Column::MetaId.is_in(ids.iter().copied())).all().await?;
    Ok(rows.into_iter().map(Line::from).collect())
}

/// Which tenant each of these numbers stands under.
pub(crate) async fn holders(tx: &SystemTx, numbers: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    let named = Column::NumberId.is_in(numbers.iter().copied());
    let rows = tx.find::<Entity>().filter(named).all().await?;
    Ok(rows.into_iter().map(|row| (row.number_id, row.tenant_id)).collect())
}

/// Keeps a number's newest state; an older version is skipped.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<(), Error> {
    const KEEP: &str = "INSERT INTO number (tenant_id, number_id, waba_id, meta_id, version) \
         SELECT {1}, {2}, {3}, {4}, {5} WHERE {purpose} ON CONFLICT (tenant_id, number_id) DO UPDATE SET \
         waba_id = excluded.waba_id, meta_id = excluded.meta_id, version = excluded.version \
         WHERE number.version < excluded.version";
    let binds: Vec<Bind> = vec![
        row.tenant_id.into(),
        row.number_id.into(),
        row.waba_id.into(),
        row.meta_id.into(),
        row.version.into(),
    ];
    tx.raw(RawSql::both(KEEP, binds)).exec().await.map(drop)
}
