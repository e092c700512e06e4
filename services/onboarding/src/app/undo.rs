//! Takes a saga back, step by step in reverse. Each undo is idempotent, and a process that dies in between goes on where
//! it stood: a step is `undone` only after its undo.
//!
//! What a newer saga of the same WABA holds is not this one's to take back, and what an older one had live goes back to
//! that one.

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
        None => Ok(()),
        Some(undo) => outside(app, acting, saga, undo).await?,
    };
    match undone {
        Ok(()) => finish(app, acting, saga, step).await,
        Err(fault) => {
            let least = match &fault {
                Fault::Passing(_, least) => *least,
                Fault::Refused(_) | Fault::Access(_) | Fault::Absent(_) => Duration::ZERO,
            };
            postpone(app, acting, saga, &fault.into_trouble(), least).await
        }
    }
}

/// What the undo asks of Meta; nothing where the token or the WABA is not this saga's any more.
async fn outside(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    undo: Undo,
) -> Result<Result<(), Fault>, Error> {
    let needs_meta = match undo {
        Undo::Unsubscribe | Undo::Deregister => true,
        Undo::ForgetToken | Undo::ReleaseWaba => false,
    };
    if !needs_meta {
        return Ok(Ok(()));
    }
    let (held, shared) = app
        .store
        .read(acting, |tx: ScopedTx| async move {
            let Some(row) = waba::held_by(&tx, saga).await? else { return Ok((false, false)) };
            let beside = saga::live_beside(&tx, saga.row.id, row.waba_id).await?;
            Ok::<_, Error>((true, beside.is_some()))
        })
        .await?;
    let token = vault::token_of_saga(app, acting, saga.row.id).await?;
    let (true, Some(token), Some(meta_app)) = (held, token, app.meta_app(&saga.row.app_id)) else {
        return Ok(Ok(()));
    };
    Ok(match undo {
        // The subscription is the one that the older saga lives by.
        Undo::Unsubscribe if shared => Ok(()),
        Undo::Unsubscribe => {
            settled(meta_side::unsubscribe(&meta_app, &token, &saga.row.waba_meta_id).await)
        }
        Undo::Deregister => deregister_all(&meta_app, &token, &saga.registered()).await,
        Undo::ForgetToken | Undo::ReleaseWaba => Ok(()),
    })
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
) -> Result<Option<Saga>, Error> {
    app.store
        .write(acting, |tx: ScopedTx| async move {
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
                row.retry_at_us = None;
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
