//! What analytics must know of a WABA: its zone and environment. A read model of onboarding's WABAs.

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

/// One WABA.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    /// IANA name; empty where Meta's zone id is unknown.
    pub(crate) timezone: String,
    pub(crate) environment: String,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// Keeps a WABA's newest state: an older version is skipped. One statement, so that two writers of one row lose nothing.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<(), Error> {
    const KEEP: &str = "INSERT INTO waba (tenant_id, waba_id, timezone, environment, version) \
         SELECT {1}, {2}, {3}, {4}, {5} WHERE {purpose} ON CONFLICT (tenant_id, waba_id) DO UPDATE SET \
         timezone = excluded.timezone, environment = excluded.environment, version = excluded.version \
         WHERE waba.version < excluded.version";
    let binds: Vec<Bind> = vec![
        row.tenant_id.into(),
        row.waba_id.into(),
        row.timezone.into(),
        row.environment.into(),
        row.version.into(),
    ];
    tx.raw(RawSql::both(KEEP, binds)).exec().await.map(drop)
}

/// Which tenant each of these WABAs stands under.
pub(crate) async fn holders(tx: &SystemTx, wabas: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    let rows =
        tx.find::<Entity>().filter(Column::WabaId.is_in(wabas.iter().copied())).all().await?;
    Ok(rows.into_iter().map(|row| (row.waba_id, row.tenant_id)).collect())
}

/// A WABA within reach.
pub(crate) async fn get(tx: &ScopedTx, waba: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).one().await
}
