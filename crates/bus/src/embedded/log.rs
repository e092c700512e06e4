//! The log on disk and its one writer.
//!
//! The writer takes every command that waits and commits them as one transaction: relays that publish together
//! and members that acknowledge share a sync of the disk. An answer leaves after the commit. After it, in the
//! log's order: the events become readable from memory, tails hear them, members are woken.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, Order};
use store::purpose::bus::LOG;
use store::{Shard, Store, SystemTx};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Shared;
use super::group::Group;
use super::recent::Placed;
use super::rows::{Cursor, group, log};
use crate::envelope::Envelope;

/// How many events one transaction takes at most.
const GATHER: usize = 2_000;
/// After how many events the log is trimmed.
const TRIM_EVERY: usize = 1_000;
/// How long after the start a group that nobody has joined yet holds back the trimming.
const FORGET_AFTER: Duration = Duration::from_mins(10);

type Answer = oneshot::Sender<Result<(), String>>;

pub(super) enum Command {
    /// Write these events.
    Append { envelopes: Vec<Arc<Envelope>>, done: Answer },
    /// Write where a group stands.
    Cursor { name: String, bindings: String, acked: i64, done: Option<Answer> },
    /// Write all cursors and end.
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    store: Store,
    /// Weak: the writer must not keep alive the senders that it waits for.
    shared: Weak<Shared>,
    head: i64,
    since_trim: usize,
    began: Instant,
}

/// What one transaction writes. Cloned into the unit, which may run twice.
#[derive(Clone, Default)]
struct Work {
    events: Arc<Vec<Placed>>,
    cursors: Arc<BTreeMap<String, (String, i64)>>,
    trim: Trim,
}

/// Whether the log is trimmed with this transaction, and who holds that back.
#[derive(Clone, Default, PartialEq, Eq)]
enum Trim {
    #[default]
    Not,
    /// Every group that was ever here.
    BehindAll,
    /// These.
    Behind(Arc<Vec<String>>),
}

impl Writer {
    pub(super) fn new(shared: &Arc<Shared>, head: i64) -> Self {
        let (store, shared) = (shared.store.clone(), Arc::downgrade(shared));
        Self { store, shared, head, since_trim: 0, began: Instant::now() }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        while let Some(first) = inbox.recv().await {
            let mut gathered = vec![first];
            let mut size = 0;
            while size < GATHER
                && let Ok(command) = inbox.try_recv()
            {
                if let Command::Append { envelopes, .. } = &command {
                    size += envelopes.len();
                }
                gathered.push(command);
            }
            if let Some(closed) = self.commit(gathered).await {
                inbox.close();
                if closed.send(()).is_err() {
                    tracing::debug!("nobody waits for the log's end");
                }
                return;
            }
        }
    }

    async fn commit(&mut self, commands: Vec<Command>) -> Option<oneshot::Sender<()>> {
        let shared = self.shared.upgrade()?;
        let (mut events, mut cursors) = (Vec::new(), BTreeMap::new());
        let (mut answers, mut closing) = (Vec::new(), None);
        let mut place = self.head;
        for command in commands {
            match command {
                Command::Append { envelopes, done } => {
                    for envelope in envelopes {
                        place += 1;
                        events.push((place, envelope));
                    }
                    answers.push(done);
                }
                Command::Cursor { name, bindings, acked, done } => {
                    cursors.insert(name, (bindings, acked));
                    answers.extend(done);
                }
                Command::Close(done) => closing = Some(done),
            }
        }
        let joined: Vec<Arc<Group>> = {
            let groups = shared.groups.lock().unwrap_or_else(PoisonError::into_inner);
            groups.values().cloned().collect()
        };
        if closing.is_some() {
            cursors.extend(joined.iter().map(|group| {
                let (bindings, acked) = group.cursor();
                (group.name.clone(), (bindings, acked))
            }));
        }
        self.since_trim += events.len();
        let trim = if self.since_trim < TRIM_EVERY {
            Trim::Not
        } else if self.began.elapsed() < FORGET_AFTER {
            Trim::BehindAll
        } else {
            Trim::Behind(Arc::new(joined.iter().map(|group| group.name.clone()).collect()))
        };
        let work = Work { events: Arc::new(events), cursors: Arc::new(cursors), trim };
        let trimmed = work.trim != Trim::Not;
        let unit = |tx: SystemTx| write(tx, work.clone());
        let written = self.store.system(LOG, Shard::ONLY, unit).await;
        let answer = match written {
            Ok(()) => {
                self.head = place;
                if trimmed {
                    self.since_trim = 0;
                }
                shared.recent.add(&work.events);
                shared.head.send_replace(place);
                for (_, envelope) in work.events.iter() {
                    // Err only means that nobody listens.
                    drop(shared.live.send(Arc::clone(envelope)));
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the embedded log cannot be written"
                );
                Err(error.to_string())
            }
        };
        for done in answers {
            // Err only means that whoever asked is gone.
            drop(done.send(answer.clone()));
        }
        closing
    }
}

