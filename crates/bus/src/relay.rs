//! From outbox to bus (DEL-3): claim, publish with a window of confirms, delete what was confirmed.
//!
//! No transaction waits for the broker. A relay that dies leaves its claims, which lapse by the database's
//! clock, and what it had published but not deleted is published again: doubles are the inbox's to drop. While
//! the bus is away rows are given back and nothing is refused. What nobody is bound to, or the broker refuses, is
//! put off for longer and longer. Several relays may run for one service.

use std::sync::Arc;
use std::time::Duration;

use kernel::id::EventId;
use kernel::ids::{Ids, random_token};
use kernel::time::Timestamp;
use store::Store;
use store::outbox::{self, OutboxRow};
use tokio_util::sync::CancellationToken;

use crate::envelope::Envelope;
use crate::metrics::metrics;
use crate::transport::{Bus, PublishError};

/// How many rows are claimed at once.
const BATCH: u64 = 500;
/// How often the outbox is looked into when no commit wakes the relay: other processes' commits do not.
const POLL: Duration = Duration::from_millis(200);
/// How often the outbox is counted for the metrics.
const WATCH: Duration = Duration::from_secs(10);
/// Pauses while bus or database are away, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long an event waits for somebody to be bound to its key, in business time. Queues are made by their
/// services' first start, in any order; what nobody wanted for so long, nobody will miss: the tables have it.
const UNHEARD: Duration = Duration::from_hours(24);

/// The relay of one service.
pub struct Relay {
    store: Store,
    bus: Arc<dyn Bus>,
    service: &'static str,
    ids: Arc<dyn Ids>,
}

/// How a turn ended.
enum Turn {
    /// There may be more.
    Full,
    Empty,
    /// The bus is away.
    Outage,
}

impl Relay {
    /// A relay for the outbox in `store`.
    pub fn new(store: Store, bus: Arc<dyn Bus>, service: &'static str, ids: Arc<dyn Ids>) -> Self {
        Self { store, bus, service, ids }
    }

    /// Relays until `stop`; the turn in hand is finished first.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.relay(&stop), self.watch(&stop));
    }

    /// Says how much waits, and for how long already: while the bus is away that is all one sees.
    async fn watch(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(WATCH)).await.is_some() {
            match outbox::depth(&self.store).await {
                Ok(depth) => {
                    let now = self.store.now();
                    let oldest = depth.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
                    metrics().outbox(self.service, depth.rows, oldest);
                }
                Err(error) => tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the outbox cannot be counted"
                ),
            }
        }
    }

    async fn relay(&self, stop: &CancellationToken) {
        metrics().announce_relay(self.service);
        // Whose the claims are: another run's are not ours to touch.
        let by = format!("{}-{}", self.service, random_token(&*self.ids, 9));
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let wait = match self.turn(&by).await {
                Ok(Turn::Full) => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Ok(Turn::Empty) => {
                    pause = FIRST_PAUSE;
                    let woken = async {
                        tokio::select! {
                            () = self.store.outbox_committed() => {}
                            () = tokio::time::sleep(POLL) => {}
                        }
                    };
                    stop.run_until_cancelled(woken).await;
                    continue;
                }
                Ok(Turn::Outage) => pause,
                Err(error) => {
                    if error.is_transient() {
                        tracing::warn!(
                            service = self.service,
                            error = &error as &dyn std::error::Error,
                            "the outbox cannot be read; trying again"
                        );
                    } else {
                        tracing::error!(
                            service = self.service,
                            error = &error as &dyn std::error::Error,
                            "the relay fails on its outbox"
                        );
                    }
                    pause
                }
            };
            pause = (wait * 2).min(LONGEST_PAUSE);
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Claims, publishes and deletes one batch.
    async fn turn(&self, by: &str) -> Result<Turn, store::Error> {
        let claimed = outbox::claim(&self.store, by, BATCH).await?;
        if claimed.is_empty() {
            return Ok(Turn::Empty);
        }
        let full = claimed.len() as u64 >= BATCH;
        let facts: Vec<(EventId, Timestamp)> =
            claimed.iter().map(|row| (row.id, row.time)).collect();
        let batch: Vec<Envelope> = claimed.into_iter().map(envelope).collect();
        let keys: Vec<String> = batch.iter().map(|envelope| envelope.key.clone()).collect();
        let answers = self.bus.publish(batch).await;

        let (mut gone, mut back, mut later, mut outage) = (vec![], vec![], vec![], None);
        let mut published = 0;
        for (((id, written), key), answer) in facts.into_iter().zip(keys).zip(answers) {
            match answer {
                Ok(()) => {
                    published += 1;
                    gone.push(id);
                }
                Err(error) => {
                    self.note(id, &key, &error);
                    match &error {
                        PublishError::Unroutable if self.unheard(written) => {
                            metrics().unheard(self.service);
                            tracing::warn!(
                                event.id = %id,
                                key,
                                "no group or tail wanted this event for a day; it leaves the outbox"
                            );
                            gone.push(id);
                        }
                        PublishError::Unconfirmed(reason) => {
                            outage = Some(reason.clone());
                            back.push(id);
                        }
                        PublishError::Rejected => {
                            outage.get_or_insert_with(|| error.to_string());
                            back.push(id);
                        }
                        PublishError::Unroutable
                        | PublishError::Refused(_)
                        | PublishError::TooLarge(_)
                        | PublishError::Key(_) => later.push(id),
                    }
                }
            }
        }
        metrics().published(self.service, published);
        outbox::delete(&self.store, by, &gone).await?;
        outbox::release(&self.store, by, &back).await?;
        outbox::postpone(&self.store, by, &later).await?;
        if let Some(reason) = outage {
            tracing::warn!(
                service = self.service,
                reason,
                waiting = back.len(),
                "the bus did not confirm; the events stay in the outbox"
            );
            return Ok(Turn::Outage);
        }
        Ok(if full { Turn::Full } else { Turn::Empty })
    }

    fn unheard(&self, written: Timestamp) -> bool {
        self.store.now().since(written) >= UNHEARD
    }

    fn note(&self, id: EventId, key: &str, error: &PublishError) {
        let reason = match error {
            PublishError::Unconfirmed(_) => "outage",
            PublishError::Unroutable => "unroutable",
            PublishError::Rejected => "rejected",
            PublishError::Refused(_) => "refused",
            PublishError::TooLarge(_) | PublishError::Key(_) => "unfit",
        };
        metrics().unpublished(self.service, reason);
        match error {
            PublishError::Refused(_) | PublishError::TooLarge(_) | PublishError::Key(_) => {
                tracing::error!(
                    event.id = %id,
                    key,
                    error = error as &dyn std::error::Error,
                    "an event cannot be published and stays in the outbox"
                );
            }
            PublishError::Unconfirmed(_) | PublishError::Unroutable | PublishError::Rejected => {
                tracing::debug!(event.id = %id, key, reason, "an event was not published yet");
            }
        }
    }
}

fn envelope(row: OutboxRow) -> Envelope {
    Envelope {
        id: row.id,
        key: row.key,
        kind: row.kind,
        tenant: row.tenant,
        waba: row.waba,
        aggregate: row.aggregate,
        version: row.version,
        body: row.body.into(),
        traceparent: row.traceparent,
    }
}
