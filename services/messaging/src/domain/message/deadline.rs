//! How long we and Meta have. Whatever can still change has a deadline, so that nothing waits for ever (I1).
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use garde::Validate;
use kernel::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Category;

/// Meta's longest life of a message that no template limits.
const LONGEST_AT_META: Duration = Duration::from_hours(30 * 24);
/// Life of a one-time passcode whose template names none (templates from before 2024-10-23 have the longest; Meta does
/// not tell which those are, and a later word lifts the status all the same).
const PASSCODE_AT_META: Duration = Duration::from_mins(10);
/// How much longer we wait for a word, which may be late.
const MARGIN: Duration = Duration::from_mins(5);

/// Deadlines by category, in seconds; part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Deadlines {
    /// An authentication message that has not left by then is given up.
    #[garde(range(min = 1, max = 2_592_000))]
    pub authentication_leave_s: u64,
    /// A service message that has not left by then is given up.
    #[garde(range(min = 1, max = 2_592_000))]
    pub service_leave_s: u64,
    /// A utility message that has not left by then is given up.
    #[garde(range(min = 1, max = 2_592_000))]
    pub utility_leave_s: u64,
    /// A marketing message that has not left by then is given up.
    #[garde(range(min = 1, max = 2_592_000))]
    pub marketing_leave_s: u64,
    /// How long an authentication message may be `unknown` before it is `failed(outcome_unknown)`.
    #[garde(range(min = 1, max = 2_592_000))]
    pub authentication_unknown_s: u64,
    /// How long any other message may be `unknown`.
    #[garde(range(min = 1, max = 2_592_000))]
    pub unknown_s: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            authentication_leave_s: 10 * 60,
            service_leave_s: 24 * 3600,
            utility_leave_s: 24 * 3600,
            marketing_leave_s: 72 * 3600,
            authentication_unknown_s: 2 * 60,
            unknown_s: 15 * 60,
        }
    }
}

impl Deadlines {
    /// When a message that may leave from `from` on is given up.
    pub(crate) fn leave_by(&self, category: &Category, from: Timestamp) -> Timestamp {
        let seconds = match category {
            Category::Authentication => self.authentication_leave_s,
            Category::Utility => self.utility_leave_s,
            Category::Service => self.service_leave_s,
            Category::Marketing | Category::Unknown(_) => self.marketing_leave_s,
        };
        from + Duration::from_secs(seconds)
    }

    /// When an outcome that is unknown since `since` is settled by policy.
    pub(crate) fn unknown_until(&self, category: &Category, since: Timestamp) -> Timestamp {
        let seconds = match category {
            Category::Authentication => self.authentication_unknown_s,
            Category::Utility | Category::Service | Category::Marketing | Category::Unknown(_) => {
                self.unknown_s
            }
        };
        since + Duration::from_secs(seconds)
    }
}

/// When Meta has dropped a message that it accepted at `at`, which it does without a word. `ttl_s` is the template's own
/// life in seconds, -1 the longest.
pub(crate) fn accepted_until(at: Timestamp, category: &Category, ttl_s: Option<i64>) -> Timestamp {
    let life = match (ttl_s.map(u64::try_from), category) {
        (Some(Ok(seconds)), _) => Duration::from_secs(seconds),
        (None, Category::Authentication) => PASSCODE_AT_META,
        (Some(Err(_)), _)
        | (
            None,
            Category::Utility | Category::Service | Category::Marketing | Category::Unknown(_),
        ) => LONGEST_AT_META,
    };
    at + life + MARGIN
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_passcode_is_given_up_sooner_than_the_rest() {
        let (deadlines, now) = (Deadlines::default(), Timestamp::from_seconds(1_000));
        let code = deadlines.leave_by(&Category::Authentication, now);
        assert_eq!(code, Timestamp::from_seconds(1_600));
        assert!(code < deadlines.leave_by(&Category::Service, now));
        assert_eq!(
            deadlines.unknown_until(&Category::Authentication, now),
            Timestamp::from_seconds(1_120)
        );
        assert_eq!(
            deadlines.unknown_until(&Category::Marketing, now),
            Timestamp::from_seconds(1_900)
        );
    }

    #[rstest]
    #[case::a_text(Category::Service, None, 30 * 86_400)]
    #[case::a_passcode(Category::Authentication, None, 600)]
    #[case::a_template_that_says(Category::Utility, Some(3_600), 3_600)]
    #[case::a_passcode_that_says(Category::Authentication, Some(90), 90)]
    #[case::the_longest(Category::Authentication, Some(-1), 30 * 86_400)]
    fn what_meta_took_is_waited_for_as_long_as_meta_tries(
        #[case] category: Category,
        #[case] ttl_s: Option<i64>,
        #[case] life_s: i64,
    ) {
        let until = accepted_until(Timestamp::EPOCH, &category, ttl_s);
        assert_eq!(until, Timestamp::from_seconds(life_s + 300));
    }
}
