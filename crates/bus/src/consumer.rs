//! Consumers: what a service does with the events of a group, and the loop that feeds it.
//!
//! The loop promises that an event which cannot be worked on harms no other: a batch that fails is worked one
//! by one, a panic is caught, what fails five times is a dead letter (DEL-6), and what died with a process
//! counts too. Transient faults pause the group and count nothing. What waits for a row that is not there yet
//! is a row itself, tried again until an hour has passed (ISO-41). Exactly-once effects are the handler's:
//! `tx.first_time(group, ids)` comes first in the transaction of the effect (DEL-4).
//!
//! Dies in the middle: nothing was acknowledged, so the batch comes again, each event by itself.

mod ledger;
mod waiting;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store::Store;
use tokio_util::sync::CancellationToken;

use self::ledger::Ledger;
use self::work::{Stopped, Worker};
use crate::envelope::Envelope;
use crate::transport::{Bus, Deliveries, GroupSpec, PREFETCH};

/// How many events a handler gets at once.
const BATCH: usize = 100;
/// Pauses between tries to join, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a service does with the events of one group.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Name of the group, unique inside the service; the inbox's `consumer` too.
    fn group(&self) -> &'static str;

    /// Routing keys that the group wants.
    fn bindings(&self) -> Vec<String>;

    /// Works on a batch and answers each event in the batch's order.
    ///
    /// `Done` promises that the effect is committed, or was before. **Any other verdict promises that nothing
    /// was written for that event, not even its inbox row**: roll back, or leave it out of the transaction.
    /// `Poison` in a batch of several means: try this one by itself.
    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure>;
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect is in the database.
    Done,
    /// It cannot be worked on, and another try would go the same way. The text names no person and quotes nothing.
    Poison(String),
    /// A row that it needs is not there yet; the text says which kind.
    Wait(String),
    /// This build does not know its type or a value in it: tried again each hour, so that the next one may (DEL-12).
    Unknown(String),
    /// What it names was found under another tenant (T10).
    ScopeMismatch,
}

/// Why a whole batch came to nothing; everything was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something is away that will be back: the same batch comes again, and nothing is counted.
    #[error("{0}")]
    Transient(String),
    /// It would fail again: the events are tried one by one, and that is counted.
    #[error("{0}")]
    Deterministic(String),
}

/// The name that [`Failure`] goes by where only the transient kind is meant.
pub type Transient = Failure;

impl Failure {
    /// Something is away.
    pub fn transient(error: impl fmt::Display) -> Self {
        Self::Transient(error.to_string())
    }

    /// It would fail again.
    pub fn deterministic(error: impl fmt::Display) -> Self {
        Self::Deterministic(error.to_string())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        if error.is_transient() { Self::transient(error) } else { Self::deterministic(error) }
    }
}

/// One member of a group, from subscription to acknowledgement. Several may run in a process.
pub struct ConsumerLoop {
    store: Store,
    bus: Arc<dyn Bus>,
    service: &'static str,
    consumer: Arc<dyn Consumer>,
}

impl ConsumerLoop {
    /// A loop that feeds `consumer`, whose inbox and dead letters are in `store`.
    pub fn new(
        store: Store,
        bus: Arc<dyn Bus>,
        service: &'static str,
        consumer: Arc<dyn Consumer>,
    ) -> Self {
        Self { store, bus, service, consumer }
    }

    /// Works until `stop`; the batch in hand is finished first. Whatever is away meanwhile is waited for.
    pub async fn run(self, stop: CancellationToken) {
        crate::metrics::metrics().announce_group(self.consumer.group());
        let ledger = Ledger::new(self.store.clone(), self.consumer.group());
        let worker = Worker::new(Arc::clone(&self.consumer), ledger, stop.clone());
        tokio::join!(self.consume(&worker, &stop), waiting::run(&worker, &stop));
    }

    async fn consume(&self, worker: &Worker, stop: &CancellationToken) {
        let group = self.consumer.group();
        let spec = GroupSpec {
            service: self.service.to_owned(),
            group: group.to_owned(),
            bindings: self.consumer.bindings(),
            prefetch: PREFETCH,
        };
        let mut pause = FIRST_PAUSE;
        while let Some(joined) = stop.run_until_cancelled(self.bus.subscribe(spec.clone())).await {
            match joined {
                Ok(deliveries) => {
                    pause = FIRST_PAUSE;
                    if let Err(error) = feed(worker, deliveries, stop).await {
                        tracing::warn!(
                            group,
                            error = &error as &dyn std::error::Error,
                            "the subscription ended; joining again"
                        );
                    }
                }
                Err(error) => tracing::warn!(
                    group,
                    error = &error as &dyn std::error::Error,
                    "the group cannot be joined; trying again"
                ),
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Batch after batch until `stop` (`Ok`) or until the subscription breaks.
async fn feed(
    worker: &Worker,
    mut deliveries: Box<dyn Deliveries>,
    stop: &CancellationToken,
) -> Result<(), crate::transport::BusError> {
    loop {
        let Some(batch) = stop.run_until_cancelled(deliveries.next(BATCH)).await else {
            deliveries.close().await;
            return Ok(());
        };
        if let Err(Stopped) = worker.batch(batch?).await {
            // Not acknowledged: it comes again, to whoever asks next.
            deliveries.close().await;
            return Ok(());
        }
        deliveries.ack().await?;
    }
}
