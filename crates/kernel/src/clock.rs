//! The two clocks. [`Clock`] is the business clock: windows, schedules, retention, statements; in
//! development and in tests it follows the sandbox and may jump ahead. [`WallClock`] is the
//! machine's: tokens, sessions, audit, page cursors. They are two traits so that a function says
//! which one it means and a jump of Meta's time expires no token (AUTH-13).
//!
//! Leases use the database's clock and durations the monotonic one; neither is here.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The longest a loop sleeps towards a business instant, so that a jump of the clock is felt.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Business time.
pub trait Clock: Send + Sync + Debug {
    /// The present instant; never earlier than one that was answered before.
    fn now(&self) -> Timestamp;
}

/// Machine time.
pub trait WallClock: Send + Sync + Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, lawful as both: in production business time is real time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

fn machine_time() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(Timestamp::EPOCH, |passed| Timestamp::EPOCH + passed)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        machine_time()
    }
}

impl WallClock for SystemClock {
    fn now(&self) -> Timestamp {
        machine_time()
    }
}

/// A clock that stands still until it is told otherwise; for tests, as either clock.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub const fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_micros()))
    }

    /// What it shows.
    pub fn read(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Shows `at` from now on, also where that is earlier.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }

    /// Moves ahead by `by`.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let moved = |at: i64| Some(at.saturating_add(micros));
        // Never refused, since the closure always answers.
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, moved).ok();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.read()
    }
}

impl WallClock for ManualClock {
    fn now(&self) -> Timestamp {
        self.read()
    }
}

/// How long a loop whose next work is due at `due` may sleep: until then, at most a second of real
/// time, and not at all when it is due.
pub fn nap(due: Timestamp, now: Timestamp) -> Duration {
    due.since(now).min(LONGEST_NAP)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::past(10, 11, 0)]
    #[case::now(10, 10, 0)]
    #[case::soon(10, 9, 1)]
    #[case::half(10_500_000, 10_000_000, 500_000)]
    #[case::far(i64::MAX, 0, 1_000_000)]
    #[case::from_before_time(i64::MAX, i64::MIN, 1_000_000)]
    fn a_nap_ends_when_due_and_after_a_second(
        #[case] due: i64,
        #[case] now: i64,
        #[case] micros: u64,
    ) {
        let nap = nap(Timestamp::from_micros(due), Timestamp::from_micros(now));
        assert_eq!(nap, Duration::from_micros(micros));
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Timestamp::from_seconds(100));
        assert_eq!(Clock::now(&clock), Timestamp::from_seconds(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(WallClock::now(&clock), Timestamp::from_seconds(105));
        clock.set(Timestamp::from_seconds(1));
        assert_eq!(clock.read(), Timestamp::from_seconds(1));
    }

    #[test]
    fn the_system_clock_is_past_2026() {
        assert!(Clock::now(&SystemClock) > Timestamp::from_seconds(1_767_225_600));
    }
}
