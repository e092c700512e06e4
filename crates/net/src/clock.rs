//! The business clock where it follows the sandbox's: in `dev` and in tests.
//!
//! Promises: never goes back; jumps as soon as the sandbox's clock is moved (long poll); between answers it runs
//! by the machine's monotonic clock at the rate that was told. While the sandbox is away it runs on. Before the
//! first answer it stands still and the process is not ready.
//!
//! Leaves to the caller: to refuse this where an app is `live`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kernel::clock::Clock;
use kernel::time::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::health::Readiness;
use crate::http::{ClientConfig, client};

/// Name of the clock among the parts of a [`Readiness`].
pub const PART: &str = "clock";

/// Longer than the sandbox holds a poll open.
const POLL: Duration = Duration::from_secs(70);

const BACK_OFF: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// What the sandbox answers.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Told {
    version: u64,
    now_us: i64,
    rate: f64,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    version: u64,
    business: Timestamp,
    monotonic: Instant,
    rate: f64,
}

impl Anchor {
    fn now(&self) -> Timestamp {
        self.after(self.monotonic.elapsed())
    }

    fn after(&self, elapsed: Duration) -> Timestamp {
        self.business + elapsed.mul_f64(self.rate)
    }
}

/// A clock that follows another one over HTTP.
#[derive(Debug)]
pub struct FollowedClock {
    anchor: ArcSwapOption<Anchor>,
    latest: AtomicI64,
    tasks: TaskTracker,
}

impl FollowedClock {
    /// Follows the clock at `url` (`http://…/_sandbox/v1/clock`) until `stop`.
    pub fn follow(
        url: &str,
        readiness: Readiness,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let config = ClientConfig { total: POLL, ..ClientConfig::default() };
        let client = client(&config)?;
        readiness.waiting(PART, format!("the first answer of {url}"));
        let clock = Arc::new(Self {
            anchor: ArcSwapOption::empty(),
            latest: AtomicI64::new(0),
            tasks: TaskTracker::new(),
        });
        let (followed, url) = (Arc::clone(&clock), url.to_owned());
        clock.tasks.spawn(async move {
            stop.run_until_cancelled(followed.run(client, url, readiness)).await;
        });
        clock.tasks.close();
        Ok(clock)
    }

    /// The version of the sandbox's clock that this process has seen; 0 before the first answer.
    pub fn version(&self) -> u64 {
        self.anchor.load().as_ref().map_or(0, |anchor| anchor.version)
    }

    /// Returns once following has ended.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }

    async fn run(self: Arc<Self>, client: reqwest::Client, url: String, readiness: Readiness) {
        let mut failures = 0_usize;
        loop {
            match self.ask(&client, &url).await {
                Ok(told) => {
                    failures = 0;
                    self.set(told);
                    readiness.ready(PART);
                }
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the followed clock did not answer"
                    );
                    let wait = BACK_OFF.get(failures).or(BACK_OFF.last()).copied();
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(wait.unwrap_or_default()).await;
                }
            }
        }
    }

    async fn ask(&self, client: &reqwest::Client, url: &str) -> Result<Told, reqwest::Error> {
        // Without a version the answer comes at once; with one, when the clock was moved or the poll ends.
        let mut request = client.get(url);
        if let Some(anchor) = &*self.anchor.load() {
            request = request.query(&[("after", anchor.version)]);
        }
        request.send().await?.error_for_status()?.json().await
    }

    fn set(&self, told: Told) {
        let rate = if told.rate.is_finite() { told.rate.clamp(0.0, 1e6) } else { 1.0 };
        self.anchor.store(Some(Arc::new(Anchor {
            version: told.version,
            business: Timestamp::from_micros(told.now_us),
            monotonic: Instant::now(),
            rate,
        })));
    }
}

impl Clock for FollowedClock {
    fn now(&self) -> Timestamp {
        let now = self.anchor.load().as_ref().map_or(Timestamp::EPOCH, |anchor| anchor.now());
        let before = self.latest.fetch_max(now.as_micros(), Ordering::AcqRel);
        Timestamp::from_micros(before.max(now.as_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> FollowedClock {
        FollowedClock {
            anchor: ArcSwapOption::empty(),
            latest: AtomicI64::new(0),
            tasks: TaskTracker::new(),
        }
    }

    #[test]
    fn runs_at_the_rate_that_was_told() {
        let clock = clock();
        clock.set(Told { version: 1, now_us: 1_000_000, rate: 60.0 });
        let anchor = clock.anchor.load_full().unwrap();
        assert_eq!(anchor.after(Duration::from_secs(2)), Timestamp::from_seconds(121));
    }

    #[test]
    fn jumps_ahead_and_never_back() {
        let clock = clock();
        clock.set(Told { version: 1, now_us: 1_000_000, rate: 0.0 });
        clock.set(Told { version: 2, now_us: 90_000_000, rate: 0.0 });
        assert_eq!(clock.now(), Timestamp::from_seconds(90));
        clock.set(Told { version: 3, now_us: 10_000_000, rate: 0.0 });
        assert_eq!(clock.now(), Timestamp::from_seconds(90));
        assert_eq!(clock.version(), 3);
    }
}
