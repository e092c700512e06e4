//! Whatever can still change has a deadline, and this acts on it (I1): messages whose hour came are
//! queued, those that did not leave in time expire, lost answers are settled by policy, and what Meta
//! took and dropped in silence is let go.
//!
//! Dies in the middle: nothing was committed, and the next sweep finds the same rows. Several may run.

use std::collections::BTreeMap;

use auth::Acting;
use kernel::id::MessageId;
use kernel::time::Timestamp;
use store::purpose::messaging::SWEEP;
use store::{Shard, Store};
use uuid::Uuid;

use crate::app::mark::expire;
use crate::app::pen::{Note, Pen};
use crate::app::status::{self, Told};
use crate::config::Config;
use crate::domain::message::{Dispatch, Failure, Message, MessageStatus, StepName};
use crate::error::Error;
use crate::rows::{message, orphan_status};

/// Rows that one sweep takes.
const ROWS: u64 = 500;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Swept {
    /// Messages whose hour came.
    pub(crate) queued: usize,
    /// Messages whose deadline came.
    pub(crate) overdue: usize,
}

/// Queues what is due, settles what is overdue.
pub(crate) async fn sweep(store: &Store) -> Result<Swept, Error> {
    Ok(Swept { queued: release(store).await?, overdue: overdue(store).await? })
}

type Groups = Vec<(Acting, Vec<MessageId>)>;

/// Rows of all tenants, in groups that one tenant's unit can work on.
fn grouped(rows: impl IntoIterator<Item = (Acting, MessageId)>) -> Groups {
    let mut groups: BTreeMap<(Uuid, Option<Uuid>), (Acting, Vec<MessageId>)> = BTreeMap::new();
    for (acting, id) in rows {
        let place = (acting.tenant().uuid(), acting.waba().map(|waba| waba.uuid()));
        groups.entry(place).or_insert_with(|| (acting, Vec::new())).1.push(id);
    }
    groups.into_values().collect()
}

async fn release(store: &Store) -> Result<usize, Error> {
    let groups: Groups = store
        .system_read(SWEEP, Shard::ONLY, |tx| async move {
            let rows = message::scheduled_until(&tx, tx.now(), ROWS).await?;
            let acting = |row: message::Released| {
                (tx.acting_for(row.tenant_id, Some(row.waba_id)), MessageId::from_uuid(row.id))
            };
            Ok::<_, Error>(grouped(rows.into_iter().map(acting)))
        })
        .await?;
    let mut count = 0;
    for (acting, ids) in &groups {
        count += ids.len();
        store.write(acting, |tx| async move { queue(&tx, ids).await }).await?;
    }
    Ok(count)
}

/// Queues what is due of one tenant and WABA, and tells of it.
async fn queue(tx: &store::ScopedTx, ids: &[MessageId]) -> Result<(), Error> {
    let now = tx.now();
    let mut pen = Pen::new(tx);
    let mut changed = Vec::new();
    for mut message in message::lock(tx, ids).await? {
        if message.outbound_mut().is_some_and(|outbound| outbound.release(now)) {
            pen.note(&message, Note::plain(StepName::Queued, now));
            changed.push(message);
        }
    }
    message::change(tx, &mut changed).await?;
    pen.write().await
}

async fn overdue(store: &Store) -> Result<usize, Error> {
    let groups: Groups = store
        .system_read(SWEEP, Shard::ONLY, |tx| async move {
            let rows = message::overdue(&tx, tx.now(), ROWS).await?;
            let acting = |row: message::Released| {
                (tx.acting_for(row.tenant_id, Some(row.waba_id)), MessageId::from_uuid(row.id))
            };
            Ok::<_, Error>(grouped(rows.into_iter().map(acting)))
        })
        .await?;
    let mut count = 0;
    for (acting, ids) in &groups {
        count += ids.len();
        store.write(acting, |tx| async move { judge(&tx, ids).await }).await?;
    }
    Ok(count)
}

/// Settles what is overdue of one tenant and WABA.
async fn judge(tx: &store::ScopedTx, ids: &[MessageId]) -> Result<(), Error> {
    let now = tx.now();
    let mut pen = Pen::new(tx);
    let mut changed = Vec::new();
    for mut message in message::lock(tx, ids).await? {
        if let Some(note) = overtake(&mut message, now) {
            pen.note(&message, note);
            changed.push(message);
        }
    }
    message::change(tx, &mut changed).await?;
    pen.write().await
}

/// What the deadline means for a message; nothing where somebody moved it meanwhile.
fn overtake(message: &mut Message, now: Timestamp) -> Option<Note> {
    let outbound = message.outbound_mut()?;
    if outbound.deadline.is_none_or(|deadline| deadline > now) {
        return None;
    }
    match outbound.dispatch {
        Dispatch::Scheduled | Dispatch::Queued | Dispatch::Claimed => {
            expire(outbound, now);
            Some(Note::plain(StepName::Expired, now))
        }
        // Nobody told us: the caller decides what that means, and any later word of Meta's lifts it.
        Dispatch::Sending => {
            outbound.fail(Failure::OutcomeUnknown, None, now);
            outbound.deadline = None;
            let note = Note::plain(StepName::Failed, now).with_detail("outcome_unknown");
            Some(note.with_error(outbound.error.clone()))
        }
        Dispatch::Settled => {
            outbound.deadline = None;
            if matches!(outbound.status, MessageStatus::Accepted | MessageStatus::Sent) {
                outbound.dispatch = Dispatch::Expired;
            }
            Some(Note::plain(StepName::Expired, now).with_detail("Meta gave no word in time"))
        }
        Dispatch::Cancelled | Dispatch::Expired => {
            outbound.deadline = None;
            Some(Note::plain(StepName::Expired, now))
        }
    }
}

/// Applies statuses that were kept because their message's wamid was not known, and is now: the answer
/// and the webhook may have passed each other.
pub(crate) async fn adopt_orphans(store: &Store, config: &Config) -> Result<usize, Error> {
    let groups = store
        .system_read(SWEEP, Shard::ONLY, |tx| async move {
            let rows = orphan_status::adoptable(&tx, ROWS).await?;
            let mut groups: BTreeMap<(Uuid, Uuid), (Acting, Vec<String>)> = BTreeMap::new();
            for row in rows {
                let acting = tx.acting_for(row.tenant_id, Some(row.waba_id));
                let place = (row.tenant_id, row.waba_id);
                groups.entry(place).or_insert_with(|| (acting, Vec::new())).1.push(row.wamid);
            }
            Ok::<_, Error>(groups.into_values().collect::<Vec<_>>())
        })
        .await?;
    let mut count = 0;
    for (acting, wamids) in &groups {
        count += wamids.len();
        store
            .write(acting, |tx| async move {
                let kept = orphan_status::take(&tx, wamids).await?;
                let told = kept.into_iter().filter_map(Told::of_orphan).collect();
                status::apply(&tx, config, told).await
            })
            .await?;
    }
    Ok(count)
}
