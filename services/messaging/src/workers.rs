//! The loops: the sweeper of deadlines and schedules, and the job of retention.

use std::time::Duration;

use async_trait::async_trait;
use store::job::{Job, JobError, JobRun, JobSpec};
use store::purpose::messaging::RETENTION;
use store::{Shard, Store};
use tokio_util::sync::CancellationToken;

use crate::app::sweep::{Swept, adopt_orphans, sweep};
use crate::config::Config;
use crate::error::Error;
use crate::rows::retention::{self, Side};

/// How many sweeps pass between two looks at statuses without a message.
const ORPHANS_EVERY: u32 = 20;

/// Sweeps until `stop`. Moves of the business clock are felt at the next sweep; a database that is away
/// is waited for.
pub(crate) async fn sweeper(
    store: Store,
    config: Config,
    stop: CancellationToken,
) -> Result<(), Error> {
    let pause = Duration::from_millis(config.sweep_ms);
    let mut round = 0_u32;
    while !stop.is_cancelled() {
        let swept = once(&store, &config, round.is_multiple_of(ORPHANS_EVERY)).await;
        round = round.wrapping_add(1);
        match swept {
            // There may be more: no pause.
            Ok(swept) if swept.overdue + swept.queued >= 500 => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "deadlines could not be looked at; trying again"
                );
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

async fn once(store: &Store, config: &Config, orphans: bool) -> Result<Swept, Error> {
    let swept = sweep(store).await?;
    if orphans {
        adopt_orphans(store, config).await?;
    }
    Ok(swept)
}

/// How often what is past its time is looked for.
const RETENTION_EVERY: Duration = Duration::from_hours(1);

/// Deletes from the side tables what belongs to messages that are gone. Batches of their own: it may die
/// between two of them, and goes on at its next run.
pub(crate) struct RetentionJob {
    store: Store,
    keep: Duration,
}

impl RetentionJob {
    /// A job that keeps rows for so long.
    pub(crate) const fn new(store: Store, keep: Duration) -> Self {
        Self { store, keep }
    }
}

#[async_trait]
impl Job for RetentionJob {
    fn spec(&self) -> JobSpec {
        JobSpec::every("messaging.retention", RETENTION_EVERY)
    }

    async fn run(&self, run: JobRun) -> Result<(), JobError> {
        let before = self.store.now() - self.keep;
        for side in Side::ALL {
            loop {
                let gone = self
                    .store
                    .system(RETENTION, Shard::ONLY, |tx| async move {
                        retention::delete(&tx, side, before).await
                    })
                    .await?;
                if gone < retention::BATCH || run.stop.is_cancelled() {
                    break;
                }
            }
        }
        Ok(())
    }
}
