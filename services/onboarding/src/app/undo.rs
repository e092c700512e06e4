//! Takes a saga back, step by step in reverse. Each undo is idempotent, and a process that dies in between goes on where
//! it stood: a step is `undone` only after its undo.
//!
//! What a newer saga of the same WABA holds is not this one's to take back, and what an older one had live goes back to
//! that one. The last to leave a WABA takes back what the sagas before it left there.

use std::time::Duration;

use auth::Acting;
use graph::GraphApp;
use kernel::secret::MetaToken;
use store::{Error, ScopedTx};

use super::{
    App,
    meta_side::{self, Fault},
    settle::{Trouble, later},
    vault,
};
use crate::{
    domain::{
        account::Standing,
        retry,
        step::{State, Step, StepState, Undo},
    },
    rows::{
        credential,
        saga::{self, Saga},
        waba,
    },
};

/// What remains of a registration: no call turns two-step verification off.
const PIN_STAYS: &str = "deregistered; the number keeps its two-step PIN until the business turns it off in WhatsApp Manager";

/// The last step that was, or may have been, done and is not undone yet: the one that the saga stands at counts too,
/// since a try of it may have reached Meta.
fn last(saga: &Saga) -> Result<Option<Step>, Error> {
    let at = saga.at()?;
    let done =
        |step: &Step| !matches!(saga.step_state(*step), StepState::Undone | StepState::Skipped);
    Ok(Step::ALL.into_iter().rev().filter(|step| *step <= at).find(done))
}

/// Undoes the last step that is not undone yet; the saga is cancelled after the first one.
pub(crate) async fn undo_next(
    app: &App,
    acting: &Acting,
    saga: &Saga,
) -> Result<Option<Saga>, Error> {
    let step = last(saga)?;
    let undone = match step.and_then(Step::undo) {
        None => Ok(Vec::new()),
        Some(undo) => outside(app, acting, saga, undo).await?,
    };
    match undone {
        Ok(deregistered) => finish(app, acting, saga, step, &deregistered).await,
        Err(fault) => {
            let least = match &fault {
                Fault::Passing(_, least) => *least,
                Fault::Refused(_) | Fault::Access(_) | Fault::Absent(_) => Duration::ZERO,
            };
            postpone(app, acting, saga, &fault.into_trouble(), least).await
        }
    }
}

/// What a WABA still has of ours, for the saga that holds it.
struct Left {
    /// Numbers that are to be deregistered.
    numbers: Vec<String>,
    /// An older saga is live on it beside this one.
    shared: bool,
    /// Some saga was live on it, so the subscription may stand whatever this one did.
    was_live: bool,
}

