//! When what failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(30);

/// The pause after so many failures in a row; `least` where Meta names one.
pub(crate) fn pause(failures: i64, least: Option<Duration>) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or(0);
    FIRST.saturating_mul(1 << doublings).min(LONGEST).max(least.unwrap_or_default())
}

/// An instant so much later, in microseconds.
pub(crate) fn later(now_us: i64, pause: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        assert_eq!(pause(0, None), Duration::from_millis(500));
        assert_eq!(pause(3, None), Duration::from_secs(4));
        assert_eq!(pause(60, None), LONGEST);
        assert_eq!(pause(0, Some(Duration::from_mins(10))), Duration::from_mins(10));
    }
}