async fn write(tx: SystemTx, work: Work) -> Result<(), store::Error> {
    if !work.events.is_empty() {
        // An event that is published again is in the log already.
        tx.insert_ignore(work.events.iter().map(row).collect::<Vec<log::ActiveModel>>()).await?;
    }
    for (name, (bindings, acked)) in work.cursors.iter() {
        let known = tx
            .update::<group::Entity>()
            .set(group::Column::AfterSeq, *acked)
            .set(group::Column::Bindings, bindings.as_str())
            .filter(group::Column::Name.eq(name.as_str()))
            .exec()
            .await?;
        if known == 0 {
            tx.insert(group::ActiveModel {
                name: Set(name.clone()),
                bindings: Set(bindings.clone()),
                after_seq: Set(*acked),
            })
            .await?;
        }
    }
    let holding = match &work.trim {
        Trim::Not => None,
        Trim::BehindAll => Some(tx.find::<group::Entity>()),
        Trim::Behind(names) => {
            let these = group::Column::Name.is_in(names.iter().cloned());
            Some(tx.find::<group::Entity>().filter(these))
        }
    };
    let Some(groups) = holding else { return Ok(()) };
    if let Some(done) = groups.all().await?.iter().map(|group| group.after_seq).min() {
        tx.delete::<log::Entity>().filter(log::Column::Seq.lte(done)).exec().await?;
    }
    Ok(())
}

/// Where every group stood when the process started.
pub(super) async fn cursors(store: &Store) -> Result<Vec<Cursor>, store::Error> {
    let unit = |tx: SystemTx| async move { tx.find::<group::Entity>().all().await };
    store.system_read(LOG, Shard::ONLY, unit).await
}

/// The highest place that was ever given, as far as anybody may remember it.
pub(super) async fn head(store: &Store, cursors: &[Cursor]) -> Result<i64, store::Error> {
    let unit = |tx: SystemTx| async move {
        let newest = tx.find::<log::Entity>().order_by(log::Column::Seq, Order::Desc);
        newest.columns([log::Column::Seq]).one_as::<Place>().await
    };
    let newest = store.system_read(LOG, Shard::ONLY, unit).await?;
    let acked = cursors.iter().map(|cursor| cursor.after_seq).max().unwrap_or(0);
    Ok(newest.map_or(0, |place| place.seq).max(acked))
}

#[derive(sea_orm::FromQueryResult)]
struct Place {
    seq: i64,
}

/// At most `limit` events from the place `from` on.
pub(super) async fn read(
    store: &Store,
    from: i64,
    limit: usize,
) -> Result<Vec<Placed>, store::Error> {
    let unit = |tx: SystemTx| async move {
        tx.find::<log::Entity>()
            .filter(log::Column::Seq.gte(from))
            .order_by(log::Column::Seq, Order::Asc)
            .limit(limit as u64)
            .all()
            .await
    };
    let rows = store.system_read(LOG, Shard::ONLY, unit).await?;
    Ok(rows.into_iter().map(|row| (row.seq, Arc::new(envelope(row)))).collect())
}

fn row((place, envelope): &Placed) -> log::ActiveModel {
    log::ActiveModel {
        seq: Set(*place),
        id: Set(envelope.id.uuid()),
        key: Set(envelope.key.clone()),
        kind: Set(envelope.kind.clone()),
        tenant_id: Set(envelope.tenant),
        waba_id: Set(envelope.waba),
        aggregate_id: Set(envelope.aggregate),
        version: Set(envelope.version),
        body: Set(envelope.body.to_vec()),
        // All that headers say stands in columns.
        headers: Set("{}".to_owned()),
        source: Set(envelope.service().to_owned()),
        traceparent: Set(envelope.traceparent.clone()),
        event_us: Set(envelope.time().as_micros()),
    }
}

fn envelope(row: log::Model) -> Envelope {
    Envelope {
        id: row.id.into(),
        key: row.key,
        kind: row.kind,
        tenant: row.tenant_id,
        waba: row.waba_id,
        aggregate: row.aggregate_id,
        version: row.version,
        body: row.body.into(),
        traceparent: row.traceparent,
    }
}
