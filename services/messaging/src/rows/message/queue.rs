//! The queue of outbound messages: which numbers have work, who takes it, what goes back. System work
//! over all tenants; every move of `dispatch` is a compare-and-set, on which I2 rests.

use kernel::time::Timestamp;
use sea_orm::{ColumnTrait as _, FromQueryResult};
use store::lease::Lease;
use store::{Bind, Error, RawSql, SystemTx};
use uuid::Uuid;

use super::Model;
use crate::domain::message::Class;

/// A number that has something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromQueryResult)]
pub(crate) struct Claimable {
    /// Which.
    pub(crate) number_id: Uuid,
}

/// Numbers with rows that are due, or that somebody claimed and did not finish. A loose walk over the
/// partial indexes `(number_id, rank, due_us, id)` of what is queued and `(number_id)` of what is in
/// hand: its cost grows with the numbers, not with the backlog.
pub(crate) async fn due_numbers(tx: &SystemTx, now: Timestamp) -> Result<Vec<Uuid>, Error> {
    let queued = "WITH RECURSIVE walk AS ( \
            SELECT (SELECT number_id FROM message WHERE dispatch = 'queued' AND due_us <= {1} \
                AND {purpose} ORDER BY number_id LIMIT 1) AS number_id \
            UNION ALL \
            SELECT (SELECT m.number_id FROM message AS m WHERE m.dispatch = 'queued' \
                AND m.due_us <= {1} AND m.number_id > walk.number_id \
                ORDER BY m.number_id LIMIT 1) FROM walk WHERE walk.number_id IS NOT NULL) \
        SELECT number_id FROM walk WHERE number_id IS NOT NULL";
    let in_hand = "SELECT DISTINCT number_id FROM message \
        WHERE dispatch IN ('claimed', 'sending') AND status <> 'unknown' AND {purpose}";
    let mut numbers: Vec<Uuid> = tx
        .raw(RawSql::both(queued, vec![now.as_micros().into()]))
        .all::<Claimable>()
        .await?
        .into_iter()
        .map(|row| row.number_id)
        .collect();
    let unfinished = tx.raw(RawSql::both(in_hand, Vec::new())).all::<Claimable>().await?;
    numbers.extend(unfinished.into_iter().map(|row| row.number_id));
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// One class's line of one number, best first.
macro_rules! line {
    ($rank:literal, $limit:literal) => {
        concat!(
            "SELECT id FROM (SELECT id FROM message WHERE number_id = {1} AND rank = ",
            $rank,
            " AND dispatch = 'queued' AND due_us <= {2} ORDER BY due_us, id LIMIT {",
            $limit,
            "} {skip_locked}) AS line",
            $rank
        )
    };
}

/// The claim, with the lock on the lease's row where writers are not alone.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE message SET dispatch = 'claimed', fence = {3}, version = version + 1 \
             WHERE {purpose} AND dispatch = 'queued' \
             AND EXISTS (SELECT 1 FROM lease WHERE name = {11} AND token = {3} ",
            $lock,
            ") AND id IN (",
            line!("0", "4"),
            " UNION ALL ",
            line!("1", "5"),
            " UNION ALL ",
            line!("2", "6"),
            " UNION ALL ",
            line!("3", "7"),
            " UNION ALL ",
            line!("4", "8"),
            " UNION ALL ",
            line!("5", "9"),
            " UNION ALL ",
            line!("6", "10"),
            ") RETURNING *"
        )
    };
}

/// Takes up to `rooms` rows of each class of a number under its lease; none where the lease has another
/// token by now. The next token is not given out while this is under way (DEL-2), so what its holder
/// gives back at the take-over is all that was ever claimed before it. Index: `(number_id, rank, due_us,
/// id)` of what is queued.
pub(crate) async fn claim(
    tx: &SystemTx,
    number: Uuid,
    lease: &Lease,
    now: Timestamp,
    rooms: [u32; Class::ALL.len()],
) -> Result<Vec<Model>, Error> {
    let mut binds: Vec<Bind> = vec![number.into(), now.as_micros().into(), lease.token().into()];
    binds.extend(rooms.map(|room| Bind::from(i64::from(room))));
    binds.push(lease.name().into());
    let sql = RawSql { postgres: claim!("FOR SHARE"), sqlite: claim!(""), binds };
    let mut rows = tx.raw(sql).all::<Model>().await?;
    rows.sort_unstable_by_key(|row| (row.rank, row.due_us, row.id));
    Ok(rows)
}

