//! How fast a number may send, and how often to one person.
//!
//! A number: a sliding window of a second, exact, so that no second ever holds more than the limit.
//! Where Meta still says "too fast" (130429: inbound messages count too), the rate halves and comes
//! back by a tenth of the limit a second. A pair: one message each six seconds, with 45 borrowed from
//! the future; where Meta says no (131056) the pair is parked for 4^n seconds. Time is monotonic and
//! passed in.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// A little more than the second that Meta counts by, for what the network shortens on the way.
const SECOND: Duration = Duration::from_millis(1_005);

/// The rate of one number.
#[derive(Debug)]
pub(crate) struct Throughput {
    limit: u32,
    /// Instant and rate of the last slowing down.
    slowed: Option<(Duration, f64)>,
    sent: VecDeque<Duration>,
}

impl Throughput {
    /// At most `limit` a second.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit: limit.max(1), slowed: None, sent: VecDeque::new() }
    }

    /// Meta changed the number's limit.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit.max(1);
    }

    /// How many may go now.
    pub(crate) fn room(&mut self, now: Duration) -> u32 {
        while self.sent.front().is_some_and(|first| *first + SECOND <= now) {
            self.sent.pop_front();
        }
        let used = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        self.rate(now).saturating_sub(used)
    }

    /// When there is room again, if there is none.
    pub(crate) fn next_room(&mut self, now: Duration) -> Option<Duration> {
        (self.room(now) == 0).then(|| {
            let used = self.sent.len();
            let rate = usize::try_from(self.rate(now)).unwrap_or(usize::MAX);
            let at = self.sent.get(used.saturating_sub(rate)).copied().unwrap_or(now);
            at + SECOND
        })
    }

    /// One went, or will now.
    pub(crate) fn record(&mut self, at: Duration) {
        self.sent.push_back(at);
    }

    /// Meta said that it was too fast.
    pub(crate) fn slow_down(&mut self, now: Duration) {
        let halved = (f64::from(self.rate(now)) / 2.0).max(1.0);
        self.slowed = Some((now, halved));
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate lies between 1 and the limit, which is a u32"
    )]
    fn rate(&self, now: Duration) -> u32 {
        let full = f64::from(self.limit);
        let rate = self.slowed.map_or(full, |(since, rate)| {
            rate + full * 0.1 * now.saturating_sub(since).as_secs_f64()
        });
        rate.min(full).max(1.0) as u32
    }
}

/// Tokens that a pair starts with.
const BURST: f64 = 45.0;
/// Seconds to one more token.
const REFILL_S: f64 = 6.0;
/// The exponent of the longest park, 4^5 s.
const LONGEST_PARK: u32 = 5;

#[derive(Debug, Clone, Copy)]
struct Pair {
    tokens: f64,
    at: Duration,
    parked_until: Duration,
    strikes: u32,
}

impl Pair {
    fn tokens(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        (self.tokens + passed / REFILL_S).min(BURST)
    }

    fn is_fresh(&self, now: Duration) -> bool {
        self.tokens(now) >= BURST && self.parked_until <= now
    }
}

/// The pairs of one number that were written to lately; a fresh pair costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pairs: HashMap<String, Pair>,
    swept: Duration,
}

impl Pairs {
    /// How long the next message to `counterpart` must wait; zero when it may go now.
    pub(crate) fn wait(&self, counterpart: &str, now: Duration) -> Duration {
        let Some(pair) = self.pairs.get(counterpart) else { return Duration::ZERO };
        let parked = pair.parked_until.saturating_sub(now);
        let missing = (1.0 - pair.tokens(now)).max(0.0);
        parked.max(Duration::from_secs_f64(missing * REFILL_S))
    }

    /// One went to `counterpart`, or will now.
    pub(crate) fn record(&mut self, counterpart: &str, at: Duration) {
        let pair = self.entry(counterpart, at);
        pair.tokens = (pair.tokens(at) - 1.0).max(0.0);
        pair.at = at;
        self.sweep(at);
    }

    /// Meta said that it was too much for this pair: parks it, and says for how long.
    pub(crate) fn park(&mut self, counterpart: &str, now: Duration) -> Duration {
        let pair = self.entry(counterpart, now);
        let park = Duration::from_secs(4_u64.pow(pair.strikes.min(LONGEST_PARK)));
        pair.strikes = pair.strikes.saturating_add(1).min(LONGEST_PARK);
        pair.parked_until = now + park;
        park
    }

