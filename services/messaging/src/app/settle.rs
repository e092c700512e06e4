//! What came of a POST: written in group commits, with the step, the event, and what else Meta's word
//! means (DEL-9).
//!
//! Dies before the commit: the message stays `sending`, and the next holder of its number, a webhook or
//! the deadline goes on from there; another POST is never made for it (I2). An answer that comes after
//! the lease was lost is still written to its attempt, as evidence (DEL-2).

use std::collections::BTreeMap;

use kernel::id::MessageId;
use kernel::time::Timestamp;
use store::{Lane, ScopedTx};

use crate::app::pen::{Note, Pen};
use crate::app::status::{self, Told};
use crate::config::Config;
use crate::domain::message::{
    Decision, Delay, Dispatch, Message, MessageStatus, MetaError, Outcome, StepName, Word, decide,
};
use crate::error::Error;
use crate::rows::{attempt, message, meta_id, orphan_status};

/// The lane of settles.
#[derive(Debug, Clone)]
pub(crate) struct SettleLane {
    /// How long the consequences of Meta's words last.
    pub(crate) config: Config,
}

/// What Meta answered to a POST.
#[derive(Debug, Clone)]
pub(crate) enum Answered {
    /// 200.
    Accepted {
        /// Meta's id.
        wamid: String,
        /// `held_for_quality_assessment` and the like, for people.
        detail: String,
    },
    /// An error envelope.
    Refused {
        /// Meta's words.
        error: MetaError,
        /// Whether Meta promises by it that nothing was sent (I2 b).
        nothing_sent: bool,
    },
    /// No byte left us.
    NotSent(&'static str),
    /// Nobody knows.
    Unknown(&'static str),
}

impl Answered {
    /// What follows from it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Accepted { .. } => Outcome::Accepted,
            Self::Refused { error, nothing_sent } => {
                Outcome::Refused { code: error.code, nothing_sent: *nothing_sent }
            }
            Self::NotSent(_) => Outcome::NotSent,
            Self::Unknown(_) => Outcome::Unknown,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::NotSent(_) => "not_sent",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// One answer to one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Settle {
    /// Of which message.
    pub(crate) message: MessageId,
    /// Of which attempt.
    pub(crate) attempt: u32,
    /// What Meta said.
    pub(crate) answered: Answered,
    /// When.
    pub(crate) at: Timestamp,
    /// How long the pair is parked, where Meta said that it is too fast.
    pub(crate) parked: std::time::Duration,
    /// Generation of the credential that was used.
    pub(crate) generation: i64,
}

impl Settle {
    fn which(&self) -> attempt::Which {
        let n = i32::try_from(self.attempt).unwrap_or(i32::MAX);
        attempt::Which { message_id: self.message.uuid(), n }
    }

    fn ended(&self) -> attempt::Ended {
        let attempt::Which { message_id, n } = self.which();
        let (meta_id, code) = match &self.answered {
            Answered::Accepted { wamid, .. } => (Some(wamid.clone()), None),
            Answered::Refused { error, .. } => (None, Some(error.code)),
            Answered::NotSent(_) | Answered::Unknown(_) => (None, None),
        };
        let outcome = self.answered.word();
        attempt::Ended { message_id, n, at_us: self.at.as_micros(), outcome, meta_id, code }
    }
}

impl Lane for SettleLane {
    type Item = Settle;
    type Answer = ();
    type Error = Error;

    async fn run(&self, tx: ScopedTx, items: Vec<Settle>) -> Result<Vec<Result<(), Error>>, Error> {
        let ids: Vec<MessageId> = items.iter().map(|item| item.message).collect();
        let mut messages: BTreeMap<MessageId, Message> =
            message::lock(&tx, &ids).await?.into_iter().map(|one| (one.id, one)).collect();
        let ended: Vec<attempt::Ended> = items.iter().map(Settle::ended).collect();
        // Stored before, and only the acknowledgement was lost: there is no more to tell of it.
        let mut open = attempt::end(&tx, &ended).await?;
        let mut pen = Pen::new(&tx);
        let (mut led, mut sides) = (Vec::new(), Vec::new());
        for item in &items {
            if !open.remove(&item.which()) {
                continue;
            }
            let Some(message) = messages.get_mut(&item.message) else { continue };
            self.settle(message, item, &mut pen);
            if let Answered::Accepted { wamid, .. } = &item.answered {
                led.push(meta_id::Led {
                    waba: message.waba,
                    number: message.number,
                    direction: message::OUT,
                    meta_id: wamid.clone(),
                    message: message.id,
                    edge: false,
                });
            }
            if let Answered::Refused { error, .. } = &item.answered {
                sides.push((message.clone(), error.clone(), item.generation));
            }
        }
        let wamids: Vec<String> = led.iter().map(|led| led.meta_id.clone()).collect();
        meta_id::insert_new(&tx, led).await?;
        let mut changed: Vec<Message> = messages.into_values().collect();
        message::change(&tx, &mut changed).await?;
        pen.write().await?;
        // Statuses that came before we knew the wamid.
        let orphans = orphan_status::take(&tx, &wamids).await?;
        if !orphans.is_empty() {
            let told: Vec<Told> = orphans.into_iter().filter_map(Told::of_orphan).collect();
            status::apply(&tx, &self.config, told).await?;
        }
        for (message, error, generation) in sides {
            status::consequence(&tx, &self.config, &message, &error, Some(generation)).await?;
        }
        Ok(items.iter().map(|_| Ok(())).collect())
    }
}

impl SettleLane {
    fn settle(&self, message: &mut Message, item: &Settle, pen: &mut Pen<'_>) {
        let tries = message.outbound().map_or(0, |outbound| outbound.tries);
        let (decision, _) = decide(item.answered.outcome(), tries);
        let detail = match &item.answered {
            Answered::Accepted { detail, .. } => detail.clone(),
            Answered::NotSent(why) | Answered::Unknown(why) => (*why).to_owned(),
            Answered::Refused { .. } => String::new(),
        };
        let error = match &item.answered {
            Answered::Refused { error, .. } => Some(error.clone()),
            Answered::Accepted { .. } | Answered::NotSent(_) | Answered::Unknown(_) => None,
        };
        if let Answered::Accepted { wamid, .. } = &item.answered {
            let newest =
                message.outbound().is_some_and(|outbound| outbound.attempts == item.attempt);
            if newest || message.meta_id.is_none() {
                message.meta_id = Some(wamid.clone());
            }
        }
        let Some(outbound) = message.outbound_mut() else { return };
        // A webhook may have settled this attempt meanwhile, and a later one may be under way.
        let current = outbound.dispatch == Dispatch::Sending && outbound.attempts == item.attempt;
        match decision {
            Decision::Accepted => {
                let status = MessageStatus::Accepted;
                // Another POST is made, or to be made, only after Meta's no to this one.
                if outbound.attempts != item.attempt || outbound.dispatch.is_ours_still() {
                    outbound.hear_late(status);
                } else {
                    outbound.hear(&Word { status, at: item.at, error: None });
                }
                let note = Note::plain(StepName::Accepted, item.at).with_detail(detail);
                pen.note(message, note);
            }
            Decision::Fail(failure) if current => {
                outbound.fail(failure, error.clone(), item.at);
                pen.note(message, Note::plain(StepName::Failed, item.at).with_error(error));
            }
            Decision::Requeue { delay, counted } if current => {
                let wait = match delay {
                    Delay::For(wait) => wait,
                    Delay::Pair => item.parked,
                };
                outbound.requeue(item.at + wait, counted);
                let note = Note::plain(StepName::Requeued, item.at).with_detail(detail);
                pen.note(message, note.with_error(error));
            }
            Decision::Unknown if current => {
                let until = self.config.deadlines.unknown_until(&outbound.category, item.at);
                outbound.lose_sight(until);
                pen.note(message, Note::plain(StepName::Unknown, item.at).with_detail(detail));
            }
            Decision::Fail(_) | Decision::Requeue { .. } | Decision::Unknown => {}
        }
    }
}