/// Reads what is left; `None` where the WABA is not this saga's, or not its any more.
async fn left(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Left>, Error> {
    app.store
        .read(acting, |tx: ScopedTx| async move {
            let Some(row) = waba::held_by(&tx, saga).await? else { return Ok(None) };
            let shared = saga::live_beside(&tx, saga.row.id, row.waba_id).await?.is_some();
            let numbers = if shared {
                saga.registered()
            } else {
                saga::registered_of(&tx, row.waba_id).await?
            };
            Ok::<_, Error>(Some(Left { numbers, shared, was_live: row.live_us > 0 }))
        })
        .await
}

/// What the undo asks of Meta, and the numbers that it deregistered; nothing where the token or the WABA is not this
/// saga's any more.
async fn outside(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    undo: Undo,
) -> Result<Result<Vec<String>, Fault>, Error> {
    if undo == Undo::ForgetToken {
        return Ok(Ok(Vec::new()));
    }
    let left = left(app, acting, saga).await?;
    let token = vault::token_of_saga(app, acting, saga.row.id).await?;
    let (Some(left), Some(token), Some(meta_app)) = (left, token, app.meta_app(&saga.row.app_id))
    else {
        return Ok(Ok(Vec::new()));
    };
    let unsubscribes = match undo {
        // The subscription is the one that the older saga lives by.
        Undo::Unsubscribe => !left.shared,
        // An older saga may have been undone meanwhile, and left this to the holder.
        Undo::ReleaseWaba => !left.shared && left.was_live,
        Undo::Deregister | Undo::ForgetToken => false,
    };
    let deregisters = match undo {
        Undo::Deregister => true,
        Undo::ReleaseWaba => !left.shared,
        Undo::Unsubscribe | Undo::ForgetToken => false,
    };
    let numbers = if deregisters { left.numbers } else { Vec::new() };
    if let Err(fault) = deregister_all(&meta_app, &token, &numbers).await {
        return Ok(Err(fault));
    }
    if unsubscribes {
        let gone = meta_side::unsubscribe(&meta_app, &token, &saga.row.waba_meta_id).await;
        if let Err(fault) = settled(gone) {
            return Ok(Err(fault));
        }
    }
    Ok(Ok(numbers))
}

async fn deregister_all(
    meta_app: &GraphApp,
    token: &MetaToken,
    numbers: &[String],
) -> Result<(), Fault> {
    for number in numbers {
        settled(meta_side::deregister(meta_app, token, number).await)?;
    }
    Ok(())
}

/// A clear no of Meta's ends an undo as well as a yes: the thing is gone, or out of our hands.
fn settled(outcome: Result<(), Fault>) -> Result<(), Fault> {
    match outcome {
        Err(fault) if !fault.is_clear() => Err(fault),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// A saga that is still being taken back and still stands before the undo of this step, its row locked.
async fn undoing(tx: &ScopedTx, saga: &Saga, step: Option<Step>) -> Result<Option<Saga>, Error> {
    let Some(now) = saga::lock(tx, saga.row.id).await? else { return Ok(None) };
    let there = now.state()? == State::Undoing && last(&now)? == step;
    Ok(there.then_some(now))
}

async fn finish(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    step: Option<Step>,
    deregistered: &[String],
) -> Result<Option<Saga>, Error> {
    app.store
        .write(acting, |tx: ScopedTx| async move {
            if let (Some(waba), [_, ..]) = (saga.row.waba_id, deregistered) {
                saga::strike_registered(&tx, waba, deregistered).await?;
            }
            let Some(before) = undoing(&tx, saga, step).await? else { return Ok(None) };
            let mut after = before.clone();
            let now_us = tx.now().as_micros();
            after.row.due_us = now_us;
            let Some(step) = step else {
                State::Cancelled.as_str().clone_into(&mut after.row.state);
                return saga::save(&tx, &before, after).await.map(Some);
            };
            match step.undo() {
                Some(Undo::ForgetToken) => credential::forget(&tx, before.row.id).await?,
                Some(Undo::ReleaseWaba) => let_go(&tx, &before).await?,
                Some(Undo::Unsubscribe | Undo::Deregister) | None => {}
            }
            if let Some(row) = after.step_mut(step) {
                StepState::Undone.as_str().clone_into(&mut row.state);
                row.finished_us = Some(now_us);
                if row.retry_at_us.take().is_some() {
                    // Of earlier tries to take it back: it is done now.
                    row.error.clear();
                    row.meta_error = None;
                }
                if step.undo() == Some(Undo::Deregister) && !deregistered.is_empty() {
                    PIN_STAYS.clone_into(&mut row.error);
                    row.meta_error = None;
                }
            }
            step.as_str().clone_into(&mut after.row.step);
            saga::save(&tx, &before, after).await.map(Some)
        })
        .await
}

/// Gives the WABA back to the saga that is live on it beside this one, with its older token; to nobody where there is
/// none.
async fn let_go(tx: &ScopedTx, saga: &Saga) -> Result<(), Error> {
    let Some(before) = waba::lock_held_by(tx, saga).await? else { return Ok(()) };
    let mut after = before.clone();
    match saga::live_beside(tx, saga.row.id, before.waba_id).await? {
        None => Standing::Released.as_str().clone_into(&mut after.state),
        Some(older) => {
            let claimed_us = older.step(Step::WabaClaimed).and_then(|row| row.finished_us);
            after.onboarding_id = older.row.id;
            after.app_id.clone_from(&older.row.app_id);
            after.connected_us = claimed_us.unwrap_or(before.created_us);
            after.credential_generation += 1;
            let generation = after.credential_generation;
            credential::bind(tx, older.row.id, before.waba_id, generation).await?;
        }
    }
    waba::save(tx, &before, after).await.map(drop)
}

/// Writes down that an undo did not go, and when it is tried again. It is never given up: what is half taken back helps
/// nobody.
pub(crate) async fn postpone(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    trouble: &Trouble,
    least: Duration,
) -> Result<Option<Saga>, Error> {
    let step = last(saga)?;
    app.store
        .write(acting, |tx: ScopedTx| async move {
            let Some(before) = undoing(&tx, saga, step).await? else { return Ok(None) };
            let mut after = before.clone();
            let tries = step.map_or(1, |step| before.tries(step));
            let pause = retry::pause(tries.saturating_add(1)).max(least);
            let due_us = later(tx.now().as_micros(), pause);
            after.row.due_us = due_us;
            if let Some(row) = step.and_then(|step| after.step_mut(step)) {
                row.attempts += 1;
                row.error.clone_from(&trouble.text);
                row.meta_error = trouble.kept();
                row.retry_at_us = Some(due_us);
            }
            saga::save(&tx, &before, after).await.map(Some)
        })
        .await
}
