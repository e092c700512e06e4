//! Has numbers and templates read again once a day, a few WABAs at a time: what no webhook tells (a number's rating), and
//! what a webhook told that never came. Old requests are swept on the way.

use std::time::Duration;

use async_trait::async_trait;
use store::{
    Error, Shard, SystemTx,
    job::{Job, JobError, JobRun, JobSpec},
    purpose,
};

use super::App;
use crate::rows::{deed, import};

/// How long a request's outcome can be asked for by its key, and a day.
const KEPT: Duration = Duration::from_hours(8 * 24);

/// The job.
pub(crate) struct Refresh(pub(crate) App);

#[async_trait]
impl Job for Refresh {
    fn spec(&self) -> JobSpec {
        let every = Duration::from_secs(self.0.config.refresh_every_s.max(1));
        JobSpec::every("assets.refresh", every)
    }

    async fn run(&self, _: JobRun) -> Result<(), JobError> {
        let app = &self.0;
        let most = i64::from(app.config.refresh_at_once);
        let old = app.clock.now() - Duration::from_secs(app.config.refresh_after_s);
        let asked = app
            .store
            .system(purpose::assets::IMPORT, Shard::ONLY, |tx: SystemTx| async move {
                import::ask_oldest(&tx, old.as_micros(), most).await
            })
            .await
            .map_err(|error: Error| error)?;
        if asked > 0 {
            tracing::debug!(wabas = asked, "numbers and templates are read again");
            app.imports.notify_one();
        }
        let before_us = (app.wall.now() - KEPT).as_micros();
        app.store
            .system(purpose::assets::SETTLE, Shard::ONLY, |tx: SystemTx| async move {
                deed::sweep(&tx, before_us).await
            })
            .await
            .map_err(|error: Error| error)?;
        Ok(())
    }
}
