//! Background work as rows (DEL-11): what recurs, due by the business clock, one holder by lease.
//!
//! A runner claims what is due, keeps the claim alive while the job works, and writes down how it
//! ended: the next due instant, or the error and a later try. A process that dies leaves its claim
//! to the database's clock and the job is done again, so jobs are idempotent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::clock::nap;
use kernel::ids::random_token;
use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{Bind, own, read};
use crate::store::Store;

/// Jobs that one process runs at once.
const AT_ONCE: usize = 4;
/// How long a claim lasts without being renewed.
const CLAIM: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// How long running jobs may take to end at drain.
const DRAIN: Duration = Duration::from_secs(20);

/// Why a job failed; its words are kept in the row and shown to operators.
pub type JobError = Box<dyn std::error::Error + Send + Sync>;

/// What a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Its name: `analytics.nightly_comparison`.
    pub name: &'static str,
    /// It runs again and again, this long after each success.
    pub period: Duration,
}

impl JobSpec {
    /// A job that runs every so often.
    pub const fn every(name: &'static str, period: Duration) -> Self {
        Self { name, period }
    }
}

/// One run of a job.
#[derive(Debug, Clone)]
pub struct JobRun {
    /// How often it failed since it last succeeded.
    pub attempts: i32,
    /// Cancelled when the process drains: end soon, in good order.
    pub stop: CancellationToken,
}

/// The body of a job; a service's `workers.rs` has them.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// What it is and when it runs.
    fn spec(&self) -> JobSpec;
    /// Does it. May run twice for one due instant, and may be dropped at any await.
    async fn run(&self, run: JobRun) -> Result<(), JobError>;
}

/// A job as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub key: String,
    /// When it runs next, in business time.
    pub due: Timestamp,
    /// Whether somebody runs it now.
    pub running: bool,
    /// Failures since the last success.
    pub attempts: i32,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// When it last succeeded, in business time.
    pub last_success: Option<Timestamp>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    name: String,
    key: String,
    every_us: i64,
    token: i64,
    attempts: i32,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// All jobs, soonest first.
pub async fn list(store: &Store) -> Result<Vec<JobRow>, Error> {
    #[derive(FromQueryResult)]
    struct Listed {
        name: String,
        key: String,
        due_us: i64,
        running: bool,
        attempts: i32,
        last_error: Option<String>,
        last_success_us: Option<i64>,
    }
    store
        .system_read(common::JOBS, Shard::ONLY, |tx| async move {
            let text = "SELECT name, key, due_us, lease_until_us > {db_now} AS running, attempts, \
                last_error, last_success_us FROM job ORDER BY due_us, name, key LIMIT 1000";
            let rows = tx.core.rows(own(&tx.core, text, Vec::new())?).await?;
            let row = |row: Listed| JobRow {
                name: row.name,
                key: row.key,
                due: Timestamp::from_micros(row.due_us),
                running: row.running,
                attempts: row.attempts,
                last_error: row.last_error,
                last_success: row.last_success_us.map(Timestamp::from_micros),
            };
            Ok(read::<Listed>(&rows)?.into_iter().map(row).collect())
        })
        .await
}

/// Runs the jobs of a service.
pub struct Runner {
    store: Store,
    jobs: HashMap<&'static str, Arc<dyn Job>>,
    owner: Arc<str>,
    claim: Duration,
}

impl Runner {
    /// A runner for these jobs.
    pub fn new(store: Store, jobs: Vec<Arc<dyn Job>>) -> Self {
        let owner = random_token(&*store.inner.ids, 12).into();
        let jobs = jobs.into_iter().map(|job| (job.spec().name, job)).collect();
        Self { store, jobs, owner, claim: CLAIM }
    }

    /// The same with another life of a claim.
    #[must_use]
    pub const fn with_claim(mut self, claim: Duration) -> Self {
        self.claim = claim;
        self
    }

