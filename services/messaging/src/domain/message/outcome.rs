//! What follows from what Meta said to a POST, or said later by webhook.
//!
//! I2 comes first: another POST only after an authoritative negative, which the caller of
//! [`decide`] has established (`Outcome::Refused` with `nothing_sent`, `Outcome::NotSent`). Then this
//! table says when, and what else the word means for the number, the pair, the WABA or the customer.
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use meta::error::{Reaction, reaction};

use super::Failure;

/// Tries of a message that Meta's maintenance turned away.
const MAINTENANCE_TRIES: u32 = 5;

/// What came of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Meta's 200.
    Accepted,
    /// Meta's error envelope.
    Refused {
        /// Meta's code.
        code: i64,
        /// Whether the code is known to be refused before sending (I2 b).
        nothing_sent: bool,
    },
    /// No byte left us (I2 a, c).
    NotSent,
    /// Everything else.
    Unknown,
}

/// How long to wait before another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// So long.
    For(Duration),
    /// As long as the pair is parked.
    Pair,
}

/// What happens to the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Meta took it.
    Accepted,
    /// Over.
    Fail(Failure),
    /// Back to the queue; `counted` says whether it was a try.
    Requeue {
        /// When again.
        delay: Delay,
        /// Whether it counts towards the bound of tries.
        counted: bool,
    },
    /// Stays where it is until a webhook or the deadline settles it.
    Unknown,
}

/// What else Meta's word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nothing.
    Nothing,
    /// The number is too fast (130429).
    SlowNumber,
    /// The pair is too fast (131056).
    ParkPair,
    /// The number may not market for hours (131048).
    HoldMarketing,
    /// Our token is dead or lacks a right: nothing of the WABA goes out until it is connected again.
    StopWaba,
    /// Meta blocks the WABA: nothing goes out, and we ask again after a while.
    LockWaba,
    /// The customer had too much marketing (131049): none for a day.
    RestCustomer,
    /// The customer stopped marketing (131050): none until they resume.
    OptOutCustomer,
}

/// What else `code` means, told in an answer or in a `failed` webhook.
pub(crate) fn side_of(code: i64) -> Side {
    match reaction(code) {
        Reaction::RequeueRate => Side::SlowNumber,
        Reaction::ParkPair => Side::ParkPair,
        Reaction::StopMarketing => Side::HoldMarketing,
        Reaction::SpareRecipient => Side::RestCustomer,
        Reaction::OptedOut => Side::OptOutCustomer,
        Reaction::StopWaba => Side::StopWaba,
        Reaction::LockWaba => Side::LockWaba,
        Reaction::WindowClosed
        | Reaction::SlowManagement
        | Reaction::Unknown
        | Reaction::Maintenance
        | Reaction::Terminal => Side::Nothing,
    }
}

/// Decides after a POST; `tries` are the counted ones before this one.
pub(crate) fn decide(outcome: Outcome, tries: u32) -> (Decision, Side) {
    match outcome {
        Outcome::Accepted => (Decision::Accepted, Side::Nothing),
        Outcome::Unknown => (Decision::Unknown, Side::Nothing),
        Outcome::NotSent => (requeue(backoff(tries), true), Side::Nothing),
        Outcome::Refused { code, nothing_sent } => {
            let fail = Decision::Fail(Failure::Meta(code));
            let decision =
                if nothing_sent { after_refusal(code, tries).unwrap_or(fail) } else { fail };
            (decision, side_of(code))
        }
    }
}

/// What another try would mend, after an authoritative negative.
fn after_refusal(code: i64, tries: u32) -> Option<Decision> {
    match reaction(code) {
        Reaction::RequeueRate => Some(requeue(Duration::from_secs(1), false)),
        Reaction::ParkPair => Some(Decision::Requeue { delay: Delay::Pair, counted: false }),
        // What it is still lawful to send goes on as a probe, one a minute.
        Reaction::StopMarketing | Reaction::SlowManagement => {
            Some(requeue(Duration::from_mins(1), false))
        }
        // Kept until it expires; what stops the WABA keeps it from being claimed.
        Reaction::StopWaba | Reaction::LockWaba => Some(requeue(Duration::ZERO, false)),
        Reaction::Maintenance if tries < MAINTENANCE_TRIES => {
            Some(requeue(Duration::from_secs(15) * 2_u32.pow(tries), true))
        }
        Reaction::Maintenance
        | Reaction::SpareRecipient
        | Reaction::OptedOut
        | Reaction::WindowClosed
        | Reaction::Unknown
        | Reaction::Terminal => None,
    }
}

