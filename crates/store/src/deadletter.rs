//! Events that wait, or that nobody could handle, as rows (DEL-6, ISO-41).
//!
//! A consumer buries an event in one transaction with its inbox row and acknowledges it. With a due
//! time the row is an event that waits for something else; without, it is dead until an operator
//! replays or drops it. A new try takes the inbox row away and leaves the dead letter: the handler's
//! own transaction writes the inbox row again, and the letter goes once that is done. So whatever
//! dies in between, the effect happens once and the letter is tried again or found done.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::id::{DeadLetterId, EventId};
use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::config::Shard;
use crate::error::Error;
use crate::inbox;
use crate::purpose::common;
use crate::raw::{Bind, own, read};
use crate::store::Store;

/// How long a new try may take before somebody else makes it, in microseconds.
const CLAIM_US: i64 = 60_000_000;

/// An event to be buried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// The consumer group that could not handle it.
    pub consumer: String,
    /// The event's id.
    pub event: EventId,
    /// Its routing key.
    pub key: String,
    /// The full name of its message.
    pub kind: String,
    /// Whose it says it is.
    pub tenant: Option<Uuid>,
    /// Which WABA's it says it is.
    pub waba: Option<Uuid>,
    /// The thing that it tells of.
    pub aggregate: Uuid,
    /// Its version.
    pub version: i64,
    /// The encoded message; never shown.
    pub body: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// A stable word: `scope_mismatch`, `unknown_aggregate`, `poison`.
    pub reason: String,
    /// What the handler said, without anything personal.
    pub detail: Option<String>,
    /// What tells one defect from another.
    pub stack_hash: Option<String>,
    /// A keyed reference to the contact concerned, for erasure.
    pub contact: Option<String>,
    /// Its trace.
    pub traceparent: Option<String>,
    /// When it was published, in business time.
    pub time: Timestamp,
    /// In how long it is to be tried again; never, where none.
    pub due_in: Option<Duration>,
}

/// A dead letter that is due for a new try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLetter {
    /// Its row.
    pub id: DeadLetterId,
    /// The event as it was buried; `due_in` is empty.
    pub letter: NewDeadLetter,
    /// New tries so far.
    pub attempts: u32,
    /// When it was buried, in business time.
    pub buried: Timestamp,
}

/// A dead letter as an operator sees it: never its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its row.
    pub id: DeadLetterId,
    /// The consumer group.
    pub consumer: String,
    /// The event's id.
    pub event: EventId,
    /// Its routing key.
    pub key: String,
    /// Whose it says it is.
    pub tenant: Option<Uuid>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Why it is here.
    pub reason: String,
    /// What the handler said.
    pub detail: Option<String>,
    /// Its trace.
    pub traceparent: Option<String>,
    /// New tries so far.
    pub attempts: u32,
    /// When it was buried, in business time.
    pub buried: Timestamp,
    /// Whether it waits for a new try.
    pub waiting: bool,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this consumer group's.
    pub consumer: Option<String>,
    /// Only with this reason.
    pub reason: Option<String>,
    /// Only older than this one: pages go from new to old.
    pub before: Option<DeadLetterId>,
    /// At most this many.
    pub limit: u64,
}

#[derive(FromQueryResult)]
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
    due_us: Option<i64>,
}

const COLUMNS: &str = "id, consumer, event_id, key, kind, tenant_id, waba_id, aggregate_id, \
    version, body, headers, reason, detail, stack_hash, contact_ref, traceparent, event_us, \
    attempts, buried_us, due_us";

fn headers(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap_or_default()
}

impl From<Row> for DueLetter {
    fn from(row: Row) -> Self {
        Self {
            id: DeadLetterId::from_uuid(row.id),
            attempts: u32::try_from(row.attempts).unwrap_or(0),
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
                headers: headers(&row.headers),
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
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: DeadLetterId::from_uuid(row.id),
            consumer: row.consumer,
            event: EventId::from_uuid(row.event_id),
            key: row.key,
            tenant: row.tenant_id,
            headers: headers(&row.headers),
            reason: row.reason,
            detail: row.detail,
            traceparent: row.traceparent,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            buried: Timestamp::from_micros(row.buried_us),
            waiting: row.due_us.is_some(),
        }
    }
}

fn micros(duration: Option<Duration>) -> Option<i64> {
    duration.map(|duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// Buries an event: its row and its inbox row in one transaction, its poison count away.
pub async fn bury(store: &Store, letter: &NewDeadLetter) -> Result<(), Error> {
    let text = "INSERT INTO dead_letter (id, consumer, event_id, key, kind, tenant_id, waba_id, \
        aggregate_id, version, body, headers, reason, detail, stack_hash, contact_ref, traceparent, \
        event_us, attempts, buried_us, due_us, claimed_until_us) \
        VALUES ({1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}, {11}, {12}, {13}, {14}, {15}, \
        {16}, {17}, 0, {18}, {db_now} + {19}, 0) ON CONFLICT DO NOTHING";
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let headers = serde_json::to_string(&letter.headers)
                .map_err(|error| Error::internal(format!("keep headers: {error}")))?;
            let id = tx.ids().v7(tx.now());
            let binds: Vec<Bind> = vec![
                id.into(),
                letter.consumer.clone().into(),
                letter.event.uuid().into(),
                letter.key.clone().into(),
                letter.kind.clone().into(),
                letter.tenant.into(),
                letter.waba.into(),
                letter.aggregate.into(),
                letter.version.into(),
                letter.body.clone().into(),
                headers.into(),
                letter.reason.clone().into(),
                letter.detail.clone().into(),
                letter.stack_hash.clone().into(),
                letter.contact.clone().into(),
                letter.traceparent.clone().into(),
                letter.time.as_micros().into(),
                tx.now().as_micros().into(),
                micros(letter.due_in).into(),
            ];
            inbox::insert(&tx.core, &letter.consumer, &[letter.event]).await?;
            tx.core.execute(own(&tx.core, text, binds)?).await?;
            let text = "DELETE FROM poison WHERE consumer = {1} AND event_id = {2}";
            let binds = vec![letter.consumer.clone().into(), letter.event.uuid().into()];
            tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
        })
        .await
}

