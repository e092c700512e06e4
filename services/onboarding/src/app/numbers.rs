//! Registering the numbers of a WABA for the Cloud API, one a run of the step.
//!
//! Before Meta is asked, one transaction stores the number's PIN and writes the number down as registered by this saga.
//! A process that dies after the call finds the number connected and on its list, so an undo takes it back; after a clear
//! no it leaves the list again.

use std::time::Duration;

use auth::Acting;
use graph::GraphApp;
use kernel::secret::{ExposeSecret as _, MetaToken, SecretString};
use seal::Aad;
use store::{Error, ScopedTx};
use uuid::Uuid;

use super::{
    App,
    meta_side::{self, Fault},
    settle::Outcome,
    steps,
};
use crate::rows::{pin, saga, saga::Saga};

/// Registers the next number that is not connected yet; done when there is none.
pub(crate) async fn register(app: &App, acting: &Acting, saga: &Saga) -> Result<Outcome, Error> {
    let (meta_app, token) = match steps::door(app, acting, saga).await? {
        Ok(door) => door,
        Err(outcome) => return Ok(outcome),
    };
    let numbers = match meta_side::numbers(&meta_app, &token, &saga.row.waba_meta_id).await {
        Ok(numbers) => numbers,
        Err(fault) => return Ok(fault.outcome()),
    };
    let open: Vec<&str> = numbers
        .iter()
        .filter(|number| !number.is_connected())
        .map(|number| number.id.as_str())
        .collect();
    let Some(number) = open.first() else {
        return Ok(Outcome::Done(format!("{} numbers registered", numbers.len())));
    };
    match register_one(app, acting, saga, (&meta_app, &token), number).await? {
        Ok(()) => {
            let done = numbers.len() - open.len() + 1;
            let note = format!("{done} of {} numbers registered", numbers.len());
            Ok(Outcome::Wait(Duration::ZERO, note))
        }
        Err(fault) => Ok(fault.outcome()),
    }
}

async fn register_one(
    app: &App,
    acting: &Acting,
    saga: &Saga,
    (meta_app, token): (&GraphApp, &MetaToken),
    number: &str,
) -> Result<Result<(), Fault>, Error> {
    let pin = intend(app, acting, saga.row.id, number).await?;
    let registered = meta_side::register(meta_app, token, number, &pin).await;
    if registered.as_ref().is_err_and(Fault::is_clear) {
        let id = saga.row.id;
        app.store
            .write(acting, |tx: ScopedTx| async move {
                saga::note_registered(&tx, id, number, false).await
            })
            .await?;
    }
    Ok(registered)
}

/// Writes down that the number will be registered, and answers its PIN: the stored one, or a new one that is stored with
/// it. Another PIN than last time is the commonest failure of registering, so it is kept for ever.
async fn intend(
    app: &App,
    acting: &Acting,
    saga: Uuid,
    number: &str,
) -> Result<SecretString, Error> {
    let (tenant, row) = (acting.tenant().uuid(), app.ids.v7(app.clock.now()));
    let aad = |row: Uuid| Aad { tenant, table: "number_pin", column: "pin", row };
    let bad = |error: &dyn std::fmt::Display| Error::bad_row("number_pin", error.to_string());
    let mut random = [0_u8; 4];
    app.ids.fill(&mut random);
    let fresh = SecretString::from(format!("{:06}", u32::from_be_bytes(random) % 1_000_000));
    let sealed = app
        .sealer
        .seal(&aad(row), fresh.expose_secret().as_bytes())
        .await
        .map_err(|error| bad(&error))?;
    let sealed = &sealed;
    let stored = app
        .store
        .write(acting, |tx: ScopedTx| async move {
            saga::note_registered(&tx, saga, number, true).await?;
            pin::keep(&tx, row, number, sealed.clone()).await
        })
        .await?;
    let opened =
        app.sealer.open(&aad(stored.id), &stored.pin).await.map_err(|error| bad(&error))?;
    let text = std::str::from_utf8(&opened).map_err(|error| bad(&error))?;
    Ok(SecretString::from(text.to_owned()))
}
