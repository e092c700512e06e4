//! Events on their way to the bus (DEL-3).
//!
//! An event is a row, written in the transaction of the change that it tells of. The relay claims
//! rows and commits before it talks to the broker, so no transaction waits for one; what the broker
//! confirmed is deleted by id and claimer. A relay that dies leaves its claim, which ends by the
//! database's clock; then somebody publishes again and the inbox drops the double. What the broker
//! does not take is put off for longer and longer, so it stands before the rest ever less often. Rows
//! are never skipped: nothing here asks for "ids after the last one seen", since ids commit out of order.

use kernel::id::EventId;
use kernel::time::Timestamp;
use sea_orm::sea_query::{Alias, Query};
use sea_orm::{FromQueryResult, StatementBuilder, Value};
use uuid::Uuid;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{Bind, own};
use crate::store::Store;
use crate::tx::TxCore;

/// How long a claim lasts, in microseconds of the database's clock.
const CLAIM_US: i64 = 30_000_000;
/// An event that the broker did not take waits as long again as it has waited already, within these bounds, in
/// microseconds.
const FIRST_PAUSE_US: i64 = 1_000_000;
const LONGEST_PAUSE_US: i64 = 600_000_000;
/// Rows of one insert: eleven columns stay far below what SQLite binds.
const BATCH: usize = 500;

/// An event to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its own id; stable over every delivery.
    pub id: EventId,
    /// The routing key: `<service>.<aggregate>.<event>`.
    pub key: String,
    /// The full name of the protobuf message.
    pub kind: &'static str,
    /// Whose it is; none for what concerns the installation.
    pub tenant: Option<Uuid>,
    /// Which WABA's.
    pub waba: Option<Uuid>,
    /// The thing that it tells of.
    pub aggregate: Uuid,
    /// The version of a state event; 0 for facts.
    pub version: i64,
    /// The encoded message.
    pub body: Vec<u8>,
    /// The trace that it belongs to; the current span's when none is given.
    pub traceparent: Option<String>,
}

/// An event that waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its own id.
    pub id: EventId,
    /// The routing key.
    pub key: String,
    /// The full name of the protobuf message.
    pub kind: String,
    /// Whose it is.
    pub tenant: Option<Uuid>,
    /// Which WABA's.
    pub waba: Option<Uuid>,
    /// The thing that it tells of.
    pub aggregate: Uuid,
    /// The version of a state event; 0 for facts.
    pub version: i64,
    /// The encoded message.
    pub body: Vec<u8>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// When it was written, in business time.
    pub time: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    key: String,
    kind: String,
    tenant_id: Option<Uuid>,
    waba_id: Option<Uuid>,
    aggregate_id: Uuid,
    version: i64,
    body: Vec<u8>,
    traceparent: Option<String>,
    created_us: i64,
}

impl From<Row> for OutboxRow {
    fn from(row: Row) -> Self {
        Self {
            id: EventId::from_uuid(row.id),
            key: row.key,
            kind: row.kind,
            tenant: row.tenant_id,
            waba: row.waba_id,
            aggregate: row.aggregate_id,
            version: row.version,
            body: row.body,
            traceparent: row.traceparent,
            time: Timestamp::from_micros(row.created_us),
        }
    }
}

/// How much waits for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Rows.
    pub rows: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
}

pub(crate) async fn insert(core: &TxCore, events: Vec<Event>) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let trace = telemetry::propagation::current_traceparent();
    let now = core.now().as_micros();
    let mut rows: Vec<Vec<Value>> = Vec::with_capacity(events.len());
    for event in events {
        rows.push(vec![
            event.id.uuid().into(),
            event.key.into(),
            event.kind.into(),
            event.tenant.into(),
            event.waba.into(),
            event.aggregate.into(),
            event.version.into(),
            event.body.into(),
            event.traceparent.or_else(|| trace.clone()).into(),
            now.into(),
            0_i64.into(),
        ]);
    }
    let columns = [
        "id",
        "key",
        "kind",
        "tenant_id",
        "waba_id",
        "aggregate_id",
        "version",
        "body",
        "traceparent",
        "created_us",
        "claimed_until_us",
    ];
    for batch in rows.chunks(BATCH) {
        let mut insert = Query::insert();
        insert.into_table(Alias::new("outbox")).columns(columns.map(Alias::new));
        for row in batch {
            insert
                .values(row.iter().cloned().map(Into::into))
                .map_err(|error| Error::internal(format!("build an insert: {error}")))?;
        }
        // Nothing is answered: the scoped role may insert here and not read (ISO-4).
        core.execute(StatementBuilder::build(&insert, &core.dialect())).await?;
    }
    core.published();
    Ok(())
}

