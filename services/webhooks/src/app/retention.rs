//! Forgets in time: what was seen, what stayed in quarantine, and on SQLite the raw log (PostgreSQL drops its days by
//! partition). In batches, each a transaction (DATA-6): a process that dies in it goes on later.

use async_trait::async_trait;
use std::time::Duration;
use store::job::{Job, JobError, JobRun, JobSpec};
use store::{Shard, Uuid, purpose};

use super::App;
use crate::rows::{quarantine, raw, seen};

/// Rows of one transaction.
const BATCH: i64 = 1_000;

/// The job.
pub(crate) struct Retention(pub(crate) App);

#[async_trait]
impl Job for Retention {
    fn spec(&self) -> JobSpec {
        JobSpec::every("webhooks.retention", Duration::from_hours(1))
    }

    async fn run(&self, run: JobRun) -> Result<(), JobError> {
        while !run.stop.is_cancelled() && self.0.forget_some().await? > 0 {}
        Ok(())
    }
}

impl App {
    /// Removes a batch of each kind, and answers how many rows that were.
    pub(crate) async fn forget_some(&self) -> Result<u64, store::Error> {
        let now = self.clock.now();
        let raw_before = first_of((now - self.config.raw_life()).as_millis());
        let seen_before = (now - self.config.seen_life()).as_micros();
        let quarantine_before = (now - self.config.quarantine_life()).as_micros();
        self.store
            .system(purpose::webhooks::RETENTION, Shard::ONLY, |tx| async move {
                let raw = raw::forget(&tx, raw_before, BATCH).await?;
                let seen = seen::forget(&tx, seen_before, BATCH).await?;
                Ok(raw + seen + quarantine::forget(&tx, quarantine_before, BATCH).await?)
            })
            .await
    }
}

/// The lowest id of a millisecond.
pub(crate) fn first_of(millis: i64) -> Uuid {
    Uuid::from_u128(u128::from(millis.max(0).unsigned_abs()) << 80)
}