/// Takes letters of these consumers that are due for a new try, and opens the inbox for them.
pub async fn claim_due(
    store: &Store,
    consumers: &[&str],
    limit: u64,
) -> Result<Vec<DueLetter>, Error> {
    let text = format!(
        "UPDATE dead_letter SET claimed_until_us = {{db_now}} + {{1}}, attempts = attempts + 1 \
         WHERE id IN (SELECT id FROM dead_letter WHERE due_us <= {{db_now}} \
            AND claimed_until_us < {{db_now}} AND consumer IN ({{2}}) \
            ORDER BY due_us LIMIT {{3}} {{skip_locked}}) RETURNING {COLUMNS}"
    );
    let text = &text;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let binds = vec![CLAIM_US.into(), Bind::list(consumers.iter().copied()), limit.into()];
            let rows: Vec<Row> = read(&tx.core.rows(own(&tx.core, text, binds)?).await?)?;
            for consumer in consumers {
                let of_it = rows.iter().filter(|row| row.consumer == *consumer);
                let events: Vec<Uuid> = of_it.map(|row| row.event_id).collect();
                if !events.is_empty() {
                    let text = "DELETE FROM inbox WHERE consumer = {1} AND event_id IN ({2})";
                    let binds = vec![(*consumer).into(), Bind::list(events)];
                    tx.core.execute(own(&tx.core, text, binds)?).await?;
                }
            }
            Ok(rows.into_iter().map(DueLetter::from).collect())
        })
        .await
}

/// Removes a letter whose new try went through.
pub async fn done(store: &Store, id: DeadLetterId) -> Result<(), Error> {
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let text = "DELETE FROM dead_letter WHERE id = {1}";
            let binds = vec![id.uuid().into()];
            tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
        })
        .await
}

/// Writes down that a new try failed: due again, or dead where `due_in` is none.
pub async fn failed(
    store: &Store,
    letter: &DueLetter,
    reason: &str,
    detail: Option<&str>,
    due_in: Option<Duration>,
) -> Result<(), Error> {
    let text = "UPDATE dead_letter SET reason = {1}, detail = {2}, due_us = {db_now} + {3}, \
        claimed_until_us = 0 WHERE id = {4}";
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let binds = vec![
                reason.into(),
                detail.map(str::to_owned).into(),
                micros(due_in).into(),
                letter.id.uuid().into(),
            ];
            tx.core.execute(own(&tx.core, text, binds)?).await?;
            let event = letter.letter.event;
            inbox::insert(&tx.core, &letter.letter.consumer, &[event]).await.map(drop)
        })
        .await
}

/// Lists dead letters, newest first.
pub async fn list(store: &Store, filter: &Filter) -> Result<Vec<DeadLetter>, Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM dead_letter WHERE id < {{1}} \
         AND ({{2}} = '' OR consumer = {{2}}) AND ({{3}} = '' OR reason = {{3}}) \
         ORDER BY id DESC LIMIT {{4}}"
    );
    let text = &text;
    store
        .system_read(common::DEAD_LETTERS, Shard::ONLY, |tx| async move {
            let before = filter.before.map_or(Uuid::max(), |id| id.uuid());
            let binds: Vec<Bind> = vec![
                before.into(),
                filter.consumer.clone().unwrap_or_default().into(),
                filter.reason.clone().unwrap_or_default().into(),
                i64::try_from(filter.limit).unwrap_or(i64::MAX).into(),
            ];
            let rows: Vec<Row> = read(&tx.core.rows(own(&tx.core, text, binds)?).await?)?;
            Ok(rows.into_iter().map(DeadLetter::from).collect())
        })
        .await
}

/// Has letters tried again at once; answers how many there were.
pub async fn replay(store: &Store, ids: &[DeadLetterId]) -> Result<u64, Error> {
    on_ids(store, "UPDATE dead_letter SET due_us = 0, claimed_until_us = 0 WHERE id IN ({1})", ids)
        .await
}

/// Gives letters up; their inbox rows stay, so that no redelivery handles them.
pub async fn discard(store: &Store, ids: &[DeadLetterId]) -> Result<u64, Error> {
    on_ids(store, "DELETE FROM dead_letter WHERE id IN ({1})", ids).await
}

async fn on_ids(store: &Store, text: &'static str, ids: &[DeadLetterId]) -> Result<u64, Error> {
    store
        .system(common::DEAD_LETTERS, Shard::ONLY, |tx| async move {
            let binds = vec![Bind::list(ids.iter().map(DeadLetterId::uuid))];
            tx.core.execute(own(&tx.core, text, binds)?).await
        })
        .await
}
