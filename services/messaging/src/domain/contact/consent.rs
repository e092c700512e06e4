//! What a customer said they do not want. Only a recorded opt-out blocks.
#![deny(clippy::wildcard_enum_match_arm)]

use kernel::time::Timestamp;

use crate::domain::message::Category;

/// What an opt-out covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsentCategory {
    /// Marketing alone.
    Marketing,
    /// Everything.
    All,
}

impl ConsentCategory {
    /// Reads the caller's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "marketing" => Self::Marketing,
            "all" => Self::All,
            _ => return None,
        })
    }
}

/// What is recorded of one customer's wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Consent {
    /// Opted out of marketing since.
    pub(crate) marketing_out: Option<Timestamp>,
    /// Opted out of everything since.
    pub(crate) all_out: Option<Timestamp>,
    /// Meta's cap for this person was reached (131049): no marketing until then.
    pub(crate) marketing_held_until: Option<Timestamp>,
}

impl Consent {
    /// Whether a message of this category may not go to them now.
    pub(crate) fn blocks(&self, category: &Category, now: Timestamp) -> bool {
        if self.all_out.is_some() {
            return true;
        }
        category.is_marketing()
            && (self.marketing_out.is_some()
                || self.marketing_held_until.is_some_and(|until| until > now))
    }

    /// Records an opt-out or takes it back.
    #[must_use]
    pub(crate) fn set(self, category: ConsentCategory, opted_out: bool, at: Timestamp) -> Self {
        let since = |old: Option<Timestamp>| if opted_out { old.or(Some(at)) } else { None };
        match category {
            ConsentCategory::Marketing => Self { marketing_out: since(self.marketing_out), ..self },
            ConsentCategory::All => Self { all_out: since(self.all_out), ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    #[rstest]
    #[case::nothing_recorded(Consent::default(), Category::Marketing, false)]
    #[case::marketing_stops_marketing(Consent::default().set(ConsentCategory::Marketing, true, NOW), Category::Marketing, true)]
    #[case::marketing_leaves_utility(Consent::default().set(ConsentCategory::Marketing, true, NOW), Category::Utility, false)]
    #[case::all_stops_passcodes_too(Consent::default().set(ConsentCategory::All, true, NOW), Category::Authentication, true)]
    #[case::all_stops_answers_too(Consent::default().set(ConsentCategory::All, true, NOW), Category::Service, true)]
    #[case::a_hold_of_metas_ends(Consent { marketing_held_until: Some(NOW), ..Consent::default() }, Category::Marketing, false)]
    #[case::a_hold_of_metas_holds(Consent { marketing_held_until: Some(Timestamp::from_seconds(1_001)), ..Consent::default() }, Category::Marketing, true)]
    fn only_a_recorded_opt_out_blocks(
        #[case] consent: Consent,
        #[case] category: Category,
        #[case] blocked: bool,
    ) {
        assert_eq!(consent.blocks(&category, NOW), blocked);
    }

    #[test]
    fn an_opt_out_can_be_taken_back_and_keeps_its_first_time() {
        let out = Consent::default().set(ConsentCategory::All, true, NOW);
        let again = out.set(ConsentCategory::All, true, Timestamp::from_seconds(2_000));
        assert_eq!(again.all_out, Some(NOW));
        assert_eq!(again.set(ConsentCategory::All, false, NOW), Consent::default());
    }
}
