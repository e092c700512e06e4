//! What must be known of a WABA to route to it: a read model of onboarding's.

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, SystemTx, tenanted};

use crate::domain::place::Account;

/// One WABA.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    pub(crate) meta_id: String,
    pub(crate) app_id: String,
    pub(crate) environment: String,
    /// `held` or `released`.
    pub(crate) state: String,
    pub(crate) claimed_us: i64,
    /// Generation of its credential: rises when it is claimed or connected again.
    pub(crate) generation: i64,
    /// The generation that somebody heard of already; below the other, the next delivery is told.
    pub(crate) heard_generation: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// The state of a WABA that its tenant gave back.
pub(crate) const RELEASED: &str = "released";
/// Any other.
pub(crate) const HELD: &str = "held";

impl From<Model> for Account {
    fn from(row: Model) -> Self {
        Self {
            tenant: row.tenant_id,
            waba: row.waba_id,
            released: row.state == RELEASED,
            meta_id: row.meta_id,
            app_id: row.app_id,
            environment: row.environment,
            claimed_us: row.claimed_us,
            unheard: row.heard_generation < row.generation,
        }
    }
}

/// Those with these ids of Meta's, whoever holds or held them.
pub(crate) async fn by_meta_ids(tx: &SystemTx, ids: &[&str]) -> Result<Vec<Account>, Error> {
    // Index ix_waba_meta_id.
    let rows = tx.find::<Entity>().filter(Column::MetaId.is_in(ids.iter().copied())).all().await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Which tenant each of these WABAs stands under.
pub(crate) async fn holders(tx: &SystemTx, wabas: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, Error> {
    let rows =
        tx.find::<Entity>().filter(Column::WabaId.is_in(wabas.iter().copied())).all().await?;
    Ok(rows.into_iter().map(|row| (row.waba_id, row.tenant_id)).collect())
}

/// Keeps a WABA's newest state; an older version is skipped, and what was heard stays.
pub(crate) async fn keep(tx: &SystemTx, row: Model) -> Result<(), Error> {
    const KEEP: &str = "INSERT INTO waba (tenant_id, waba_id, meta_id, app_id, environment, state, claimed_us, generation, \
         heard_generation, version) SELECT {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, -1, {9} WHERE {purpose} \
         ON CONFLICT (tenant_id, waba_id) DO UPDATE SET meta_id = excluded.meta_id, app_id = excluded.app_id, \
         environment = excluded.environment, state = excluded.state, claimed_us = excluded.claimed_us, \
         generation = excluded.generation, version = excluded.version WHERE waba.version < excluded.version";
    let binds: Vec<Bind> = vec![
        row.tenant_id.into(),
        row.waba_id.into(),
        row.meta_id.into(),
        row.app_id.into(),
        row.environment.into(),
        row.state.into(),
        row.claimed_us.into(),
        row.generation.into(),
        row.version.into(),
    ];
    tx.raw(RawSql::both(KEEP, binds)).exec().await.map(drop)
}

/// Says that these were heard, and answers those that nobody had said it of.
pub(crate) async fn heard(tx: &SystemTx, wabas: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    const HEAR: &str = "UPDATE waba SET heard_generation = generation WHERE waba_id IN ({1}) \
         AND heard_generation < generation AND {purpose} RETURNING waba_id AS id";
    let binds = vec![Bind::list(wabas.iter().copied())];
    let rows: Vec<super::Touched> = tx.raw(RawSql::both(HEAR, binds)).all().await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
