//! What of a tenant's state matters here: whether anybody of it may act.
#![deny(clippy::wildcard_enum_match_arm)]

/// Whether a tenant may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Suspended,
    Offboarded,
    /// A word newer than this build: nobody acts on a guess.
    Unknown,
}

impl State {
    /// Its word in our rows.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Offboarded => "offboarded",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Self {
        [Self::Active, Self::Suspended, Self::Offboarded]
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_not_known_lets_nobody_act() {
        assert_eq!(State::parse("active"), State::Active);
        assert_eq!(State::parse("resting"), State::Unknown);
    }
}
