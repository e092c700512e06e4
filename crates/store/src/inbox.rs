//! Which events a consumer has handled (DEL-4).
//!
//! The row goes in first in the transaction of the effect: effect and record are committed together
//! or not at all, so a redelivery after a crash finds either both or neither. The role of a tenant's
//! unit may insert here and not read, so what was there before shows in the count of rows alone.

use std::collections::BTreeSet;

use kernel::id::EventId;
use sea_orm::StatementBuilder;
use sea_orm::sea_query::{Alias, Expr, OnConflict, Query};

use crate::error::Error;
use crate::raw::db_now;
use crate::tx::TxCore;

pub(crate) async fn first_time(
    core: &TxCore,
    consumer: &str,
    events: &[EventId],
) -> Result<Vec<bool>, Error> {
    // The same event twice in one batch is handled once.
    let distinct: BTreeSet<EventId> = events.iter().copied().collect();
    let mut fresh = BTreeSet::new();
    let all: Vec<EventId> = distinct.into_iter().collect();
    for batch in all.chunks(500) {
        let at_once = batch.len() > 1 && insert_all_new(core, consumer, batch).await?;
        if at_once {
            fresh.extend(batch.iter().copied());
            continue;
        }
        for event in batch {
            if insert(core, consumer, std::slice::from_ref(event)).await? == 1 {
                fresh.insert(*event);
            }
        }
    }
    Ok(events.iter().map(|event| fresh.remove(event)).collect())
}

/// One statement where all are new, which is nearly always; else nothing is left of it.
async fn insert_all_new(core: &TxCore, consumer: &str, events: &[EventId]) -> Result<bool, Error> {
    core.plain("SAVEPOINT inbox").await?;
    let new = insert(core, consumer, events).await?;
    let all_new = usize::try_from(new).unwrap_or(0) == events.len();
    if !all_new {
        core.plain("ROLLBACK TO SAVEPOINT inbox").await?;
    }
    core.plain("RELEASE SAVEPOINT inbox").await?;
    Ok(all_new)
}

pub(crate) async fn insert(
    core: &TxCore,
    consumer: &str,
    events: &[EventId],
) -> Result<u64, Error> {
    let mut insert = Query::insert();
    insert
        .into_table(Alias::new("inbox"))
        .columns(["consumer", "event_id", "handled_us"].map(Alias::new))
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    for event in events {
        let handled = Expr::cust(db_now(core.dialect()));
        insert
            .values([Expr::val(consumer), Expr::val(event.uuid()), handled])
            .map_err(|error| Error::internal(format!("build an insert: {error}")))?;
    }
    core.execute(StatementBuilder::build(&insert, &core.dialect())).await
}
