//! Rate limits of a number and of a pair. Both run on whichever clock went further, the machine's
//! or the business clock: a jump of the sandbox's time refills them, a stopped clock does not
//! freeze them.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::time::Instant;

/// An instant on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Both {
    pub(crate) machine: Instant,
    pub(crate) business_us: i64,
}

impl Both {
    fn since_us(self, earlier: Self) -> i64 {
        let machine = self.machine.saturating_duration_since(earlier.machine).as_micros();
        let machine = i64::try_from(machine).unwrap_or(i64::MAX);
        machine.max(self.business_us.saturating_sub(earlier.business_us))
    }
}

/// Most messages that a pair may have in a burst.
const PAIR_BURST: f64 = 45.0;
/// One message every six seconds refills the pair's bucket.
const PAIR_REFILL_US: f64 = 6_000_000.0;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Both,
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: HashMap<String, VecDeque<Both>>,
    pairs: HashMap<String, Bucket>,
    /// Customers that a portfolio reached outside a window, with the last time.
    reached: HashMap<String, HashMap<String, i64>>,
}

impl Limits {
    /// Whether the number may pass one more message in this second. Counts what passed.
    pub(crate) fn pass(&mut self, number: &str, mps: u32, now: Both) -> bool {
        let window = self.window(number, now);
        let free = window.len() < mps as usize;
        if free {
            window.push_back(now);
        }
        free
    }

    /// Counts an inbound message: it uses throughput too, but is never refused.
    pub(crate) fn count_inbound(&mut self, number: &str, now: Both) {
        self.window(number, now).push_back(now);
    }

    fn window(&mut self, number: &str, now: Both) -> &mut VecDeque<Both> {
        let window = self.windows.entry(number.to_owned()).or_default();
        while window.front().is_some_and(|first| now.since_us(*first) >= 1_000_000) {
            window.pop_front();
        }
        window
    }

    /// Takes one message of the pair's bucket, if there is one.
    #[expect(clippy::cast_precision_loss, reason = "microseconds since the pair's last message")]
    pub(crate) fn take_pair(&mut self, pair: &str, now: Both) -> bool {
        if self.pairs.len() > 200_000 {
            self.pairs.retain(|_, bucket| now.since_us(bucket.at) < 300_000_000);
        }
        let full = Bucket { tokens: PAIR_BURST, at: now };
        let bucket = self.pairs.entry(pair.to_owned()).or_insert(full);
        let refill = now.since_us(bucket.at) as f64 / PAIR_REFILL_US;
        bucket.tokens = (bucket.tokens + refill).min(PAIR_BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Whether the portfolio may reach this customer outside a window: it has reached fewer than
    /// `limit` others in the last 24 hours.
    pub(crate) fn reach(
        &mut self,
        business: &str,
        wa_id: &str,
        limit: Option<usize>,
        now_us: i64,
    ) -> bool {
        const DAY_US: i64 = 86_400_000_000;
        let Some(limit) = limit else { return true };
        let reached = self.reached.entry(business.to_owned()).or_default();
        reached.retain(|_, at| now_us.saturating_sub(*at) < DAY_US);
        let others: HashSet<&String> = reached.keys().filter(|other| *other != wa_id).collect();
        let free = others.len() < limit;
        if free {
            reached.insert(wa_id.to_owned(), now_us);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(business_us: i64) -> Both {
        Both { machine: Instant::now(), business_us }
    }

    #[test]
    fn a_number_passes_its_rate_and_is_free_again_a_second_later() {
        let mut limits = Limits::default();
        assert!((0..80).all(|_| limits.pass("n", 80, at(0))));
        assert!(!limits.pass("n", 80, at(0)));
        assert!(limits.pass("n", 80, at(1_000_000)));
    }

    #[test]
    fn a_pair_borrows_a_burst_and_then_gets_one_in_six_seconds() {
        let mut limits = Limits::default();
        assert!((0..45).all(|_| limits.take_pair("p", at(0))));
        assert!(!limits.take_pair("p", at(5_000_000)));
        assert!(limits.take_pair("p", at(6_500_000)));
        assert!(!limits.take_pair("p", at(6_600_000)));
    }

    #[test]
    fn a_portfolio_reaches_new_customers_up_to_its_limit_a_day() {
        let mut limits = Limits::default();
        assert!(limits.reach("b", "1", Some(1), 0));
        assert!(limits.reach("b", "1", Some(1), 1));
        assert!(!limits.reach("b", "2", Some(1), 2));
        assert!(limits.reach("b", "2", Some(1), 86_400_000_001));
    }
}