/// Decides after a `failed` webhook with our id for the latest attempt (I2 d): `Some` means that the
/// failure is a step only, and the message goes again.
pub(crate) fn after_failed_webhook(code: i64, tries: u32, window_open: bool) -> Option<Delay> {
    match reaction(code) {
        Reaction::RequeueRate if tries < MAINTENANCE_TRIES => {
            Some(Delay::For(Duration::from_secs(5)))
        }
        Reaction::ParkPair if tries < MAINTENANCE_TRIES => Some(Delay::Pair),
        // Meta rarely says so although the window is open, and a second try passes.
        Reaction::WindowClosed if window_open && tries <= 1 => {
            Some(Delay::For(Duration::from_secs(30)))
        }
        Reaction::RequeueRate
        | Reaction::ParkPair
        | Reaction::WindowClosed
        | Reaction::StopMarketing
        | Reaction::SpareRecipient
        | Reaction::OptedOut
        | Reaction::SlowManagement
        | Reaction::Unknown
        | Reaction::Maintenance
        | Reaction::StopWaba
        | Reaction::LockWaba
        | Reaction::Terminal => None,
    }
}

const fn requeue(delay: Duration, counted: bool) -> Decision {
    Decision::Requeue { delay: Delay::For(delay), counted }
}

/// 1 s, 2 s, 4 s … a minute.
fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(6)).min(Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refused(code: i64) -> Outcome {
        Outcome::Refused { code, nothing_sent: true }
    }

    #[rstest]
    #[case::throughput(130_429, Side::SlowNumber)]
    #[case::pair(131_056, Side::ParkPair)]
    #[case::spam(131_048, Side::HoldMarketing)]
    #[case::token(190, Side::StopWaba)]
    #[case::permission(200, Side::StopWaba)]
    #[case::locked(131_031, Side::LockWaba)]
    fn what_is_not_the_messages_fault_goes_again(#[case] code: i64, #[case] side: Side) {
        let (decision, told) = decide(refused(code), 0);
        assert!(matches!(decision, Decision::Requeue { counted: false, .. }), "{decision:?}");
        assert_eq!(told, side);
    }

    #[rstest]
    #[case::window(131_047)]
    #[case::parameter(100)]
    #[case::template(132_001)]
    #[case::cap(131_049)]
    #[case::stopped(131_050)]
    fn what_another_try_would_not_mend_is_over(#[case] code: i64) {
        assert_eq!(decide(refused(code), 0).0, Decision::Fail(Failure::Meta(code)));
    }

    #[test]
    fn maintenance_is_waited_for_five_times() {
        let delays: u64 = (0..5)
            .map(|tries| match decide(refused(131_057), tries).0 {
                Decision::Requeue { delay: Delay::For(delay), counted: true } => delay.as_secs(),
                other @ (Decision::Accepted
                | Decision::Fail(_)
                | Decision::Requeue { .. }
                | Decision::Unknown) => panic!("{other:?}"),
            })
            .sum();
        assert!(delays <= 30 * 60);
        assert_eq!(decide(refused(131_057), 5).0, Decision::Fail(Failure::Meta(131_057)));
    }

    #[test]
    fn without_an_authoritative_negative_nothing_is_posted_again() {
        for code in [130_429, 131_056, 190, 131_057, 1] {
            let (decision, _) = decide(Outcome::Refused { code, nothing_sent: false }, 0);
            assert_eq!(decision, Decision::Fail(Failure::Meta(code)));
        }
        assert_eq!(decide(Outcome::Unknown, 0).0, Decision::Unknown);
    }

    #[test]
    fn a_window_that_meta_says_is_closed_is_asked_once_more_where_ours_is_open() {
        assert!(after_failed_webhook(131_047, 1, true).is_some());
        assert!(after_failed_webhook(131_047, 2, true).is_none());
        assert!(after_failed_webhook(131_047, 1, false).is_none());
        assert!(after_failed_webhook(131_026, 1, true).is_none());
    }
}
