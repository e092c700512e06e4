//! One message on its way: mark, POST, settle. Nothing here posts twice: another try is another claim.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use auth::Acting;
use futures::FutureExt as _;
use graph::{AccessToken, NotSentReason, SendOutcome, TokenError, UnknownReason};
use kernel::id::{MessageId, NumberId};
use meta::ids::MetaNumberId;
use store::lease::Lease;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::number::{Deferred, Pace, Waiting};
use super::{Dispatcher, meta_error};
use crate::app::mark::{Mark, MarkLane, Marked, Ready};
use crate::app::settle::{Answered, Settle, SettleLane};
use crate::domain::message::{Side, side_of};
use crate::failpoint::failpoint;

/// How long a message waits when its token cannot be had.
const NO_TOKEN: Duration = Duration::from_secs(5);
/// How long a message waits when it could not be marked.
const NO_MARK: Duration = Duration::from_secs(1);
/// Pauses between tries to store an outcome, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One message with all that its way needs.
pub(super) struct Send {
    pub(super) waiting: Waiting,
    pub(super) number: NumberId,
    pub(super) lease: Lease,
    pub(super) pace: Pace,
    /// When this process began, for its monotonic time.
    pub(super) started: Instant,
    /// How long an outcome is tried to be stored.
    pub(super) patience: Duration,
}

/// A send that ended.
#[derive(Debug)]
pub(super) struct Finished {
    /// Of which number.
    pub(super) number: NumberId,
    /// Under which fencing token of the number's.
    pub(super) fence: i64,
    /// What is left to do.
    pub(super) left: Left,
}

/// What is left to do after a send.
#[derive(Debug)]
pub(super) enum Left {
    /// The message is settled, or somebody else's.
    Nothing,
    /// The message goes back to the queue.
    Deferred(Deferred),
    /// It panicked: how far the message came is known to its row alone.
    Panicked,
}

impl Send {
    /// Does it.
    pub(super) async fn run(self, by: Dispatcher) -> Finished {
        let (number, fence) = (self.number, self.lease.token());
        let left = match AssertUnwindSafe(self.go(&by)).catch_unwind().await {
            Ok(None) => Left::Nothing,
            Ok(Some(wait)) => {
                Left::Deferred(Deferred { message: self.waiting.message.uuid(), fence, wait })
            }
            Err(_) => Left::Panicked,
        };
        Finished { number, fence, left }
    }

