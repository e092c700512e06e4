//! The job that removes rows of the machinery once nothing can ask for them any more.
//!
//! Inbox rows outlive whatever the broker or an outbox could still deliver; they are judged by the
//! database's clock, so that a business clock that jumps ahead opens no event to a second effect.
//! Idempotency keys are kept for as long as callers were promised, in business time. Rows go in
//! batches; a process that dies has removed some of them.

use std::time::Duration;

use async_trait::async_trait;

use crate::config::Shard;
use crate::error::Error;
use crate::job::{Job, JobError, JobRun, JobSpec};
use crate::purpose::common;
use crate::raw::{Bind, own};
use crate::store::Store;

/// Longer than any redelivery: broker and outbox together keep an event for at most 14 days.
const INBOX: Duration = Duration::from_hours(15 * 24);
/// How long a key answers as its first request did.
const KEYS: Duration = Duration::from_hours(7 * 24);
const BATCH: i64 = 1_000;

/// Removes old rows of inbox, poison and idempotency.
pub struct HousekeepingJob {
    store: Store,
    keys: Duration,
}

impl HousekeepingJob {
    /// With the usual times.
    pub const fn new(store: Store) -> Self {
        Self { store, keys: KEYS }
    }

    /// With another time for idempotency keys.
    #[must_use]
    pub const fn keeping_keys(mut self, keys: Duration) -> Self {
        self.keys = keys;
        self
    }

    async fn clear(&self, text: &'static str, age: Bind, stop: &JobRun) -> Result<(), Error> {
        let age = &age;
        loop {
            let removed = self
                .store
                .system(common::HOUSEKEEPING, Shard::ONLY, |tx| async move {
                    let binds = vec![age.clone(), BATCH.into()];
                    tx.core.execute(own(&tx.core, text, binds)?).await
                })
                .await?;
            if removed < BATCH.unsigned_abs() || stop.stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Job for HousekeepingJob {
    fn spec(&self) -> JobSpec {
        JobSpec::every("store.housekeeping", Duration::from_hours(1))
    }

    async fn run(&self, run: JobRun) -> Result<(), JobError> {
        let text = "DELETE FROM inbox WHERE (consumer, event_id) IN \
            (SELECT consumer, event_id FROM inbox WHERE handled_us < {db_now} - {1} LIMIT {2})";
        self.clear(text, micros(INBOX).into(), &run).await?;
        let text = "DELETE FROM poison WHERE (consumer, event_id) IN \
            (SELECT consumer, event_id FROM poison WHERE updated_us < {db_now} - {1} LIMIT {2})";
        self.clear(text, micros(INBOX).into(), &run).await?;
        let text = "DELETE FROM idempotency WHERE (tenant_id, environment, operation, key) IN \
            (SELECT tenant_id, environment, operation, key FROM idempotency \
                WHERE created_us < {1} LIMIT {2})";
        let before = self.store.now() - self.keys;
        self.clear(text, before.as_micros().into(), &run).await?;
        Ok(())
    }
}