/// Gives claimed rows back that were not marked: drain, a lost lease, a number that stopped.
pub(crate) async fn give_back(
    tx: &SystemTx,
    number: Uuid,
    fences_up_to: i64,
    due: Timestamp,
) -> Result<u64, Error> {
    let text = "UPDATE message SET dispatch = 'queued', \
            due_us = CASE WHEN due_us < {3} THEN {3} ELSE due_us END, version = version + 1 \
        WHERE {purpose} AND number_id = {1} AND dispatch = 'claimed' AND fence <= {2}";
    let binds = vec![number.into(), fences_up_to.into(), due.as_micros().into()];
    tx.raw(RawSql::both(text, binds)).exec().await
}

/// A message that something is to be done about, and whose unit does it.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Released {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Which.
    pub(crate) id: Uuid,
    /// Of which WABA.
    pub(crate) waba_id: Uuid,
}

/// Scheduled messages whose hour came. Index: `(due_us)` of what is scheduled.
pub(crate) async fn scheduled_until(
    tx: &SystemTx,
    now: Timestamp,
    rows: u64,
) -> Result<Vec<Released>, Error> {
    let text = "SELECT tenant_id, id, waba_id FROM message WHERE {purpose} \
        AND dispatch = 'scheduled' AND due_us <= {1} ORDER BY due_us LIMIT {2}";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let binds = vec![now.as_micros().into(), rows.into()];
    tx.raw(RawSql::both(text, binds)).all::<Released>().await
}

/// Messages whose deadline came. Index: `(deadline_us)` of what has one.
pub(crate) async fn overdue(
    tx: &SystemTx,
    now: Timestamp,
    rows: u64,
) -> Result<Vec<Released>, Error> {
    tx.find::<super::Entity>()
        .columns([super::Column::TenantId, super::Column::Id, super::Column::WabaId])
        .filter(super::Column::DeadlineUs.lte(now.as_micros()))
        .order_by(super::Column::DeadlineUs, sea_orm::sea_query::Order::Asc)
        .limit(rows)
        .all_as::<Released>()
        .await
}

/// What an earlier holder left on the wire without an outcome. Index: `(number_id)` of what is in
/// hand.
pub(crate) async fn left_sending(
    tx: &SystemTx,
    number: Uuid,
    fences_up_to: i64,
) -> Result<Vec<Released>, Error> {
    let text = "SELECT tenant_id, id, waba_id FROM message WHERE {purpose} AND number_id = {1} \
        AND dispatch IN ('claimed', 'sending') AND dispatch = 'sending' AND fence <= {2} \
        AND status <> 'unknown'";
    let binds = vec![number.into(), fences_up_to.into()];
    tx.raw(RawSql::both(text, binds)).all::<Released>().await
}

/// A claimed message that goes back to the queue.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Back {
    /// Which.
    pub(crate) id: Uuid,
    /// Under which fencing token it was claimed.
    pub(crate) fence: i64,
    /// Not before then.
    pub(crate) due_us: i64,
}

/// Gives single claimed messages back, each until its time (pair parked, no token). Index: the primary
/// key's ids.
pub(crate) async fn defer(tx: &SystemTx, back: &[Back]) -> Result<u64, Error> {
    if back.is_empty() {
        return Ok(0);
    }
    let sql = RawSql {
        postgres: "UPDATE message SET dispatch = 'queued', due_us = v.due_us, \
                version = message.version + 1 \
            FROM json_to_recordset({1}::json) AS v(id uuid, fence bigint, due_us bigint) \
            WHERE {purpose} AND message.id = v.id AND message.dispatch = 'claimed' \
                AND message.fence = v.fence",
        sqlite: "UPDATE message SET dispatch = 'queued', due_us = v.due_us, \
                version = message.version + 1 \
            FROM (SELECT unhex(replace(value ->> 'id', '-', '')) AS id, \
                value ->> 'fence' AS fence, value ->> 'due_us' AS due_us \
                FROM json_each({1})) AS v \
            WHERE {purpose} AND message.id = v.id AND message.dispatch = 'claimed' \
                AND message.fence = v.fence",
        binds: vec![crate::rows::json(back)?.into()],
    };
    tx.raw(sql).exec().await
}
