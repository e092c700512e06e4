//! The raw log: every delivery as its bytes came, and who works on it.
//!
//! A claim is a lease by the database's clock, written before the work: what dies with its process counts as an attempt,
//! and is claimed again once the lease has run out. The state is changed in the transaction of the effect.

use sea_orm::{ActiveValue::Set, FromQueryResult, entity::prelude::*};
use store::{Backend, Bind, Error, RawSql, SystemTx};

use super::Touched;

/// Bytes of the bodies that one insert carries at most.
const INSERT_BYTES: usize = 8 << 20;

/// One delivery. It holds content, and so nothing prints it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbound_raw")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) app_id: String,
    /// Which of the app's secrets had signed: `current` or `previous`.
    pub(crate) key_id: String,
    pub(crate) sha256: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) traceparent: Option<String>,
    pub(crate) received_us: i64,
    /// `new`, `done`, `unreadable` or `failed`.
    pub(crate) state: String,
    /// Whose the claim is.
    pub(crate) claim: String,
    pub(crate) claimed_until_us: i64,
    pub(crate) attempts: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Unreadable,
    Failed,
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
        }
    }
}

/// A claimed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) size: i64,
    /// This one included.
    pub(crate) attempts: i64,
}

/// A delivery to append.
#[derive(Clone)]
pub(crate) struct New {
    pub(crate) id: Uuid,
    pub(crate) app_id: String,
    pub(crate) key_id: &'static str,
    pub(crate) sha256: [u8; 32],
    pub(crate) body: bytes::Bytes,
    pub(crate) traceparent: Option<String>,
    pub(crate) received_us: i64,
}

/// Appends deliveries by few statements, none of them larger than the databases like.
pub(crate) async fn append(tx: &SystemTx, deliveries: Vec<New>) -> Result<(), Error> {
    let (mut rows, mut held) = (Vec::new(), 0);
    for new in deliveries {
        held += new.body.len();
        rows.push(ActiveModel {
            id: Set(new.id),
            app_id: Set(new.app_id),
            key_id: Set(new.key_id.to_owned()),
            sha256: Set(new.sha256.to_vec()),
            size: Set(i64::try_from(new.body.len()).unwrap_or(i64::MAX)),
            body: Set(new.body.to_vec()),
            traceparent: Set(new.traceparent),
            received_us: Set(new.received_us),
            state: Set("new".to_owned()),
            claim: Set(String::new()),
            claimed_until_us: Set(0),
            attempts: Set(0),
        });
        if held >= INSERT_BYTES {
            tx.insert_many(std::mem::take(&mut rows)).await?;
            held = 0;
        }
    }
    tx.insert_many(rows).await.map(drop)
}

/// Claims what waits, oldest first.
pub(crate) async fn claim(
    tx: &SystemTx,
    claim: &str,
    lease_us: i64,
    limit: i64,
) -> Result<Vec<Claimed>, Error> {
    // Index ix_inbound_raw_waiting. Materialised, so that the rows are chosen once.
    const CLAIM: &str = "WITH due AS MATERIALIZED (SELECT id AS due_id FROM inbound_raw WHERE state = 'new' \
         AND claimed_until_us < {db_now} AND {purpose} ORDER BY id LIMIT {3} {skip_locked}) \
         UPDATE inbound_raw SET claim = {1}, claimed_until_us = {db_now} + {2}, attempts = attempts + 1 \
         FROM due WHERE id = due_id RETURNING id, size, attempts";
    let binds: Vec<Bind> = vec![claim.into(), lease_us.into(), limit.into()];
    let mut rows: Vec<Claimed> = tx.raw(RawSql::both(CLAIM, binds)).all().await?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Deliveries with their bodies.
pub(crate) async fn read(tx: &SystemTx, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.is_in(ids.iter().copied())).all().await
}

/// Ends deliveries that are still this claim's, and answers which: the effect is theirs alone.
pub(crate) async fn end(
    tx: &SystemTx,
    claim: &str,
    ids: &[Uuid],
    how: Ended,
) -> Result<Vec<Uuid>, Error> {
    const END: &str = "UPDATE inbound_raw SET state = {1}, claimed_until_us = 0 WHERE id IN ({2}) AND claim = {3} \
         AND state = 'new' AND {purpose} RETURNING id";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let binds = vec![how.as_str().into(), Bind::list(ids.iter().copied()), claim.into()];
    let rows: Vec<Touched> = tx.raw(RawSql::both(END, binds)).all().await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Gives back what a claim still holds, so that nobody waits for its lease.
pub(crate) async fn release(tx: &SystemTx, claim: &str) -> Result<(), Error> {
    // Index ix_inbound_raw_waiting.
    const RELEASE: &str = "UPDATE inbound_raw SET claimed_until_us = 0, attempts = attempts - 1 WHERE state = 'new' \
         AND claim = {1} AND {purpose}";
    tx.raw(RawSql::both(RELEASE, vec![claim.into()])).exec().await.map(drop)
}

/// Has deliveries between two ids worked on again, oldest first and at most `limit`; answers their ids in order.
pub(crate) async fn replay(
    tx: &SystemTx,
    from: Uuid,
    to: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    // Primary key of inbound_raw, and its partitions.
    const REPLAY: &str = "WITH again AS MATERIALIZED (SELECT id AS again_id FROM inbound_raw WHERE id > {1} AND id < {2} \
         AND {purpose} ORDER BY id LIMIT {3}) UPDATE inbound_raw SET state = 'new', claim = '', claimed_until_us = 0, \
         attempts = 0 FROM again WHERE id = again_id RETURNING id";
    let binds: Vec<Bind> = vec![from.into(), to.into(), limit.into()];
    let rows: Vec<Touched> = tx.raw(RawSql::both(REPLAY, binds)).all().await?;
    let mut ids: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Removes at most `limit` deliveries before an id, on SQLite: PostgreSQL drops whole days.
pub(crate) async fn forget(tx: &SystemTx, before: Uuid, limit: i64) -> Result<u64, Error> {
    const FORGET: &str = "DELETE FROM inbound_raw WHERE id IN (SELECT id FROM inbound_raw WHERE id < {1} \
         ORDER BY id LIMIT {2}) AND {purpose}";
    match tx.backend() {
        Backend::Postgres => Ok(0),
        Backend::Sqlite => {
            tx.raw(RawSql::both(FORGET, vec![before.into(), limit.into()])).exec().await
        }
    }
}
