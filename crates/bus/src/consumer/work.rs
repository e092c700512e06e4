//! Works on deliveries: a batch at once, what fails by itself, what keeps failing into a dead letter.
//!
//! A delivery that was handed out before is worked alone, and counted before it is touched: if it kills the
//! process, the count stands, and its neighbours', who were not being worked on, does not (DEL-6).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::ledger::{Burial, Ledger, reason};
use super::{Consumer, FIRST_PAUSE, Failure, LONGEST_PAUSE, Verdict};
use crate::envelope::Envelope;
use crate::metrics::metrics;
use crate::transport::{Delivery, Refusal, Refused};

/// After so many failures an event is a dead letter.
pub(super) const TRIES: u32 = 5;
/// First pause between two rounds over events that failed.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(20);

/// The process is to end; what is in hand is given back.
#[derive(Debug)]
pub(super) struct Stopped;

/// What came of calling the handler.
pub(super) enum Outcome {
    Verdicts(Vec<Verdict>),
    Transient(String),
    Failed(String),
}

pub(super) struct Worker {
    consumer: Arc<dyn Consumer>,
    pub(super) ledger: Ledger,
    stop: CancellationToken,
    pub(super) group: &'static str,
}

/// An event that is worked by itself.
struct Single {
    envelope: Envelope,
    /// It may have been tried before, so it is counted first.
    suspect: bool,
}

impl Worker {
    pub(super) fn new(
        consumer: Arc<dyn Consumer>,
        ledger: Ledger,
        stop: CancellationToken,
    ) -> Self {
        let group = consumer.group();
        Self { consumer, ledger, stop, group }
    }

