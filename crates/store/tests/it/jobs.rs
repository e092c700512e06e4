//! Jobs run when they are due, at one place, and again when they fail (DEL-11).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rstest::rstest;
use store::job::{Job, JobError, JobRun, JobSpec, Runner, list};
use store::{Backend, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{World, within};

struct Counting {
    period: Duration,
    runs: Arc<AtomicI64>,
    at_once: Arc<AtomicI64>,
    most: Arc<AtomicI64>,
    fail_first: i64,
}

impl Counting {
    fn new(period: Duration, fail_first: i64) -> Self {
        let zero = || Arc::new(AtomicI64::new(0));
        Self { period, runs: zero(), at_once: zero(), most: zero(), fail_first }
    }

    fn twin(&self) -> Arc<dyn Job> {
        Arc::new(Self {
            period: self.period,
            runs: Arc::clone(&self.runs),
            at_once: Arc::clone(&self.at_once),
            most: Arc::clone(&self.most),
            fail_first: self.fail_first,
        })
    }

    async fn ran(&self, times: i64) {
        within("runs of the job", async {
            while self.runs.load(Ordering::SeqCst) < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[async_trait]
impl Job for Counting {
    fn spec(&self) -> JobSpec {
        JobSpec::every("sample.count", self.period)
    }

    async fn run(&self, run: JobRun) -> Result<(), JobError> {
        let together = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(together, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let runs = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        if runs <= self.fail_first {
            return Err(format!("attempt {} failed", run.attempts).into());
        }
        Ok(())
    }
}

fn start(store: &Store, job: Arc<dyn Job>, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let (store, stop) = (store.clone(), stop.clone());
    tasks.spawn(async move { Runner::new(store, vec![job]).run(stop).await.unwrap() });
}

async fn settled(store: &Store, check: impl Fn(&store::job::JobRow) -> bool) {
    within("the job's row", async {
        loop {
            let rows = list(store).await.unwrap();
            if rows.first().is_some_and(&check) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_runners_run_a_due_job_once(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let job = Counting::new(Duration::from_mins(1), 0);
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    for _ in 0..4 {
        start(&world.store, job.twin(), &stop, &mut tasks);
    }
    job.ran(1).await;
    settled(&world.store, |row| row.last_success.is_some() && !row.running).await;
    assert_eq!(job.runs.load(Ordering::SeqCst), 1);
    world.clock.advance(Duration::from_secs(61));
    job.ran(2).await;
    settled(&world.store, |row| row.due > world.store.now()).await;
    stop.cancel();
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(job.runs.load(Ordering::SeqCst), 2);
    assert_eq!(job.most.load(Ordering::SeqCst), 1);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_written_down_and_tried_later(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let job = Counting::new(Duration::from_hours(1), 1);
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    start(&world.store, job.twin(), &stop, &mut tasks);
    settled(&world.store, |row| row.attempts == 1).await;
    let row = list(&world.store).await.unwrap().remove(0);
    assert_eq!(row.last_error.as_deref(), Some("attempt 0 failed"));
    world.clock.advance(Duration::from_secs(2));
    settled(&world.store, |row| row.attempts == 0 && row.last_error.is_none()).await;
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    assert_eq!(job.runs.load(Ordering::SeqCst), 2);
}
