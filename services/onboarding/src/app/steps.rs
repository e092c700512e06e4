//! The steps, each from its read to its outcome. All of them may run twice: they adopt what is there.

use std::time::Duration;

use auth::Acting;
use graph::GraphApp;
use kernel::secret::MetaToken;
use store::{Error, ScopedTx};

use super::{
    App, accounts,
    meta_side::{self, Fault},
    numbers,
    settle::{self, Outcome, Trouble},
    vault,
};
use crate::{
    domain::{proof, step::Step},
    rows::{
        credential, imported, invitation,
        saga::{self, Saga},
        waba,
    },
};

const GONE: &str = "the token is gone from the vault; invite the business again";
const NO_APP: &str = "the Meta app of the invitation is not configured any more";
const USED: &str = "another try on the same invitation came further; cancel this one";
/// A code lives for 30 seconds; after this many microseconds nobody can be exchanging it any more.
const CODE_IS_DEAD_US: i64 = 60_000_000;

/// Takes the step that a saga stands at. `None` when somebody else moved it meanwhile.
pub(crate) async fn take(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    step: Step,
) -> Result<Option<Saga>, Error> {
    let outcome = match step {
        Step::Invited | Step::CodeReceived => Outcome::Done(String::new()),
        // The exchange happens inside the callback. A saga that a worker finds here lost its code with a process.
        Step::TokenExchanged => lost_code(app, saga),
        Step::AssetsDiscovered => return discover(app, acting, saga).await,
        Step::WabaClaimed => return accounts::claim(app, acting, saga).await,
        Step::WebhooksSubscribed => return subscribe(app, acting, saga).await,
        Step::PaymentSettled => Outcome::Done(
            "Tech Provider: the business adds its own payment method in WhatsApp Manager"
                .to_owned(),
        ),
        Step::NumberRegistered => numbers::register(app, acting, saga).await?,
        Step::AssetsImported => return import(app, acting, saga).await,
        Step::VerificationFollowed => verification(app, acting, saga).await?,
        Step::Live => return live(app, acting, saga).await,
    };
    settle::end(app, acting, saga.row.id, step, &outcome).await
}

/// What a step needs to call Meta for a saga, or how the step ends without it.
pub(crate) async fn door(
    app: &App,
    acting: &Acting,
    saga: &Saga,
) -> Result<Result<(GraphApp, MetaToken), Outcome>, Error> {
    let Some(token) = vault::token_of_saga(app, acting, saga.row.id).await? else {
        return Ok(Err(Outcome::Reconnect(Trouble::ours(GONE))));
    };
    let Some(meta_app) = app.meta_app(&saga.row.app_id) else {
        return Ok(Err(Outcome::Person(Trouble::ours(NO_APP))));
    };
    Ok(Ok((meta_app, token)))
}

/// A code is never tried twice: within its life the callback may still be at it.
fn lost_code(app: &App, saga: &Saga) -> Outcome {
    if app.clock.now().as_micros() - saga.row.created_us < CODE_IS_DEAD_US {
        return Outcome::Wait(Duration::from_secs(5), "the code is being exchanged".to_owned());
    }
    Outcome::Reconnect(Trouble::ours(
        "the code's outcome is not known and it is never tried twice; the business opens the dialog again",
    ))
}