    /// Runs what is due until told to stop, then lets running jobs end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let this = Arc::new(self);
        let mut running = JoinSet::new();
        let mut introduced = false;
        while !stop.is_cancelled() {
            let pause = match this.step(&mut running, &mut introduced, &stop).await {
                Ok(pause) => pause,
                Err(error) if error.is_transient() => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "jobs wait for the database");
                    FIRST_PAUSE
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = running.join_next(), if !running.is_empty() => log_panic(ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
        let all_ended = async {
            while let Some(ended) = running.join_next().await {
                log_panic(ended);
            }
        };
        if tokio::time::timeout(DRAIN, all_ended).await.is_err() {
            tracing::warn!("jobs did not end in time; their claims end by the database's clock");
        }
        Ok(())
    }

    /// Starts what is due; answers how long to wait for more.
    async fn step(
        self: &Arc<Self>,
        running: &mut JoinSet<()>,
        introduced: &mut bool,
        stop: &CancellationToken,
    ) -> Result<Duration, Error> {
        if !*introduced {
            self.introduce().await?;
            *introduced = true;
        }
        while let Some(ended) = running.try_join_next() {
            log_panic(ended);
        }
        let free = AT_ONCE.saturating_sub(running.len());
        let mut next = self.next_due().await?;
        if free > 0 && next.is_some_and(|due| due <= self.store.now()) {
            for row in self.claim(free).await? {
                running.spawn(Arc::clone(self).work(row, stop.clone()));
            }
            next = self.next_due().await?;
        }
        let pause = next.map_or(FIRST_PAUSE, |due| nap(due, self.store.now()));
        // What is due and not claimed is somebody else's, or waits for a slot.
        Ok(pause.clamp(Duration::from_millis(50), FIRST_PAUSE))
    }

    /// Writes the rows of the jobs, once.
    async fn introduce(&self) -> Result<(), Error> {
        let specs: Vec<JobSpec> = self.jobs.values().map(|job| job.spec()).collect();
        let specs = &specs;
        self.store
            .system(common::JOBS, Shard::ONLY, |tx| async move {
                for spec in specs {
                    let text = "INSERT INTO job (name, key, due_us, every_us) \
                        VALUES ({1}, '', {2}, {3}) \
                        ON CONFLICT (name, key) DO UPDATE SET every_us = excluded.every_us";
                    let now = tx.now().as_micros();
                    let binds = vec![spec.name.into(), now.into(), micros(spec.period).into()];
                    tx.core.execute(own(&tx.core, text, binds)?).await?;
                }
                Ok(())
            })
            .await
    }

    fn names(&self) -> Bind {
        Bind::list(self.jobs.keys().copied())
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Row>, Error> {
        let text = "UPDATE job SET owner = {1}, token = token + 1, \
            lease_until_us = {db_now} + {2} \
            WHERE (name, key) IN (SELECT name, key FROM job WHERE due_us <= {3} \
                AND lease_until_us < {db_now} AND name IN ({4}) \
                ORDER BY due_us LIMIT {5} {skip_locked}) \
            RETURNING name, key, every_us, token, attempts";
        let limit = i64::try_from(limit).unwrap_or(1);
        self.store
            .system(common::JOBS, Shard::ONLY, |tx| async move {
                let binds = vec![
                    (&*self.owner).into(),
                    micros(self.claim).into(),
                    tx.now().as_micros().into(),
                    self.names(),
                    limit.into(),
                ];
                read(&tx.core.rows(own(&tx.core, text, binds)?).await?)
            })
            .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        #[derive(FromQueryResult)]
        struct Next {
            due: Option<i64>,
        }
        self.store
            .system_read(common::JOBS, Shard::ONLY, |tx| async move {
                let text = "SELECT min(due_us) AS due FROM job WHERE name IN ({1}) \
                    AND lease_until_us < {db_now}";
                let rows = tx.core.rows(own(&tx.core, text, vec![self.names()])?).await?;
                let next = read::<Next>(&rows)?.into_iter().next();
                Ok(next.and_then(|next| next.due).map(Timestamp::from_micros))
            })
            .await
    }

    async fn work(self: Arc<Self>, row: Row, stop: CancellationToken) {
        let Some(job) = self.jobs.get(row.name.as_str()).map(Arc::clone) else { return };
        let run = JobRun { attempts: row.attempts, stop };
        // In a set of its own, so that a panic is a failure of the job and not of the runner.
        let mut body = JoinSet::new();
        body.spawn(async move { job.run(run).await });
        let result = tokio::select! {
            Some(ended) = body.join_next() => match ended {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(chain(&*error)),
                Err(_) => Err("the job panicked".to_owned()),
            },
            () = self.keep(&row) => {
                tracing::warn!(job = row.name, "a job's claim was lost; another process has it");
                return;
            }
        };
        if let Err(error) = &result {
            tracing::warn!(job = row.name, error, "a job failed and will be tried again");
        }
        if let Err(error) = self.settle(&row, result).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, job = row.name, "how a job ended could not be written");
        }
    }

    /// Renews the claim; returns when it is lost.
    async fn keep(&self, row: &Row) {
        loop {
            tokio::time::sleep(self.claim / 3).await;
            let text = "UPDATE job SET lease_until_us = {db_now} + {1} \
                WHERE name = {2} AND key = {3} AND token = {4}";
            let renewed = self
                .store
                .system(common::JOBS, Shard::ONLY, |tx| async move {
                    let binds = vec![
                        micros(self.claim).into(),
                        row.name.clone().into(),
                        row.key.clone().into(),
                        row.token.into(),
                    ];
                    tx.core.execute(own(&tx.core, text, binds)?).await
                })
                .await;
            if matches!(renewed, Ok(0)) {
                return;
            }
        }
    }

    async fn settle(&self, row: &Row, result: Result<(), String>) -> Result<(), Error> {
        let result = &result;
        self.store
            .system(common::JOBS, Shard::ONLY, |tx| async move {
                let now = tx.now();
                let held =
                    vec![Bind::from(row.name.clone()), row.key.clone().into(), row.token.into()];
                let (text, more): (_, Vec<Bind>) = match result {
                    Ok(()) => (
                        "UPDATE job SET due_us = {4}, lease_until_us = 0, owner = NULL, \
                            attempts = 0, last_error = NULL, last_success_us = {5} \
                            WHERE name = {1} AND key = {2} AND token = {3}",
                        vec![
                            now.as_micros().saturating_add(row.every_us).into(),
                            now.as_micros().into(),
                        ],
                    ),
                    Err(error) => (
                        "UPDATE job SET due_us = {4}, lease_until_us = 0, owner = NULL, \
                            attempts = attempts + 1, last_error = {5} \
                            WHERE name = {1} AND key = {2} AND token = {3}",
                        vec![
                            (now + pause_after(row.attempts)).as_micros().into(),
                            error.chars().take(2_000).collect::<String>().into(),
                        ],
                    ),
                };
                let binds = held.into_iter().chain(more).collect();
                tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
            })
            .await
    }
}

fn pause_after(attempts: i32) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(attempts).unwrap_or(0).min(20));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        let error: &dyn std::error::Error = &error;
        tracing::error!(error, "a job's task ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_pause_longer_up_to_an_hour() {
        assert_eq!(pause_after(0), Duration::from_secs(1));
        assert_eq!(pause_after(5), Duration::from_secs(32));
        assert_eq!(pause_after(40), LONGEST_PAUSE);
    }
}