/// Takes up to `limit` events for `by` to publish.
pub async fn claim(store: &Store, by: &str, limit: u64) -> Result<Vec<OutboxRow>, Error> {
    let text = "UPDATE outbox SET claimed_until_us = {db_now} + {1}, claimed_by = {2} \
        WHERE id IN (SELECT id FROM outbox WHERE claimed_until_us < {db_now} \
            ORDER BY id LIMIT {3} {skip_locked}) \
        RETURNING id, key, kind, tenant_id, waba_id, aggregate_id, version, body, traceparent, \
            created_us";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    store
        .system(common::RELAY, Shard::ONLY, |tx| async move {
            let binds: Vec<Bind> = vec![CLAIM_US.into(), by.into(), limit.into()];
            let rows = tx.core.rows(own(&tx.core, text, binds)?).await?;
            let mut claimed = crate::raw::read::<Row>(&rows)?;
            claimed.sort_unstable_by_key(|row| row.id);
            Ok(claimed.into_iter().map(OutboxRow::from).collect())
        })
        .await
}

/// Removes events that the broker confirmed to `by`; answers how many were still its own.
pub async fn delete(store: &Store, by: &str, ids: &[EventId]) -> Result<u64, Error> {
    let text = "DELETE FROM outbox WHERE claimed_by = {1} AND id IN ({2})";
    on_claimed(store, text, by, ids, &[]).await
}

/// Gives back events that were not confirmed, so that the next claim takes them at once.
pub async fn release(store: &Store, by: &str, ids: &[EventId]) -> Result<u64, Error> {
    let text = "UPDATE outbox SET claimed_until_us = 0, claimed_by = NULL \
        WHERE claimed_by = {1} AND id IN ({2})";
    on_claimed(store, text, by, ids, &[]).await
}

/// Gives back events that the broker did not take: each is claimed again once it has waited as long
/// again as since it was written, at least a second and at most ten minutes.
pub async fn postpone(store: &Store, by: &str, ids: &[EventId]) -> Result<u64, Error> {
    let text = "UPDATE outbox SET claimed_by = NULL, claimed_until_us = {db_now} + \
        CASE WHEN {3} - created_us < {4} THEN {4} WHEN {3} - created_us > {5} THEN {5} \
            ELSE {3} - created_us END \
        WHERE claimed_by = {1} AND id IN ({2})";
    let bounds = [store.now().as_micros(), FIRST_PAUSE_US, LONGEST_PAUSE_US];
    on_claimed(store, text, by, ids, &bounds).await
}

async fn on_claimed(
    store: &Store,
    text: &'static str,
    by: &str,
    ids: &[EventId],
    more: &[i64],
) -> Result<u64, Error> {
    if ids.is_empty() {
        return Ok(0);
    }
    store
        .system(common::RELAY, Shard::ONLY, |tx| async move {
            let mut rows = 0;
            for ids in ids.chunks(10_000) {
                let mut binds = vec![by.into(), Bind::list(ids.iter().map(EventId::uuid))];
                binds.extend(more.iter().map(|&number| Bind::from(number)));
                rows += tx.core.execute(own(&tx.core, text, binds)?).await?;
            }
            Ok(rows)
        })
        .await
}

/// How much waits.
pub async fn depth(store: &Store) -> Result<Depth, Error> {
    #[derive(FromQueryResult)]
    struct Counted {
        waiting: i64,
        oldest: Option<i64>,
    }
    store
        .system_read(common::RELAY, Shard::ONLY, |tx| async move {
            let text = "SELECT count(*) AS waiting, min(created_us) AS oldest FROM outbox";
            let rows = tx.core.rows(own(&tx.core, text, Vec::new())?).await?;
            let counted = crate::raw::read::<Counted>(&rows)?.into_iter().next();
            Ok(Depth {
                rows: counted.as_ref().map_or(0, |row| u64::try_from(row.waiting).unwrap_or(0)),
                oldest: counted.and_then(|row| row.oldest).map(Timestamp::from_micros),
            })
        })
        .await
}
