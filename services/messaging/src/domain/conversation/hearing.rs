//! Since when we hear a number without a break. Webhooks come in any order, so both parts are merged by
//! minimum and maximum: the first one ever heard, and the last proof that some were held up.

use std::time::Duration;

use kernel::time::Timestamp;

/// A webhook that comes this much later than what it tells of proves that webhooks were held up.
const LATE: Duration = Duration::from_mins(10);

/// What we know of a number's webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hearing {
    /// Arrival of the first.
    pub(crate) first: Option<Timestamp>,
    /// Arrival of the last that came late.
    pub(crate) broken: Option<Timestamp>,
}

impl Hearing {
    /// One more webhook: when it reached us, and Meta's time of what it tells.
    #[must_use]
    pub(crate) fn heard(self, received: Timestamp, told: Timestamp) -> Self {
        let first = Some(self.first.map_or(received, |first| first.min(received)));
        let late = received.since(told) > LATE;
        let broken = if late { self.broken.max(Some(received)) } else { self.broken };
        Self { first, broken }
    }

    /// Since when without a break; `not_live` is when we last acted for its WABA no more.
    pub(crate) fn since(self, not_live: Option<Timestamp>) -> Option<Timestamp> {
        self.first
            .map(|first| first.max(self.broken.unwrap_or(first)).max(not_live.unwrap_or(first)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_late_webhook_proves_a_break() {
        let hearing = Hearing::default().heard(at(1_000), at(999)).heard(at(9_000), at(2_000));
        assert_eq!(hearing.since(None), Some(at(9_000)));
    }

    #[test]
    fn a_waba_that_was_not_ours_was_not_heard() {
        let hearing = Hearing::default().heard(at(1_000), at(999));
        assert_eq!(hearing.since(Some(at(5_000))), Some(at(5_000)));
        assert_eq!(Hearing::default().since(Some(at(5_000))), None);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(
            (heard, shuffled) in prop::collection::vec((0_i64..100_000, 0_i64..5_000), 0..20)
                .prop_flat_map(|heard| (Just(heard.clone()), Just(heard).prop_shuffle())),
        ) {
            let all = |list: &[(i64, i64)]| {
                list.iter().fold(Hearing::default(), |hearing, (received, delay)| {
                    hearing.heard(at(*received), at(received - delay))
                })
            };
            prop_assert_eq!(all(&heard), all(&shuffled));
        }
    }
}