    /// Meta took one for this pair: the next park starts short again.
    pub(crate) fn went_through(&mut self, counterpart: &str) {
        if let Some(pair) = self.pairs.get_mut(counterpart) {
            pair.strikes = 0;
        }
    }

    fn entry(&mut self, counterpart: &str, now: Duration) -> &mut Pair {
        self.pairs.entry(counterpart.to_owned()).or_insert(Pair {
            tokens: BURST,
            at: now,
            parked_until: Duration::ZERO,
            strikes: 0,
        })
    }

    /// Forgets pairs that are as good as new, once in a few seconds.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) >= Duration::from_secs(5) {
            self.swept = now;
            self.pairs.retain(|_, pair| !pair.is_fresh(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_full_second_waits_for_its_first_to_leave_it() {
        let mut number = Throughput::new(2);
        number.record(ms(0));
        number.record(ms(400));
        assert_eq!(number.room(ms(900)), 0);
        assert_eq!(number.next_room(ms(900)), Some(ms(1_005)));
        assert_eq!(number.room(ms(1_005)), 1);
    }

    #[test]
    fn too_fast_halves_the_rate_and_it_comes_back() {
        let mut number = Throughput::new(80);
        number.slow_down(ms(0));
        assert_eq!(number.room(ms(0)), 40);
        assert_eq!(number.room(ms(2_000)), 56);
        assert_eq!(number.room(ms(60_000)), 80);
    }

    #[test]
    fn a_pair_borrows_45_and_then_waits_six_seconds_each() {
        let mut pairs = Pairs::default();
        for _ in 0..45 {
            assert_eq!(pairs.wait("a", ms(0)), Duration::ZERO);
            pairs.record("a", ms(0));
        }
        assert_eq!(pairs.wait("a", ms(0)), Duration::from_secs(6));
        assert_eq!(pairs.wait("a", ms(6_000)), Duration::ZERO);
        assert_eq!(pairs.wait("b", ms(0)), Duration::ZERO);
    }

    #[test]
    fn a_parked_pair_waits_four_times_longer_each_time_and_others_go_on() {
        let mut pairs = Pairs::default();
        let parks: Vec<u64> = (0..7).map(|_| pairs.park("a", ms(0)).as_secs()).collect();
        assert_eq!(parks, [1, 4, 16, 64, 256, 1_024, 1_024]);
        assert_eq!(pairs.wait("b", ms(0)), Duration::ZERO);
        pairs.went_through("a");
        assert_eq!(pairs.park("a", ms(0)).as_secs(), 1);
    }

    #[test]
    fn old_pairs_are_forgotten() {
        let mut pairs = Pairs::default();
        for n in 0..1_000 {
            pairs.record(&n.to_string(), ms(0));
        }
        pairs.record("last", Duration::from_mins(1));
        assert_eq!(pairs.pairs.len(), 1);
    }

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_limit(
            limit in 1_u32..40,
            gaps in prop::collection::vec(0_u64..60, 1..400),
        ) {
            let (mut number, mut now, mut sent) = (Throughput::new(limit), ms(0), Vec::new());
            for gap in gaps {
                now += ms(gap);
                if number.room(now) > 0 {
                    number.record(now);
                    sent.push(now);
                }
            }
            for from in &sent {
                let inside = sent.iter().filter(|at| **at >= *from && **at < *from + ms(1_000));
                prop_assert!(inside.count() <= limit as usize);
            }
        }

        #[test]
        fn no_pair_ever_gets_more_than_its_bucket(gaps in prop::collection::vec(0_u64..4_000, 1..300)) {
            let (mut pairs, mut now, mut sent) = (Pairs::default(), ms(0), 0_u32);
            for gap in gaps {
                now += ms(gap);
                if pairs.wait("a", now) == Duration::ZERO {
                    pairs.record("a", now);
                    sent += 1;
                }
                let most = BURST + now.as_secs_f64() / REFILL_S + 1e-6;
                prop_assert!(f64::from(sent) <= most + 1.0);
            }
        }
    }
}