/// Asks the token itself and Meta what was granted. The invitation is used up by the try that proves something, so that
/// one which proved nothing can be followed by another.
async fn discover(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Saga>, Error> {
    let (id, step) = (saga.row.id, Step::AssetsDiscovered);
    let found = match door(app, acting, saga).await? {
        Ok((meta_app, token)) => proven(&meta_app, saga, &token).await,
        Err(outcome) => Err(outcome),
    };
    let (waba, numbers) = match found {
        Ok(found) => found,
        Err(outcome) => return settle::end(app, acting, id, step, &outcome).await,
    };
    let (waba, numbers) = (&waba, &numbers);
    settle::end_with(app, acting, id, step, |tx: ScopedTx, mut saga| async move {
        if !invitation::mark_used(&tx, saga.row.invitation_id).await? {
            return Ok((saga, Outcome::Person(Trouble::ours(USED))));
        }
        saga.row.waba_meta_id.clone_from(waba);
        saga.row.numbers = numbers.join(",");
        Ok((saga, Outcome::Done(String::new())))
    })
    .await
}

/// The WABA that the token proves, and its numbers.
async fn proven(
    meta_app: &GraphApp,
    saga: &Saga,
    token: &MetaToken,
) -> Result<(String, Vec<String>), Outcome> {
    let facts = meta_side::token_facts(meta_app, token).await.map_err(Fault::outcome)?;
    let unproven = |why: proof::Unproven| Outcome::Person(Trouble::ours(why.to_string()));
    let waba =
        proof::candidate(&facts, meta_app.id().as_str(), &saga.row.waba_hint).map_err(unproven)?;
    // The read with the just exchanged token is the proof, never the BSP's own system token.
    let numbers =
        meta_side::numbers(meta_app, token, &waba).await.map_err(|fault| match fault {
            Fault::Absent(_) => unproven(proof::Unproven::Unreadable),
            other => other.outcome(),
        })?;
    let listed: Vec<String> = numbers.into_iter().map(|number| number.id).collect();
    proof::number(&listed, &saga.row.number_hint).map_err(unproven)?;
    Ok((waba, listed))
}

/// Subscribes our app. The WABA's generation rises with it, so that webhooks-in tells of the next delivery: one that
/// came before the subscription proves nothing of it.
async fn subscribe(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Saga>, Error> {
    let (id, step) = (saga.row.id, Step::WebhooksSubscribed);
    let subscribed = match door(app, acting, saga).await? {
        Ok((meta_app, token)) => meta_side::subscribe(&meta_app, &token, &saga.row.waba_meta_id)
            .await
            .map_err(Fault::outcome),
        Err(outcome) => Err(outcome),
    };
    if let Err(outcome) = subscribed {
        return settle::end(app, acting, id, step, &outcome).await;
    }
    settle::end_with(app, acting, id, step, |tx: ScopedTx, saga| async move {
        if let Some(before) = waba::lock_held_by(&tx, &saga).await? {
            let credential_generation = before.credential_generation + 1;
            let after = waba::Model { credential_generation, ..before.clone() };
            waba::save(&tx, &before, after).await?;
        }
        Ok((saga, Outcome::Done(String::new())))
    })
    .await
}

/// Live = registered, and the subscription read back. It replaces every earlier onboarding of the same WABA.
async fn live(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Saga>, Error> {
    let (id, step) = (saga.row.id, Step::Live);
    let outcome = match door(app, acting, saga).await? {
        Ok((meta_app, token)) => read_back(&meta_app, saga, &token).await,
        Err(outcome) => outcome,
    };
    let outcome = &outcome;
    settle::end_with(app, acting, id, step, |tx: ScopedTx, saga| async move {
        if matches!(outcome, Outcome::Done(_))
            && let Some(before) = waba::lock_held_by(&tx, &saga).await?
        {
            let after = waba::Model { live_us: tx.now().as_micros(), ..before.clone() };
            waba::save(&tx, &before, after).await?;
            saga::replace_others(&tx, &saga, before.waba_id).await?;
            credential::forget_others(&tx, saga.row.id, before.waba_id).await?;
        }
        Ok((saga, outcome.clone()))
    })
    .await
}

async fn read_back(meta_app: &GraphApp, saga: &Saga, token: &MetaToken) -> Outcome {
    let waba = &saga.row.waba_meta_id;
    let again = |text: &str| Outcome::Again(Trouble::ours(text), Duration::ZERO);
    match meta_side::is_subscribed(meta_app, token, waba).await {
        Ok(true) => Outcome::Done(String::new()),
        // Somebody took it away since: put it back, and believe it when it is read.
        Ok(false) => match meta_side::subscribe(meta_app, token, waba).await {
            Ok(()) => again("Meta did not list our subscription; it was made again"),
            Err(fault) => fault.outcome(),
        },
        Err(fault) => fault.outcome(),
    }
}

/// Assets imports numbers and templates once it hears of the claim; the step is done when its numbers have come. They are
/// counted under the saga's lock, so the event that brings the last of them is either seen here or makes the saga due
/// after it; the pauses are for an event that is lost.
async fn import(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Saga>, Error> {
    let (id, step) = (saga.row.id, Step::AssetsImported);
    settle::end_with(app, acting, id, step, |tx: ScopedTx, saga| async move {
        let waba_id = saga.row.waba_id.unwrap_or_default();
        let found = imported::count(&tx, waba_id, &saga.numbers()).await?;
        let outcome = imported_so_far(&saga, found, tx.now().as_micros());
        Ok((saga, outcome))
    })
    .await
}

fn imported_so_far(saga: &Saga, found: u64, now_us: i64) -> Outcome {
    const LONGEST_US: i64 = 900_000_000;
    let wanted = saga.numbers().len();
    if found >= u64::try_from(wanted).unwrap_or(u64::MAX) {
        return Outcome::Done(format!("{found} numbers"));
    }
    let note = format!("{found} of {wanted} numbers imported");
    let since_us = saga.step(Step::AssetsImported).and_then(|row| row.started_us).unwrap_or(now_us);
    match now_us.saturating_sub(since_us) {
        waited if waited > LONGEST_US => Outcome::Person(Trouble::ours(format!(
            "{note} after 15 minutes; look at the assets service, then try again or skip"
        ))),
        waited if waited > 10_000_000 => Outcome::Wait(Duration::from_secs(5), note),
        _ => Outcome::Wait(Duration::from_millis(500), note),
    }
}

/// The business's verification is followed from now on: what Meta said at the claim is shown, changes come by webhook.
async fn verification(app: &App, acting: &Acting, saga: &Saga) -> Result<Outcome, Error> {
    let row = app
        .store
        .read(acting, |tx: ScopedTx| async move { waba::held_by(&tx, saga).await })
        .await?;
    let status = row.map(|row| row.business_verification_status).unwrap_or_default();
    let note =
        if status.is_empty() { "Meta names no verification status".to_owned() } else { status };
    Ok(Outcome::Done(note))
}
