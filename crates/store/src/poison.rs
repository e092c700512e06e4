//! How often each event has failed its consumer (DEL-6).
//!
//! The row is written before the work of a redelivered event, so that one which kills the process
//! counts too.

use kernel::id::EventId;
use sea_orm::FromQueryResult;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{Bind, own, read};
use crate::store::Store;

/// Counts one more attempt and answers how many there are now; `None`, and nothing is counted, where the consumer is done
/// with the event: its effect or its dead letter is there, and only the acknowledgement was lost.
pub async fn count(store: &Store, consumer: &str, event: EventId) -> Result<Option<u32>, Error> {
    #[derive(FromQueryResult)]
    struct Row {
        attempts: i32,
    }
    let text = "INSERT INTO poison (consumer, event_id, attempts, updated_us) \
        SELECT {1}, {2}, 1, {db_now} WHERE NOT EXISTS \
        (SELECT 1 FROM inbox WHERE consumer = {1} AND event_id = {2}) ON CONFLICT (consumer, event_id) \
        DO UPDATE SET attempts = poison.attempts + 1, updated_us = excluded.updated_us \
        RETURNING attempts";
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let binds = vec![consumer.into(), event.uuid().into()];
            let rows = tx.core.rows(own(&tx.core, text, binds)?).await?;
            let attempts = read::<Row>(&rows)?.first().map(|row| row.attempts);
            Ok(attempts.map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX)))
        })
        .await
}

/// Forgets events that went through.
pub async fn clear(store: &Store, consumer: &str, events: &[EventId]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let text = "DELETE FROM poison WHERE consumer = {1} AND event_id IN ({2})";
    store
        .system(common::CONSUME, Shard::ONLY, |tx| async move {
            let binds = vec![consumer.into(), Bind::list(events.iter().map(EventId::uuid))];
            tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
        })
        .await
}