    /// `Some` when the message is still only claimed, and must wait so long.
    async fn go(&self, by: &Dispatcher) -> Option<Duration> {
        // Before the mark: a token that cannot be had costs no attempt.
        let token = match self.token(by).await {
            Ok(token) => token,
            Err(wait) => return Some(wait),
        };
        failpoint!("send.after_claim");
        let mark = Mark { message: self.waiting.message, fence: self.lease.token() };
        let marked = by.store.lane::<MarkLane>().submit(&self.waiting.acting, mark).await;
        let ready = match marked {
            Ok(Marked::Go(ready)) => ready,
            Ok(Marked::NotYet | Marked::Over) => return None,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a message could not be marked"
                );
                return Some(NO_MARK);
            }
        };
        failpoint!("send.after_mark");
        let outbound = ready.message.outbound();
        let span = tracing::info_span!("messaging.send", message.id = %ready.message.id);
        if let Some(trace) = outbound.and_then(|outbound| outbound.traceparent.as_deref()) {
            telemetry::propagation::set_parent(&span, telemetry::propagation::parent_from(trace));
        }
        let attempt = outbound.map_or(0, |outbound| outbound.attempts);
        self.post_and_settle(by, &ready, attempt, &token).instrument(span).await;
        None
    }

    async fn token(&self, by: &Dispatcher) -> Result<AccessToken, Duration> {
        let acting = &self.waiting.acting;
        let waba = acting.waba().map(|waba| waba.uuid()).unwrap_or_default();
        by.tokens.token(acting.tenant().uuid(), waba).await.map_err(|error| {
            match &error {
                TokenError::NotFound => tracing::warn!(waba.id = ?acting.waba(), "no token"),
                TokenError::Unavailable(_) => tracing::debug!("the vault could not be asked"),
            }
            NO_TOKEN
        })
    }

    async fn post_and_settle(
        &self,
        by: &Dispatcher,
        ready: &Ready,
        attempt: u32,
        token: &AccessToken,
    ) {
        let answered = self.post(by, ready, token).await;
        failpoint!("send.after_post");
        let parked = self.react(by, &answered).await;
        let settle = Settle {
            message: ready.message.id,
            attempt,
            answered,
            at: by.clock.now(),
            parked,
            generation: token.generation,
        };
        store(by, &self.waiting.acting, settle, self.patience).await;
        failpoint!("send.after_settle");
    }

    async fn post(&self, by: &Dispatcher, ready: &Ready, token: &AccessToken) -> Answered {
        // The mark judged the lease's row; this judges our own clock, after a pause of the process.
        if !self.lease.is_live() {
            return Answered::NotSent("the lease of the number was over");
        }
        let Ok(app) = by.graph.app(&ready.app) else {
            tracing::error!(app.id = ready.app, "no such Meta app is configured");
            return Answered::NotSent("no such Meta app is configured");
        };
        let Ok(number) = MetaNumberId::new(ready.number_meta_id.as_str()) else {
            return Answered::NotSent("the number has no id of Meta's");
        };
        match app.send_message(&token.secret, &number, &ready.payload).await {
            SendOutcome::Accepted { wamid, message_status, .. } => Answered::Accepted {
                wamid: wamid.as_str().to_owned(),
                detail: message_status.filter(|word| word != "accepted").unwrap_or_default(),
            },
            SendOutcome::NotSent(reason) => Answered::NotSent(match reason {
                NotSentReason::Connect => "no connection to Meta",
                NotSentReason::Request => "the request could not be made",
                NotSentReason::RefusedStream => "Meta refused the stream",
            }),
            SendOutcome::Refused(error) => {
                Answered::Refused { error: meta_error(&error), nothing_sent: true }
            }
            SendOutcome::Failed(error) => {
                Answered::Refused { error: meta_error(&error), nothing_sent: false }
            }
            SendOutcome::Unknown(reason) => Answered::Unknown(match reason {
                UnknownReason::Timeout => "no answer in time",
                UnknownReason::Lost => "the answer was lost",
                UnknownReason::Unreadable(_) => "the answer was none of Meta's",
                UnknownReason::Fault(..) => "a fault of Meta's that leaves it open",
            }),
        }
    }

    /// What Meta's word means for the pace and the token; answers how long the pair is parked.
    async fn react(&self, by: &Dispatcher, answered: &Answered) -> Duration {
        let now = self.started.elapsed();
        let counterpart = &self.waiting.counterpart;
        let side = match answered {
            Answered::Accepted { .. } => {
                self.pace.lock().pairs.went_through(counterpart);
                return Duration::ZERO;
            }
            Answered::Refused { error, .. } => side_of(error.code),
            Answered::NotSent(_) | Answered::Unknown(_) => return Duration::ZERO,
        };
        match side {
            Side::SlowNumber => self.pace.lock().throughput.slow_down(now),
            Side::ParkPair => return self.pace.lock().pairs.park(counterpart, now),
            Side::StopWaba => {
                let acting = &self.waiting.acting;
                let waba = acting.waba().map(|waba| waba.uuid()).unwrap_or_default();
                by.tokens.invalidate(acting.tenant().uuid(), waba).await;
            }
            Side::Nothing
            | Side::HoldMarketing
            | Side::LockWaba
            | Side::RestCustomer
            | Side::OptOutCustomer => {}
        }
        Duration::ZERO
    }
}

/// Stores an outcome, again and again while the database is away: what Meta said is known nowhere else.
async fn store(by: &Dispatcher, acting: &Acting, settle: Settle, patience: Duration) {
    let until = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let message: MessageId = settle.message;
    loop {
        let stored = by.store.lane::<SettleLane>().submit(acting, settle.clone()).await;
        let Err(error) = stored else { return };
        if Instant::now() >= until {
            tracing::error!(
                message.id = %message,
                error = &error as &dyn std::error::Error,
                "an outcome could not be stored; a webhook or the deadline settles it"
            );
            return;
        }
        tracing::warn!(
            message.id = %message,
            error = &error as &dyn std::error::Error,
            "an outcome could not be stored yet"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