    /// Works until every delivery is done with or written down.
    pub(super) async fn batch(&self, deliveries: Vec<Delivery>) -> Result<(), Stopped> {
        let began = Instant::now();
        let (mut fresh, mut singles) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match delivery.event {
                Err(refused) => self.refuse(&refused).await?,
                Ok(envelope) if delivery.given_up => {
                    self.bury(&envelope, Burial::dead(reason::GIVEN_UP, "the broker gave it up"))
                        .await?;
                }
                Ok(envelope) if delivery.redelivered => {
                    singles.push(Single { envelope, suspect: true });
                }
                Ok(envelope) => fresh.push(envelope),
            }
        }
        self.together(fresh, &mut singles).await?;
        self.apart(singles).await?;
        metrics().batch(self.group, began.elapsed().as_secs_f64());
        Ok(())
    }

    /// A batch at once; what did not go well is left in `singles`.
    async fn together(
        &self,
        fresh: Vec<Envelope>,
        singles: &mut Vec<Single>,
    ) -> Result<(), Stopped> {
        if fresh.len() < 2 {
            singles.extend(fresh.into_iter().map(|envelope| Single { envelope, suspect: false }));
            return Ok(());
        }
        let mut pause = FIRST_PAUSE;
        let verdicts = loop {
            match self.attempt(&fresh).await {
                Outcome::Verdicts(verdicts) => break verdicts,
                Outcome::Failed(why) => {
                    tracing::warn!(group = self.group, why, "a batch failed; going one by one");
                    break vec![Verdict::Poison(why); fresh.len()];
                }
                Outcome::Transient(why) => self.pause(&mut pause, &why).await?,
            }
        };
        for (envelope, verdict) in fresh.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Poison(_) => singles.push(Single { envelope, suspect: false }),
                Verdict::Done => metrics().handled(self.group, "done", 1),
                other => self.settle(&envelope, other).await?,
            }
        }
        Ok(())
    }

    /// One by one, in rounds: whoever fails waits for the others before it is tried again.
    async fn apart(&self, mut singles: Vec<Single>) -> Result<(), Stopped> {
        let mut pause = BETWEEN_ROUNDS;
        while !singles.is_empty() {
            let mut again = Vec::new();
            for single in singles {
                if let Some(failed) = self.single(single).await? {
                    again.push(failed);
                }
            }
            singles = again;
            if !singles.is_empty() {
                self.sleep(pause).await?;
                pause *= 2;
            }
        }
        Ok(())
    }

    /// One try; answers the event if it is to be tried again.
    async fn single(&self, single: Single) -> Result<Option<Single>, Stopped> {
        let Single { envelope, suspect } = single;
        let id = envelope.id;
        let mut counted = 0;
        if suspect {
            // Done with, and only its acknowledgement was lost: an event that kills must not be touched again.
            let Some(tries) = self.persist(|| self.ledger.mark(id)).await? else {
                metrics().handled(self.group, "done", 1);
                return Ok(None);
            };
            counted = tries;
            if counted > TRIES {
                let why = "the process died each time it was worked on";
                self.bury(&envelope, Burial::dead(reason::POISON, why)).await?;
                return Ok(None);
            }
        }
        let mut pause = FIRST_PAUSE;
        let (verdict, tried) = loop {
            match self.attempt(std::slice::from_ref(&envelope)).await {
                Outcome::Verdicts(mut verdicts) => break (verdicts.pop(), None),
                Outcome::Failed(why) => break (None, Some(why)),
                Outcome::Transient(why) => {
                    if let Err(stopped) = self.pause(&mut pause, &why).await {
                        if suspect && let Err(error) = self.ledger.clear(&[id]).await {
                            tracing::debug!(
                                error = &error as &dyn std::error::Error,
                                "a try that was no fault stays counted"
                            );
                        }
                        return Err(stopped);
                    }
                }
            }
        };
        let why = match (verdict, tried) {
            (Some(Verdict::Done), _) => {
                metrics().handled(self.group, "done", 1);
                if suspect {
                    // At once: a later one of this batch may kill the process, and this one comes again with it.
                    self.persist(|| self.ledger.clear(std::slice::from_ref(&id))).await?;
                }
                return Ok(None);
            }
            (Some(Verdict::Poison(why)), _) | (None, Some(why)) => why,
            (Some(other), _) => {
                self.settle(&envelope, other).await?;
                return Ok(None);
            }
            (None, None) => "the handler gave no verdict".to_owned(),
        };
        if !suspect {
            let Some(tries) = self.persist(|| self.ledger.mark(id)).await? else { return Ok(None) };
            counted = tries;
        }
        if counted >= TRIES {
            self.bury(&envelope, Burial::dead(reason::POISON, &why)).await?;
            return Ok(None);
        }
        tracing::warn!(group = self.group, event.id = %id, why, tries = counted, "an event failed");
        Ok(Some(Single { envelope, suspect: true }))
    }

    /// Calls the handler, whatever it does.
    pub(super) async fn attempt(&self, batch: &[Envelope]) -> Outcome {
        let span = self.span(batch);
        let handled = AssertUnwindSafe(async { self.consumer.handle(batch).await })
            .catch_unwind()
            .instrument(span)
            .await;
        match handled {
            Ok(Ok(verdicts)) if verdicts.len() == batch.len() => Outcome::Verdicts(verdicts),
            Ok(Ok(verdicts)) => Outcome::Failed(format!(
                "the handler gave {} verdicts for {} events",
                verdicts.len(),
                batch.len()
            )),
            Ok(Err(Failure::Transient(why))) => Outcome::Transient(why),
            Ok(Err(Failure::Deterministic(why))) => Outcome::Failed(why),
            // What a panic says may quote what it choked on, so only its hash is kept.
            Err(panic) => Outcome::Failed(format!("panicked ({:016x})", hash_of(&*panic))),
        }
    }

    /// A batch's span links to what caused its events; one event's is their child.
    fn span(&self, batch: &[Envelope]) -> Span {
        let span = tracing::info_span!(
            "bus.consume",
            otel.kind = "consumer",
            group = self.group,
            size = batch.len()
        );
        if let [only] = batch {
            if let Some(traceparent) = &only.traceparent {
                telemetry::propagation::set_parent(
                    &span,
                    telemetry::propagation::parent_from(traceparent),
                );
            }
            return span;
        }
        for traceparent in batch.iter().filter_map(|envelope| envelope.traceparent.as_deref()) {
            telemetry::propagation::link(&span, traceparent);
        }
        span
    }

    /// Writes down what is neither done nor poison.
    async fn settle(&self, envelope: &Envelope, verdict: Verdict) -> Result<(), Stopped> {
        let burial = match verdict {
            Verdict::Done | Verdict::Poison(_) => return Ok(()),
            Verdict::Wait(what) => Burial::waiting(reason::WAITING, &what, Duration::from_secs(1)),
            Verdict::Unknown(what) => {
                Burial::waiting(reason::UNKNOWN_TYPE, &what, super::waiting::UNKNOWN_AGAIN)
            }
            Verdict::ScopeMismatch => {
                self.alert_mismatch(envelope);
                Burial::dead(reason::SCOPE_MISMATCH, "found under another tenant")
            }
        };
        self.bury(envelope, burial).await
    }

    pub(super) fn count_dead(&self, why: &str) {
        let known = [
            reason::POISON,
            reason::UNKNOWN_AGGREGATE,
            reason::SCOPE_MISMATCH,
            reason::UNREADABLE,
            reason::FORGED,
        ];
        let label = known.into_iter().find(|known| *known == why).unwrap_or("other");
        metrics().dead_letter(self.group, label);
    }

    pub(super) fn alert_mismatch(&self, envelope: &Envelope) {
        tracing::error!(
            group = self.group,
            event.id = %envelope.id,
            key = envelope.key,
            "an event names what belongs to another tenant; it is a dead letter"
        );
    }

    async fn bury(&self, envelope: &Envelope, burial: Burial) -> Result<(), Stopped> {
        if burial.is_dead() {
            metrics().dead_letter(self.group, burial.reason);
            if burial.reason != reason::SCOPE_MISMATCH {
                tracing::warn!(
                    group = self.group,
                    event.id = %envelope.id,
                    reason = burial.reason,
                    "an event is a dead letter"
                );
            }
        }
        metrics().handled(self.group, burial.reason, 1);
        self.persist(|| self.ledger.bury(envelope, &burial)).await
    }

    /// A message that is no event, or not from whom it says: kept for a person to look at.
    async fn refuse(&self, refused: &Refused) -> Result<(), Stopped> {
        let why = match &refused.why {
            Refusal::Unreadable(_) => reason::UNREADABLE,
            Refusal::Forged { .. } => reason::FORGED,
        };
        metrics().refused();
        metrics().dead_letter(self.group, why);
        tracing::error!(
            group = self.group,
            key = refused.key,
            reason = %refused.why,
            "a message is refused and kept as a dead letter"
        );
        let detail = refused.why.to_string();
        self.persist(|| self.ledger.keep_refused(refused, why, &detail)).await
    }

    /// Writes until it is written: rows are the only way on, so a database that is away is waited for.
    pub(super) async fn persist<T, F>(&self, write: impl Fn() -> F) -> Result<T, Stopped>
    where
        F: Future<Output = Result<T, store::Error>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match write().await {
                Ok(done) => return Ok(done),
                Err(error) => {
                    if !error.is_transient() {
                        tracing::error!(
                            group = self.group,
                            error = &error as &dyn std::error::Error,
                            "the group cannot write its rows"
                        );
                    }
                    self.pause(&mut pause, &error.to_string()).await?;
                }
            }
        }
    }

    async fn pause(&self, pause: &mut Duration, why: &str) -> Result<(), Stopped> {
        tracing::warn!(group = self.group, why, pause_ms = pause.as_millis(), "the group pauses");
        let length = *pause;
        *pause = (length * 2).min(LONGEST_PAUSE);
        self.sleep(length).await
    }

    async fn sleep(&self, length: Duration) -> Result<(), Stopped> {
        self.stop.run_until_cancelled(tokio::time::sleep(length)).await.ok_or(Stopped)
    }
}

fn hash_of(panic: &(dyn std::any::Any + Send)) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = std::hash::DefaultHasher::new();
    if let Some(text) = panic.downcast_ref::<&str>() {
        text.hash(&mut hasher);
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.hash(&mut hasher);
    }
    hasher.finish()
}
