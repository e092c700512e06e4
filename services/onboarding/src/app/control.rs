//! What the desk may do to a saga: try again, skip, cancel, undo.
//!
//! The row is found in the desk's own purpose; what is done to it, and the audit entry of it, are one transaction of the
//! tenant's, so nothing stands in the logs that did not happen.

use auth::Scope;
use kernel::id::OnboardingId;
use store::{ScopedTx, Shard, SystemTx, purpose};

use super::{App, deeds::Desk, desk::text};
use crate::{
    domain::step::{State, Step, StepState},
    error::Error,
    events,
    rows::{
        onboarding,
        saga::{self, Saga},
    },
};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Retry,
    Skip(Step),
    /// Gives up what is not live.
    Cancel,
    /// Takes back what is live.
    Undo,
}

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::Retry => "onboarding.step_retried",
            Self::Skip(_) => "onboarding.step_skipped",
            Self::Cancel => "onboarding.cancelled",
            Self::Undo => "onboarding.undone",
        }
    }
}

impl App {
    /// Does it, for a saga that this desk may touch; anybody else's does not exist.
    pub(crate) async fn control(
        &self,
        scope: &Scope,
        id: OnboardingId,
        act: Act,
        reason: &str,
    ) -> Result<Saga, Error> {
        let desk = Desk::of(scope)?;
        let reason =
            if act == Act::Retry { String::new() } else { text("reason", reason, LONGEST_REASON)? };
        let at_us = self.wall.now().as_micros();
        let (desk, reason) = (&desk, &reason);
        let acting = self
            .store
            .system_read(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let row = onboarding::find(&tx, id.uuid()).await?;
                let row = row.filter(|row| desk.may_touch(row.partner_id));
                // The saga's steps are the whole tenant's, whichever WABA it claimed.
                row.map(|row| tx.acting_for(row.tenant_id, None)).ok_or(Error::OnboardingNotFound)
            })
            .await?;
        let saga = self
            .store
            .write(&acting, |tx: ScopedTx| async move {
                let before = saga::lock(&tx, id.uuid()).await?.ok_or(Error::OnboardingNotFound)?;
                let mut after = before.clone();
                apply(&mut after, act, tx.now().as_micros(), reason)?;
                let of = (Some(before.row.tenant_id), before.row.partner_id);
                let deed = desk.deed(act.name(), id.to_string(), of, reason);
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok::<_, Error>(saga::save(&tx, &before, after).await?)
            })
            .await?;
        self.wake.notify_one();
        Ok(saga)
    }
}

/// Moves the saga, or says why it does not move.
fn apply(saga: &mut Saga, act: Act, now_us: i64, reason: &str) -> Result<(), Error> {
    match act {
        Act::Retry => retry(saga, now_us),
        Act::Skip(step) => skip(saga, step, now_us, reason),
        Act::Cancel | Act::Undo => give_up(saga, act, now_us, reason),
    }
}

fn wrong(state: State, way_out: &'static str) -> Error {
    Error::WrongState { state: state.as_str(), way_out }
}

fn retry(saga: &mut Saga, now_us: i64) -> Result<(), Error> {
    let (state, step) = (saga.state()?, saga.at()?);
    match state {
        State::Retrying | State::NeedsAttention => {}
        State::NeedsReconnect => {
            return Err(wrong(
                state,
                "the business opens the dialog again; its code can't be used twice",
            ));
        }
        State::Running | State::Live | State::Undoing | State::Cancelled => {
            return Err(wrong(state, "only a failed step can be tried again"));
        }
    }
    if let Some(row) = saga.step_mut(step) {
        StepState::Pending.as_str().clone_into(&mut row.state);
        row.attempts = 0;
        row.started_us = None;
        row.retry_at_us = None;
    }
    State::Running.as_str().clone_into(&mut saga.row.state);
    saga.row.due_us = now_us;
    Ok(())
}

fn skip(saga: &mut Saga, step: Step, now_us: i64, reason: &str) -> Result<(), Error> {
    let state = saga.state()?;
    if saga.at()? != step || !(state.is_walking() || state == State::NeedsAttention) {
        return Err(wrong(state, "only the step that it stands at can be skipped"));
    }
    let (true, Some(next)) = (step.may_be_skipped(), step.next()) else {
        return Err(wrong(state, "this step can't be skipped; retry it, or cancel the onboarding"));
    };
    if let Some(row) = saga.step_mut(step) {
        StepState::Skipped.as_str().clone_into(&mut row.state);
        reason.clone_into(&mut row.error);
        row.meta_error = None;
        row.finished_us = Some(now_us);
        row.retry_at_us = None;
    }
    next.as_str().clone_into(&mut saga.row.step);
    State::Running.as_str().clone_into(&mut saga.row.state);
    saga.row.due_us = now_us;
    Ok(())
}

fn give_up(saga: &mut Saga, act: Act, now_us: i64, reason: &str) -> Result<(), Error> {
    let state = saga.state()?;
    let fitting = match state {
        State::Live => Act::Undo,
        State::Running | State::Retrying | State::NeedsAttention | State::NeedsReconnect => {
            Act::Cancel
        }
        State::Undoing | State::Cancelled => {
            return Err(wrong(state, "it is being taken back, or was"));
        }
    };
    if fitting != act {
        return Err(wrong(state, "a live onboarding is undone, one that is not live is cancelled"));
    }
    saga.take_back(now_us, reason);
    Ok(())
}
