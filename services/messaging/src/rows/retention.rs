//! What is past its time in the side tables, which no partition takes along: batch by batch (DATA-6).

use kernel::time::Timestamp;
use store::{Bind, Error, RawSql, SystemTx};
use uuid::Uuid;

/// Rows that one statement deletes.
pub(crate) const BATCH: u64 = 1_000;

/// A side table and what of it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Ids that lead to messages.
    MetaIds,
    /// POSTs.
    Attempts,
    /// Statuses that were applied.
    Seen,
    /// Statuses without a message.
    Orphans,
}

impl Side {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::MetaIds, Self::Attempts, Self::Seen, Self::Orphans];
}

/// The first id of an instant.
fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// Deletes a batch of what is older than `before`; answers how many rows it was.
pub(crate) async fn delete(tx: &SystemTx, side: Side, before: Timestamp) -> Result<u64, Error> {
    let micros: Bind = before.as_micros().into();
    let (sql, old) = match side {
        Side::MetaIds => (
            "DELETE FROM message_meta_id WHERE {purpose} \
                AND (tenant_id, number_id, direction, meta_id) IN ( \
                SELECT tenant_id, number_id, direction, meta_id FROM message_meta_id \
                WHERE message_id < {1} LIMIT {2})",
            first_id(before).into(),
        ),
        Side::Attempts => (
            "DELETE FROM attempt WHERE {purpose} AND (tenant_id, message_id, n) IN ( \
                SELECT tenant_id, message_id, n FROM attempt WHERE started_us < {1} LIMIT {2})",
            micros,
        ),
        Side::Seen => (
            "DELETE FROM status_seen WHERE {purpose} \
                AND (tenant_id, number_id, meta_id, status, participant) IN ( \
                SELECT tenant_id, number_id, meta_id, status, participant FROM status_seen \
                WHERE at_us < {1} LIMIT {2})",
            micros,
        ),
        Side::Orphans => (
            "DELETE FROM orphan_status WHERE {purpose} \
                AND (tenant_id, number_id, meta_id, status, participant) IN ( \
                SELECT tenant_id, number_id, meta_id, status, participant FROM orphan_status \
                WHERE received_us < {1} LIMIT {2})",
            micros,
        ),
    };
    let rows = i64::try_from(BATCH).unwrap_or(i64::MAX);
    tx.raw(RawSql::both(sql, vec![old, rows.into()])).exec().await
}
