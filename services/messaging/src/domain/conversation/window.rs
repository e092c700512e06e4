//! The customer service window: 24 hours after the customer's last message, anything may be sent; after
//! it, templates alone.
//!
//! Meta decides. We refuse by ourselves (131047) only what we can prove: that we heard this number
//! without a break for longer than a window, and that nothing came from the customer in that time.

use std::time::Duration;

use kernel::time::Timestamp;

/// Length of the window.
pub(crate) const WINDOW: Duration = Duration::from_hours(24);
/// What clocks and webhooks may differ by before we call a window closed.
const MARGIN: Duration = Duration::from_mins(1);

/// Whether a message that is no template may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// The customer wrote, less than a window ago.
    Open,
    /// Proven closed.
    Closed,
    /// We cannot tell.
    MetaDecides,
}

/// Judges at `now`, from the customer's last message by Meta's time, and since when this number's
/// webhooks come without a break.
pub(crate) fn judge(
    now: Timestamp,
    last_inbound: Option<Timestamp>,
    heard_since: Option<Timestamp>,
) -> Window {
    if last_inbound.is_some_and(|last| last + WINDOW > now) {
        return Window::Open;
    }
    let heard = heard_since.is_some_and(|since| since + WINDOW < now);
    let silent = last_inbound.is_none_or(|last| last + WINDOW + MARGIN < now)
        && heard_since.is_some_and(|since| since + WINDOW + MARGIN < now);
    if heard && silent { Window::Closed } else { Window::MetaDecides }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HOUR: i64 = 3_600;
    const NOW: i64 = 1_000 * HOUR;

    #[rstest]
    #[case::wrote_just_now(Some(0), Some(100 * HOUR), Window::Open)]
    #[case::a_second_left(Some(24 * HOUR - 1), Some(100 * HOUR), Window::Open)]
    #[case::over_but_within_the_margin(Some(24 * HOUR + 60), Some(100 * HOUR), Window::MetaDecides)]
    #[case::over(Some(24 * HOUR + 61), Some(100 * HOUR), Window::Closed)]
    #[case::over_but_we_heard_only_for_a_day(Some(25 * HOUR), Some(24 * HOUR), Window::MetaDecides)]
    #[case::over_but_we_never_heard(Some(25 * HOUR), None, Window::MetaDecides)]
    #[case::never_wrote_and_we_heard_all_along(None, Some(25 * HOUR), Window::Closed)]
    #[case::never_wrote_since_we_listen(None, Some(HOUR), Window::MetaDecides)]
    fn only_a_proven_silence_closes_it(
        #[case] inbound_ago: Option<i64>,
        #[case] heard_ago: Option<i64>,
        #[case] expected: Window,
    ) {
        let ago = |seconds: i64| Timestamp::from_seconds(NOW - seconds);
        let judged = judge(Timestamp::from_seconds(NOW), inbound_ago.map(ago), heard_ago.map(ago));
        assert_eq!(judged, expected);
    }
}
