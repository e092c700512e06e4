//! How long we and Meta have. Whatever can still change has a deadline, so that nothing waits for ever (I1).
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use kernel::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Category;

/// Meta's longest life of a message that no template limits.
const LONGEST_AT_META: Duration = Duration::from_hours(30 * 24);

/// Deadlines by category, in seconds; part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// An authentication message that has not left by then is given up.
    pub authentication_leave_s: u64,
    /// A service message that has not left by then is given up.
    pub service_leave_s: u64,
    /// A utility message that has not left by then is given up.
    pub utility_leave_s: u64,
    /// A marketing message that has not left by then is given up.
    pub marketing_leave_s: u64,
    /// How long an authentication message may be `unknown` before it is `failed(outcome_unknown)`.
    pub authentication_unknown_s: u64,
    /// How long any other message may be `unknown`.
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

/// When Meta has dropped a message that it accepted at `at`, silently where it does so.
pub(crate) fn accepted_until(at: Timestamp, template_ttl: Option<Duration>) -> Timestamp {
    at + template_ttl.unwrap_or(LONGEST_AT_META)
}

#[cfg(test)]
mod tests {
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
}
