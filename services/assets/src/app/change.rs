//! Writing a change down: the row, its history and the event that tells of it, in one transaction.

use store::{Error, ScopedTx};

use crate::{
    domain::heard::Entry,
    events,
    rows::{history, number, template},
};

/// Saves a template that was locked, with what became of it. Answers it as it stands then.
pub(crate) async fn save_template(
    tx: &ScopedTx,
    before: &template::Model,
    mut after: template::Model,
    at_us: i64,
    entries: Vec<Entry>,
) -> Result<template::Model, Error> {
    if after.tells(before) {
        after.version = before.version + 1;
        after.updated_us = tx.now().as_micros();
        tx.publish(events::template_changed(tx, &after)).await?;
    }
    if after != *before {
        template::save(tx, before.version, &after).await?;
    }
    let rows = history::rows(tx, (after.waba_id, after.id), at_us, entries);
    history::insert(tx, rows).await?;
    Ok(after)
}

/// Saves a number that was locked, with what became of it. Answers it as it stands then.
pub(crate) async fn save_number(
    tx: &ScopedTx,
    before: &number::Model,
    mut after: number::Model,
    at_us: i64,
    entries: Vec<Entry>,
) -> Result<number::Model, Error> {
    if after.tells(before) {
        after.version = before.version + 1;
        tx.publish(events::number_changed(tx, &after)).await?;
    }
    if after != *before {
        number::save(tx, before.version, &after).await?;
    }
    let rows = history::rows(tx, (after.waba_id, after.id), at_us, entries);
    history::insert(tx, rows).await?;
    Ok(after)
}
