//! The embedded bus: a durable log on SQLite in one process, with a cursor a group.
//!
//! The same promises as RabbitMQ, within the one process that holds the lock on its data folder. Publishing and
//! cursors go through one writer task, which commits what has gathered as one transaction ([`log`]); members
//! are woken in memory and read what was just published from there ([`recent`]), and from the log what is
//! older. Of a group ([`group`]) the cursor below which all is acknowledged is durable.
//!
//! Dies in the middle: an unanswered publish is still in an outbox; a cursor that was not written yet makes
//! events come again, which the inbox knows.

mod group;
mod log;
mod recent;
mod rows;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use store::Store;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::group::{Group, Member};
use self::log::{Command, Writer};
use self::recent::Recent;
use crate::envelope::{Envelope, MAX_BODY};
use crate::key::{self, Pattern};
use crate::transport::{
    Bus, BusError, Deliveries, GroupSpec, Listen, PublishError, Tail, TailItem, TailSpec,
};

/// How far a tail may fall behind before it is told `Resync`.
const TAIL_LAG: usize = 4_096;
/// How many commands may wait for the writer: more than there are publishers and members in a process.
const COMMANDS: usize = 256;

/// The bus of `switchboard dev`.
pub struct EmbeddedBus {
    shared: Arc<Shared>,
    writer: Mutex<JoinSet<()>>,
}

/// What members, tails and the writer share.
struct Shared {
    store: Store,
    commands: mpsc::Sender<Command>,
    /// Highest sequence number that is committed.
    head: watch::Sender<i64>,
    recent: Recent,
    live: broadcast::Sender<Arc<Envelope>>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
    /// Where groups stood, and the log ended, when the process started.
    stored: HashMap<String, i64>,
    started_at: i64,
}

impl EmbeddedBus {
    /// The bus over a store that was opened on the bus's own database file and migrated.
    pub async fn open(store: Store) -> Result<Self, BusError> {
        let stored = log::cursors(&store).await?;
        let head = log::head(&store, &stored).await?;
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (live, _) = broadcast::channel(TAIL_LAG);
        let shared = Arc::new(Shared {
            store,
            commands,
            head: watch::Sender::new(head),
            recent: Recent::new(head),
            live,
            groups: Mutex::default(),
            stored: stored.into_iter().map(|cursor| (cursor.name, cursor.after_seq)).collect(),
            started_at: head,
        });
        let mut writer = JoinSet::new();
        writer.spawn(Writer::new(&shared, head).run(inbox));
        Ok(Self { shared, writer: Mutex::new(writer) })
    }

    /// Writes the cursors as they are and ends the writer; what is published afterwards is refused.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.shared.commands.send(Command::Close(done)).await.is_ok() {
            // An error means that the writer is gone, which is what was asked for.
            drop(ended.await);
        }
        let mut writer =
            std::mem::take(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(ended) = writer.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = &error as &dyn std::error::Error, "log writer failed");
            }
        }
    }
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBus")
            .field("head", &*self.shared.head.borrow())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, batch: Vec<Envelope>) -> Vec<Result<(), PublishError>> {
        let fit: Vec<Result<Envelope, PublishError>> = batch.into_iter().map(acceptable).collect();
        let good: Vec<Arc<Envelope>> =
            fit.iter().filter_map(|one| one.as_ref().ok()).cloned().map(Arc::new).collect();
        let written = if good.is_empty() { Ok(()) } else { self.append(good).await };
        fit.into_iter()
            .map(|one| match (one, &written) {
                (Err(unfit), _) => Err(unfit),
                (Ok(_), Ok(())) => Ok(()),
                (Ok(_), Err(reason)) => Err(PublishError::Unconfirmed(reason.clone())),
            })
            .collect()
    }

    async fn subscribe(&self, spec: GroupSpec) -> Result<Box<dyn Deliveries>, BusError> {
        let name = format!("{}.{}", spec.service, spec.group);
        let patterns = spec.bindings.iter().map(|binding| Pattern::parse(binding)).collect();
        let acked = self.shared.stored.get(&name).copied().unwrap_or(0);
        let group = {
            let mut groups = self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner);
            let group = groups.entry(name.clone()).or_insert_with(|| {
                let bindings = spec.bindings.join(" ");
                Arc::new(Group::new(name.clone(), bindings, acked, self.shared.started_at))
            });
            Arc::clone(group)
        };
        // Before the first event is handed out: a group that exists holds back the trimming of the log.
        let (bindings, acked) = group.cursor();
        self.write(|done| Command::Cursor { name, bindings, acked, done: Some(done) })
            .await
            .map_err(BusError::Closed)?;
        Ok(Box::new(Member::new(Arc::clone(&self.shared), group, patterns, spec.prefetch)))
    }

    async fn tail(&self, spec: TailSpec) -> Result<Tail, BusError> {
        let patterns = spec.bindings.iter().map(|binding| Pattern::parse(binding)).collect();
        Ok(Tail::new(LiveCursor { live: self.shared.live.subscribe(), patterns }))
    }

    async fn ready(&self) -> Result<(), BusError> {
        if self.shared.commands.is_closed() {
            return Err(BusError::Closed("the embedded bus was closed".to_owned()));
        }
        Ok(())
    }
}

impl EmbeddedBus {
    async fn append(&self, envelopes: Vec<Arc<Envelope>>) -> Result<(), String> {
        self.write(|done| Command::Append { envelopes, done }).await
    }

    async fn write(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Command,
    ) -> Result<(), String> {
        self.shared.write(command).await
    }
}

impl Shared {
    /// Hands a command to the writer and waits for its commit.
    async fn write(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Command,
    ) -> Result<(), String> {
        let closed = || "the embedded bus was closed".to_owned();
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn acceptable(envelope: Envelope) -> Result<Envelope, PublishError> {
    if envelope.body.len() > MAX_BODY {
        Err(PublishError::TooLarge(envelope.body.len()))
    } else if key::well_formed(&envelope.key) {
        Ok(envelope)
    } else {
        Err(PublishError::Key(envelope.key))
    }
}

/// A tail: what is published from now on, in memory alone.
struct LiveCursor {
    live: broadcast::Receiver<Arc<Envelope>>,
    patterns: Vec<Pattern>,
}

#[async_trait]
impl Listen for LiveCursor {
    async fn next(&mut self) -> TailItem {
        loop {
            match self.live.recv().await {
                Ok(envelope) => {
                    if self.patterns.iter().any(|pattern| pattern.matches(&envelope.key)) {
                        return TailItem::Event(Envelope::clone(&envelope));
                    }
                }
                Err(RecvError::Lagged(_)) => return TailItem::Resync,
                // Only at the end of the process: a tail never ends by itself.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
