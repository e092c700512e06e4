//! Events that wait, or that nobody could handle, as rows (DEL-6, ISO-41).
//!
//! A consumer buries an event in one transaction with its inbox row and acknowledges it. With a due
//! time the row is an event that waits for something else; without, it is dead until an operator
//! replays or drops it.
//!
//! Whose an inbox row is decides whether the effect happens once. A letter that nobody tries
//! (`claimed_until_us = 0`) has one of its own, which keeps redeliveries out. The claim for a try
//! takes it away and stamps the letter with the number of the try. From then on an inbox row means
//! that the effect was committed, by this try or by somebody who was thought dead, and whoever
//! finds it drops the letter. A claim that lapsed is taken over as it stands. Only the try whose
//! number the letter bears may end it: a process that wakes up late changes nothing.

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
use crate::tx::TxCore;

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

/// A dead letter in the hands of whoever tries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLetter {
    /// Its row.
    pub id: DeadLetterId,
    /// The event as it was buried; `due_in` is empty.
    pub letter: NewDeadLetter,
    /// Which try this is.
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
    claimed_until_us: i64,
}

const COLUMNS: &str = "id, consumer, event_id, key, kind, tenant_id, waba_id, aggregate_id, \
    version, body, headers, reason, detail, stack_hash, contact_ref, traceparent, event_us, \
    attempts, buried_us, due_us, claimed_until_us";

fn headers(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap_or_default()
}

impl DueLetter {
    /// The letter that was found as `row` and then claimed.
    fn claimed(row: Row) -> Self {
        Self {
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

/// Buries an event: its row and its inbox row in one transaction, its poison count away. Nothing is
/// written where its effect has happened meanwhile, or where its letter is there already.
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
            // A letter that is there may be in the middle of a try: its inbox row is that try's to write.
            if tx.core.execute(own(&tx.core, text, binds)?).await? > 0 {
                close_inbox(&tx.core, id, letter).await?;
            }
            forget_poison(&tx.core, letter).await
        })
        .await
}

/// Writes the inbox row of a letter that nobody tries; where one is there already, the effect has
/// happened and the letter goes. Waits for a transaction that is about to commit the effect.
async fn close_inbox(core: &TxCore, id: Uuid, letter: &NewDeadLetter) -> Result<(), Error> {
    if inbox::insert(core, &letter.consumer, &[letter.event]).await? == 0 {
        let text = "DELETE FROM dead_letter WHERE id = {1}";
        core.execute(own(core, text, vec![id.into()])?).await?;
    }
    Ok(())
}

async fn forget_poison(core: &TxCore, letter: &NewDeadLetter) -> Result<(), Error> {
    let text = "DELETE FROM poison WHERE consumer = {1} AND event_id = {2}";
    let binds = vec![letter.consumer.clone().into(), letter.event.uuid().into()];
    core.execute(own(core, text, binds)?).await.map(drop)
}

/// Takes at most `limit` letters of `consumer` that are due for a new try, and opens the inbox for
/// those that nobody was trying. Read by the index on `due_us`.
pub async fn claim_due(store: &Store, consumer: &str, limit: u64) -> Result<Vec<DueLetter>, Error> {
    let found = format!(
        "SELECT {COLUMNS} FROM dead_letter WHERE due_us <= {{db_now}} \
         AND claimed_until_us < {{db_now}} AND consumer = {{1}} \
         ORDER BY due_us LIMIT {{2}} {{skip_locked}}"
    );
    let found = &found;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let binds = vec![consumer.into(), limit.into()];
            let rows: Vec<Row> = read(&tx.core.rows(own(&tx.core, found, binds)?).await?)?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let taken = "UPDATE dead_letter SET claimed_until_us = {db_now} + {1}, \
                attempts = attempts + 1 WHERE id IN ({2})";
            let binds = vec![CLAIM_US.into(), Bind::list(rows.iter().map(|row| row.id))];
            tx.core.execute(own(&tx.core, taken, binds)?).await?;
            let untried = rows.iter().filter(|row| row.claimed_until_us == 0);
            let opened: Vec<Uuid> = untried.map(|row| row.event_id).collect();
            if !opened.is_empty() {
                let open = "DELETE FROM inbox WHERE consumer = {1} AND event_id IN ({2})";
                let binds = vec![consumer.into(), Bind::list(opened)];
                tx.core.execute(own(&tx.core, open, binds)?).await?;
            }
            Ok(rows.into_iter().map(DueLetter::claimed).collect())
        })
        .await
}

/// Removes a letter whose try went through, and its poison count; not where a later try has it.
pub async fn done(store: &Store, letter: &DueLetter) -> Result<(), Error> {
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let text = "DELETE FROM dead_letter WHERE id = {1} AND attempts = {2}";
            let binds = vec![letter.id.uuid().into(), i64::from(letter.attempts).into()];
            if tx.core.execute(own(&tx.core, text, binds)?).await? > 0 {
                forget_poison(&tx.core, &letter.letter).await?;
            }
            Ok(())
        })
        .await
}

/// Writes down that a try failed: due again, or dead where `due_in` is none. Where its effect was
/// committed all the same, and only the word of that was lost, the letter goes.
pub async fn failed(
    store: &Store,
    letter: &DueLetter,
    reason: &str,
    detail: Option<&str>,
    due_in: Option<Duration>,
) -> Result<(), Error> {
    // Put back by this try already, its commit's answer lost: then the inbox row is the letter's own.
    let text = "UPDATE dead_letter SET reason = {1}, detail = {2}, due_us = {db_now} + {3}, \
        claimed_until_us = 0 WHERE id = {4} AND attempts = {5} AND claimed_until_us > 0";
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let id = letter.id.uuid();
            let binds = vec![
                reason.into(),
                detail.map(str::to_owned).into(),
                micros(due_in).into(),
                id.into(),
                i64::from(letter.attempts).into(),
            ];
            if tx.core.execute(own(&tx.core, text, binds)?).await? > 0 {
                close_inbox(&tx.core, id, &letter.letter).await?;
            }
            Ok(())
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

/// Has a letter tried again at once; false if there is none. One that is being tried stays with
/// whoever tries it.
pub async fn replay(store: &Store, id: DeadLetterId) -> Result<bool, Error> {
    store
        .system(common::DEAD_LETTERS, Shard::ONLY, |tx| async move {
            let text = "UPDATE dead_letter SET due_us = 0 WHERE id = {1}";
            let binds = vec![id.uuid().into()];
            Ok(tx.core.execute(own(&tx.core, text, binds)?).await? > 0)
        })
        .await
}

/// Gives a letter up; false if there is none. An inbox row stays, so that no redelivery handles it.
pub async fn discard(store: &Store, id: DeadLetterId) -> Result<bool, Error> {
    #[derive(FromQueryResult)]
    struct Given {
        consumer: String,
        event_id: Uuid,
    }
    store
        .system(common::DEAD_LETTERS, Shard::ONLY, |tx| async move {
            let text = "DELETE FROM dead_letter WHERE id = {1} RETURNING consumer, event_id";
            let rows = tx.core.rows(own(&tx.core, text, vec![id.uuid().into()])?).await?;
            let Some(given) = read::<Given>(&rows)?.pop() else { return Ok(false) };
            // A try that is under way has taken it away, and finds the inbox closed now.
            let event = EventId::from_uuid(given.event_id);
            inbox::insert(&tx.core, &given.consumer, &[event]).await?;
            Ok(true)
        })
        .await
}
