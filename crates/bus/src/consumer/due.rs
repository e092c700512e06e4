//! Takes letters that are due, and opens the inbox for them: once a try, not once a claim.
//!
//! A claim that lapsed belongs to a process that died in the middle of a try, perhaps after its effect was
//! committed. Only the inbox row knows, so it stays: the handler finds it and does nothing, or does not find it
//! and does the work. A letter that nobody was trying (`claimed_until_us = 0`) has the inbox row that its burial
//! wrote, and that one goes with the claim, in one transaction.

use std::time::Duration;

use kernel::id::{DeadLetterId, EventId};
use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use store::deadletter::{DueLetter, NewDeadLetter};
use store::purpose::common::CONSUME;
use store::{Bind, RawSql, Shard, Store, SystemTx};
use uuid::Uuid;

/// How long a try may take before somebody else makes it, by the database's clock.
const CLAIM: Duration = Duration::from_mins(1);

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    consumer: String,
    event_id: Uuid,
    key: String,
    kind: String,
    tenant_id: Option<Uuid>,
    waba_id: Option<Uuid>,
    aggregate_id: Uuid,
    version: i64,
    body: Vec<u8>,
    headers: String,
    reason: String,
    detail: Option<String>,
    stack_hash: Option<String>,
    contact_ref: Option<String>,
    traceparent: Option<String>,
    event_us: i64,
    attempts: i32,
    buried_us: i64,
    claimed_until_us: i64,
}

/// Claims at most `limit` letters of `group`. Read by the index on `due_us`.
pub(super) async fn claim(
    store: &Store,
    group: &str,
    limit: u64,
) -> Result<Vec<DueLetter>, store::Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let unit = |tx: SystemTx| async move {
        let found = "SELECT id, consumer, event_id, key, kind, tenant_id, waba_id, aggregate_id, \
            version, body, headers, reason, detail, stack_hash, contact_ref, traceparent, event_us, \
            attempts, buried_us, claimed_until_us FROM dead_letter \
            WHERE {purpose} AND due_us <= {db_now} AND claimed_until_us < {db_now} \
            AND consumer = {1} ORDER BY due_us LIMIT {2} {skip_locked}";
        let binds = vec![group.into(), limit.into()];
        let rows: Vec<Row> = tx.raw(RawSql::both(found, binds)).all().await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let taken = "UPDATE dead_letter SET claimed_until_us = {db_now} + {1}, \
            attempts = attempts + 1 WHERE {purpose} AND id IN ({2})";
        let length = i64::try_from(CLAIM.as_micros()).unwrap_or(i64::MAX);
        let binds = vec![length.into(), Bind::list(rows.iter().map(|row| row.id))];
        tx.raw(RawSql::both(taken, binds)).exec().await?;
        let untried = rows.iter().filter(|row| row.claimed_until_us == 0);
        let opened: Vec<Uuid> = untried.map(|row| row.event_id).collect();
        if !opened.is_empty() {
            let open = "DELETE FROM inbox WHERE {purpose} AND consumer = {1} AND event_id IN ({2})";
            let binds = vec![group.into(), Bind::list(opened)];
            tx.raw(RawSql::both(open, binds)).exec().await?;
        }
        Ok(rows.into_iter().map(letter).collect())
    };
    store.system(CONSUME, Shard::ONLY, unit).await
}

fn letter(row: Row) -> DueLetter {
    DueLetter {
        id: DeadLetterId::from_uuid(row.id),
        attempts: u32::try_from(row.attempts).unwrap_or(0) + 1,
        buried: Timestamp::from_micros(row.buried_us),
        letter: NewDeadLetter {
            consumer: row.consumer,
            event: EventId::from_uuid(row.event_id),
            key: row.key,
            kind: row.kind,
            tenant: row.tenant_id,
            waba: row.waba_id,
            aggregate: row.aggregate_id,
            version: row.version,
            body: row.body,
            // Mostly for people to read: an event is worked on by its columns.
            headers: serde_json::from_str(&row.headers).unwrap_or_default(),
            reason: row.reason,
            detail: row.detail,
            stack_hash: row.stack_hash,
            contact: row.contact_ref,
            traceparent: row.traceparent,
            time: Timestamp::from_micros(row.event_us),
            due_in: None,
        },
    }
}
