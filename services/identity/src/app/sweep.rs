//! Jobs: rows whose time is over go, and signing keys rotate. Both may run twice and lose nothing.

use std::time::Duration;

use async_trait::async_trait;
use store::job::{Job, JobError, JobRun, JobSpec};
use store::{Shard, purpose};

use super::App;
use crate::rows::{place_link, session, throttle, used_jti};

/// How long a session's row outlives its last possible token, for the log and for late questions.
const KEPT: Duration = Duration::from_hours(24);
/// Sessions of one unit.
const BATCH: u64 = 500;

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Removes what has expired.
pub(crate) struct Sweep(pub(crate) App);

#[async_trait]
impl Job for Sweep {
    fn spec(&self) -> JobSpec {
        JobSpec::every("identity.sweep", Duration::from_mins(10))
    }

    async fn run(&self, run: JobRun) -> Result<(), JobError> {
        let app = &self.0;
        let now_us = app.now().as_micros();
        let forget = Duration::from_secs(app.config.throttle.forget_seconds);
        let network = Duration::from_secs(app.config.throttle.network_span_seconds);
        let idle_us = now_us.saturating_sub(micros(forget.max(network)));
        app.store
            .system(purpose::identity::SWEEP, Shard::ONLY, |tx| async move {
                used_jti::sweep(&tx, now_us).await?;
                place_link::sweep(&tx, now_us).await?;
                throttle::sweep(&tx, idle_us).await
            })
            .await?;
        let old_us = now_us.saturating_sub(micros(KEPT));
        while !run.stop.is_cancelled() {
            let gone = app
                .store
                .system(purpose::identity::SWEEP, Shard::ONLY, |tx| async move {
                    session::sweep(&tx, old_us, BATCH).await
                })
                .await?;
            if gone < BATCH {
                break;
            }
        }
        Ok(())
    }
}

/// Rotates signing keys.
pub(crate) struct Rotate(pub(crate) App);

#[async_trait]
impl Job for Rotate {
    fn spec(&self) -> JobSpec {
        JobSpec::every("identity.rotate_signing_keys", Duration::from_hours(1))
    }

    async fn run(&self, _: JobRun) -> Result<(), JobError> {
        Ok(self.0.keyring.rotate().await?)
    }
}
