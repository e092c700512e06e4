//! What a WABA's new state asks of us.

#![deny(clippy::wildcard_enum_match_arm)]

/// How a WABA stands, as onboarding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Claimed,
    Live,
    NeedsReconnect,
    Blocked,
    Released,
}

impl Standing {
    /// As a row keeps it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Live => "live",
            Self::NeedsReconnect => "needs_reconnect",
            Self::Blocked => "blocked",
            Self::Released => "released",
        }
    }

    /// Reads it back.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Claimed, Self::Live, Self::NeedsReconnect, Self::Blocked, Self::Released]
            .into_iter()
            .find(|standing| standing.as_str() == word)
    }
}

/// What matters of a WABA here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen<'a> {
    pub(crate) standing: Standing,
    pub(crate) app_id: &'a str,
    pub(crate) generation: i64,
}

/// Whether its numbers and templates have to be looked at again: it was claimed, went live, got another token, or is
/// ours no longer.
pub(crate) fn asks_for_import(before: Option<Seen<'_>>, now: Seen<'_>) -> bool {
    let moved = before.is_none_or(|before| before.standing != now.standing);
    let renewed = before
        .is_none_or(|before| before.generation < now.generation || before.app_id != now.app_id);
    match now.standing {
        Standing::Claimed | Standing::Live => moved || renewed,
        Standing::Released => moved,
        // The token is dead or Meta holds it: reading would fail; what follows is another state.
        Standing::NeedsReconnect | Standing::Blocked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(standing: Standing, generation: i64) -> Seen<'static> {
        Seen { standing, app_id: "1", generation }
    }

    #[test]
    fn a_claim_a_new_token_and_going_live_are_looked_at() {
        assert!(asks_for_import(None, seen(Standing::Claimed, 1)));
        assert!(asks_for_import(Some(seen(Standing::Claimed, 1)), seen(Standing::Live, 1)));
        assert!(asks_for_import(Some(seen(Standing::Live, 1)), seen(Standing::Live, 2)));
        assert!(!asks_for_import(Some(seen(Standing::Live, 2)), seen(Standing::Live, 2)));
    }

    #[test]
    fn what_cannot_be_read_is_not_read() {
        assert!(!asks_for_import(Some(seen(Standing::Live, 1)), seen(Standing::NeedsReconnect, 1)));
        assert!(!asks_for_import(None, seen(Standing::Blocked, 1)));
        assert!(asks_for_import(Some(seen(Standing::Live, 1)), seen(Standing::Released, 1)));
    }
}
