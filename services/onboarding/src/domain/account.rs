//! How we stand with a WABA, and what Meta's words on the account make of it (`account_update`, `account_review_update`).
//!
//! Words come in any order, so a WABA keeps the time of the newest of each kind, and its standing is derived from those:
//! whatever comes late, the same words make the same standing.

use kernel::time::Timestamp;
use meta::webhook::{AccountUpdate, Change, parse_change};
use proto::onboarding::v1::WabaState;

/// How we stand with a WABA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Claimed,
    Live,
    NeedsReconnect,
    Blocked,
    Released,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::Claimed, Self::Live, Self::NeedsReconnect, Self::Blocked, Self::Released];

    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Live => "live",
            Self::NeedsReconnect => "needs_reconnect",
            Self::Blocked => "blocked",
            Self::Released => "released",
        }
    }

    /// The standing of a stored word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }

    /// The contract's word.
    pub(crate) const fn contract(self) -> WabaState {
        match self {
            Self::Claimed => WabaState::Claimed,
            Self::Live => WabaState::Live,
            Self::NeedsReconnect => WabaState::NeedsReconnect,
            Self::Blocked => WabaState::Blocked,
            Self::Released => WabaState::Released,
        }
    }
}

/// When what was last said or done; the epoch means never.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    /// A token was proven.
    pub(crate) connected: Timestamp,
    /// The customer took the account or the app back.
    pub(crate) disconnected: Timestamp,
    /// An onboarding reached its end.
    pub(crate) live: Timestamp,
    /// Meta disabled the account.
    pub(crate) blocked: Timestamp,
    /// Meta lifted that.
    pub(crate) reinstated: Timestamp,
}

impl Marks {
    /// The standing of a WABA that is held.
    pub(crate) fn standing(self) -> Standing {
        if self.disconnected > self.connected {
            Standing::NeedsReconnect
        } else if self.blocked > self.reinstated {
            Standing::Blocked
        } else if self.live > Timestamp::default() {
            Standing::Live
        } else {
            Standing::Claimed
        }
    }
}

/// A word that changes something here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// The account's review was decided.
    Reviewed(String),
    /// The business's verification moved.
    Verified(String),
    /// The customer removed this app, or took the account back: calls answer 190 from now on.
    Disconnected,
    /// Nobody sends for this account any more.
    Blocked,
    /// Meta lifted it.
    Reinstated,
}

/// The word of an element to the app that holds the WABA; `None` for one that changes nothing here, and for one that
/// this build can't read: the raw log keeps it.
pub(crate) fn word(field: &str, element: &str, app_id: &str) -> Option<Word> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other fields are other services' own")]
    match parse_change(field, element).ok()? {
        Change::Account(update) => updated(&update, app_id),
        Change::AccountReview(review) => review.decision.map(Word::Reviewed),
        _ => None,
    }
}

/// Restrictions are left out: they stop some sends and not others, and Meta answers those by itself.
fn updated(update: &AccountUpdate, app_id: &str) -> Option<Word> {
    let ban = update.ban_info.as_ref().and_then(|ban| ban.waba_ban_state.as_deref());
    let left = update.waba_info.as_ref().and_then(|info| info.partner_app_id.as_deref());
    match (update.event.as_deref().unwrap_or_default(), ban) {
        ("PARTNER_APP_UNINSTALLED", _) if left.is_some_and(|left| left != app_id) => None,
        ("PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED" | "ACCOUNT_DELETED", _) => {
            Some(Word::Disconnected)
        }
        ("DISABLED_UPDATE", Some("SCHEDULE_FOR_DISABLE")) => None,
        ("DISABLED_UPDATE", Some("REINSTATE"))
        | ("REINSTATE" | "ACCOUNT_REINSTATED" | "ACCOUNT_RECONNECTED", _) => Some(Word::Reinstated),
        ("DISABLED_UPDATE" | "ACCOUNT_OFFBOARDED", _) => Some(Word::Blocked),
        ("VERIFIED_ACCOUNT", _) => Some(Word::Verified("verified".to_owned())),
        _ => None,
    }
}

/// When a word was said, for comparing: Meta's own second, told apart within it by when the word reached us.
pub(crate) fn said_us(entry_time_s: i64, received_us: i64) -> i64 {
    if entry_time_s <= 0 {
        return received_us;
    }
    let from = entry_time_s.saturating_mul(1_000_000);
    received_us.clamp(from, from.saturating_add(999_999))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::fresh([1, 0, 0, 0, 0], Standing::Claimed)]
    #[case::live([1, 0, 2, 0, 0], Standing::Live)]
    #[case::lost([1, 3, 2, 0, 0], Standing::NeedsReconnect)]
    #[case::back([4, 3, 2, 0, 0], Standing::Live)]
    #[case::banned([1, 0, 2, 3, 0], Standing::Blocked)]
    #[case::lifted([1, 0, 0, 3, 4], Standing::Claimed)]
    #[case::banned_and_lost([1, 2, 0, 3, 0], Standing::NeedsReconnect)]
    fn the_standing_follows_from_what_was_said_last(
        #[case] at: [i64; 5],
        #[case] expected: Standing,
    ) {
        let [connected, disconnected, live, blocked, reinstated] = at.map(Timestamp::from_micros);
        let marks = Marks { connected, disconnected, live, blocked, reinstated };
        assert_eq!(marks.standing(), expected);
        assert_eq!(Standing::parse(expected.as_str()), Some(expected));
    }

    #[rstest]
    #[case(r#"{"event":"PARTNER_REMOVED"}"#, Some(Word::Disconnected))]
    #[case(
        r#"{"event":"PARTNER_APP_UNINSTALLED","waba_info":{"partner_app_id":"app"}}"#,
        Some(Word::Disconnected)
    )]
    #[case(r#"{"event":"PARTNER_APP_UNINSTALLED","waba_info":{"partner_app_id":"other"}}"#, None)]
    #[case(
        r#"{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"SCHEDULE_FOR_DISABLE"}}"#,
        None
    )]
    #[case(
        r#"{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"DISABLE"}}"#,
        Some(Word::Blocked)
    )]
    #[case(
        r#"{"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"REINSTATE"}}"#,
        Some(Word::Reinstated)
    )]
    #[case(r#"{"event":"ACCOUNT_RESTRICTION"}"#, None)]
    #[case(r#"{"event":"PARTNER_ADDED"}"#, None)]
    #[case("nonsense", None)]
    fn metas_words_are_read(#[case] element: &str, #[case] expected: Option<Word>) {
        assert_eq!(word("account_update", element, "app"), expected);
    }

    #[rstest]
    #[case::within_the_second(10, 10_400_000, 10_400_000)]
    #[case::late(10, 99_000_000, 10_999_999)]
    #[case::clocks_differ(10, 9_000_000, 10_000_000)]
    #[case::no_time(0, 7, 7)]
    fn a_word_is_as_old_as_meta_says(#[case] entry: i64, #[case] received: i64, #[case] said: i64) {
        assert_eq!(said_us(entry, received), said);
    }
}
