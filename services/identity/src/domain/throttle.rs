//! How tries are counted (AUTH-6): each is charged before the password is looked at, so that many at
//! once cannot slip through together. A delay grows and never becomes a lock; what is refused is not
//! counted.
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

const MICROS: i64 = 1_000_000;

/// One bucket of tries. Times are microseconds of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    pub(crate) attempts: i32,
    pub(crate) started_us: i64,
    pub(crate) blocked_until_us: i64,
    pub(crate) updated_us: i64,
}

/// How a bucket fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// So many tries are free, then each waits twice as long as the one before.
    Delay { free: i32, longest: Duration, forget: Duration },
    /// So many tries in a span of time.
    Window { most: i32, span: Duration },
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Rule {
    /// The bucket after one more try, or how long to wait before it.
    pub(crate) fn charge(self, bucket: Bucket, now_us: i64) -> Result<Bucket, Duration> {
        match self {
            Self::Delay { free, longest, forget } => {
                if bucket.blocked_until_us > now_us {
                    return Err(wait(bucket.blocked_until_us - now_us));
                }
                let idle = now_us.saturating_sub(bucket.updated_us);
                let bucket = if idle > micros(forget) { fresh(now_us) } else { bucket };
                let attempts = bucket.attempts.saturating_add(1);
                let blocked_until_us = match u32::try_from(attempts - free) {
                    Err(_) => 0,
                    Ok(beyond) => {
                        let delay = MICROS.saturating_mul(1 << beyond.min(30));
                        now_us.saturating_add(delay.min(micros(longest)))
                    }
                };
                Ok(Bucket { attempts, blocked_until_us, updated_us: now_us, ..bucket })
            }
            Self::Window { most, span } => {
                let ends = bucket.started_us.saturating_add(micros(span));
                let bucket = if ends <= now_us { fresh(now_us) } else { bucket };
                if bucket.attempts >= most {
                    return Err(wait(ends - now_us));
                }
                let attempts = bucket.attempts + 1;
                Ok(Bucket { attempts, updated_us: now_us, ..bucket })
            }
        }
    }

    /// The bucket after a try that was right: a delay starts anew, a window gets its one back.
    pub(crate) fn succeed(self, bucket: Bucket, now_us: i64) -> Bucket {
        match self {
            Self::Delay { .. } => fresh(now_us),
            Self::Window { .. } => {
                Bucket { attempts: (bucket.attempts - 1).max(0), updated_us: now_us, ..bucket }
            }
        }
    }
}

const fn fresh(now_us: i64) -> Bucket {
    Bucket { attempts: 0, started_us: now_us, blocked_until_us: 0, updated_us: now_us }
}

/// Rounded up to whole seconds: nobody comes back a moment too early.
fn wait(micros: i64) -> Duration {
    Duration::from_secs(u64::try_from(micros.max(1)).unwrap_or(1).div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Rule =
        Rule::Delay { free: 5, longest: Duration::from_mins(15), forget: Duration::from_hours(1) };
    const WINDOW: Rule = Rule::Window { most: 3, span: Duration::from_mins(15) };

    #[test]
    fn five_tries_are_free_then_each_waits_twice_as_long() {
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            bucket = DELAY.charge(bucket, 0).unwrap();
        }
        let (mut now, mut waited) = (0, Vec::new());
        for _ in 0..12 {
            let Err(pause) = DELAY.charge(bucket, now) else { panic!("no wait at {now}") };
            waited.push(pause.as_secs());
            now += i64::try_from(pause.as_micros()).unwrap();
            bucket = DELAY.charge(bucket, now).unwrap();
        }
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let bucket = Bucket { attempts: 6, blocked_until_us: 5 * MICROS, ..Bucket::default() };
        assert_eq!(DELAY.charge(bucket, 4 * MICROS), Err(Duration::from_secs(1)));
        assert_eq!(DELAY.charge(bucket, 5 * MICROS).unwrap().attempts, 7);
    }

    #[test]
    fn an_hour_of_peace_forgets() {
        let bucket = Bucket { attempts: 40, blocked_until_us: 10, ..Bucket::default() };
        assert_eq!(DELAY.charge(bucket, 3_601 * MICROS).unwrap().attempts, 1);
    }

    #[test]
    fn a_right_password_starts_anew() {
        let bucket = Bucket { attempts: 40, blocked_until_us: 99, ..Bucket::default() };
        let after = DELAY.succeed(bucket, 100);
        assert_eq!((after.attempts, after.blocked_until_us), (0, 0));
    }

    #[test]
    fn a_window_holds_so_many_and_opens_again() {
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            bucket = WINDOW.charge(bucket, MICROS).unwrap();
        }
        assert_eq!(WINDOW.charge(bucket, MICROS), Err(Duration::from_secs(899)));
        assert_eq!(WINDOW.charge(WINDOW.succeed(bucket, MICROS), MICROS).unwrap().attempts, 3);
        assert_eq!(WINDOW.charge(bucket, 900 * MICROS).unwrap().attempts, 1);
    }
}
