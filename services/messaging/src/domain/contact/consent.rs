//! What a customer said they want and do not want. A recorded opt-out always blocks; that an opt-in is missing blocks
//! where the tenant asks for one.
#![deny(clippy::wildcard_enum_match_arm)]

use kernel::time::Timestamp;

use crate::domain::message::Category;

/// What a wish is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsentCategory {
    /// Marketing.
    Marketing,
    /// Utility templates.
    Utility,
    /// One-time passcodes.
    Authentication,
    /// Everything.
    All,
}

/// What is recorded of a category; one of these at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    None,
    /// They want it.
    OptedIn,
    /// They do not want it.
    OptedOut,
}

/// A wish that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WishError {
    /// STOP is said to marketing or to everything.
    #[error("an opt-out is of `marketing` or of `all`")]
    OptOut,
    /// An opt-in names what it is for.
    #[error("an opt-in is of `marketing`, `utility` or `authentication`, each by itself")]
    OptIn,
}

/// Why a message may not go to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwanted {
    /// They said so, or Meta's cap for them is reached.
    OptedOut,
    /// The tenant asks for an opt-in, and none is recorded.
    NotOptedIn,
}

impl ConsentCategory {
    /// Reads the caller's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "marketing" => Self::Marketing,
            "utility" => Self::Utility,
            "authentication" => Self::Authentication,
            "all" => Self::All,
            _ => return None,
        })
    }
}

/// Categories for which a tenant asks for an opt-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OptInRule {
    marketing: bool,
    utility: bool,
    authentication: bool,
}

impl OptInRule {
    /// Reads a row's words; one that is newer than this build asks for nothing that could be recorded here.
    pub(crate) fn parse(words: &str) -> Self {
        let names = |wanted: &str| words.split_whitespace().any(|word| word == wanted);
        Self {
            marketing: names("marketing"),
            utility: names("utility"),
            authentication: names("authentication"),
        }
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
    /// Opted in to marketing since.
    pub(crate) marketing_in: Option<Timestamp>,
    /// Opted in to utility templates since.
    pub(crate) utility_in: Option<Timestamp>,
    /// Opted in to one-time passcodes since.
    pub(crate) authentication_in: Option<Timestamp>,
}

impl Consent {
    /// Whether a message of this category may go to them now, and if not, why.
    pub(crate) fn refuses(
        &self,
        category: &Category,
        rule: OptInRule,
        now: Timestamp,
    ) -> Option<Unwanted> {
        let marketing_out = category.is_marketing()
            && (self.marketing_out.is_some()
                || self.marketing_held_until.is_some_and(|until| until > now));
        if self.all_out.is_some() || marketing_out {
            return Some(Unwanted::OptedOut);
        }
        let missing = match category {
            Category::Marketing | Category::Unknown(_) => {
                rule.marketing && self.marketing_in.is_none()
            }
            Category::Utility => rule.utility && self.utility_in.is_none(),
            Category::Authentication => rule.authentication && self.authentication_in.is_none(),
            // An answer to somebody who wrote first.
            Category::Service => false,
        };
        missing.then_some(Unwanted::NotOptedIn)
    }

    /// Records a wish. Its first time is kept; an opt-out of everything takes the opt-ins back.
    pub(crate) fn set(
        self,
        category: ConsentCategory,
        wish: Wish,
        at: Timestamp,
    ) -> Result<Self, WishError> {
        let since =
            |old: Option<Timestamp>, wanted: Wish| (wish == wanted).then(|| old.unwrap_or(at));
        Ok(match (category, wish) {
            (ConsentCategory::Marketing, _) => Self {
                marketing_in: since(self.marketing_in, Wish::OptedIn),
                marketing_out: since(self.marketing_out, Wish::OptedOut),
                ..self
            },
            (ConsentCategory::All, Wish::OptedIn) => return Err(WishError::OptIn),
            (ConsentCategory::All, Wish::None) => Self { all_out: None, ..self },
            (ConsentCategory::All, Wish::OptedOut) => Self {
                all_out: self.all_out.or(Some(at)),
                marketing_in: None,
                utility_in: None,
                authentication_in: None,
                ..self
            },
            (ConsentCategory::Utility | ConsentCategory::Authentication, Wish::OptedOut) => {
                return Err(WishError::OptOut);
            }
            (ConsentCategory::Utility, Wish::None | Wish::OptedIn) => {
                Self { utility_in: since(self.utility_in, Wish::OptedIn), ..self }
            }
            (ConsentCategory::Authentication, Wish::None | Wish::OptedIn) => {
                Self { authentication_in: since(self.authentication_in, Wish::OptedIn), ..self }
            }
        })
    }

    /// Words of the categories that they opted in to.
    pub(crate) fn opted_in(&self) -> Vec<&'static str> {
        [
            ("marketing", self.marketing_in),
            ("utility", self.utility_in),
            ("authentication", self.authentication_in),
        ]
        .into_iter()
        .filter_map(|(word, since)| since.map(|_| word))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);
    const OUT: Option<Unwanted> = Some(Unwanted::OptedOut);
    const MISSING: Option<Unwanted> = Some(Unwanted::NotOptedIn);

    fn with(category: ConsentCategory, wish: Wish) -> Consent {
        Consent::default().set(category, wish, NOW).unwrap()
    }

    #[rstest]
    #[case::nothing_recorded(Consent::default(), Category::Marketing, None)]
    #[case::marketing_stops_marketing(
        with(ConsentCategory::Marketing, Wish::OptedOut),
        Category::Marketing,
        OUT
    )]
    #[case::marketing_leaves_utility(
        with(ConsentCategory::Marketing, Wish::OptedOut),
        Category::Utility,
        None
    )]
    #[case::all_stops_passcodes_too(
        with(ConsentCategory::All, Wish::OptedOut),
        Category::Authentication,
        OUT
    )]
    #[case::all_stops_answers_too(
        with(ConsentCategory::All, Wish::OptedOut),
        Category::Service,
        OUT
    )]
    #[case::a_hold_of_metas_ends(Consent { marketing_held_until: Some(NOW), ..Consent::default() }, Category::Marketing, None)]
    #[case::a_hold_of_metas_holds(Consent { marketing_held_until: Some(Timestamp::from_seconds(1_001)), ..Consent::default() }, Category::Marketing, OUT)]
    fn without_a_rule_only_a_recorded_opt_out_blocks(
        #[case] consent: Consent,
        #[case] category: Category,
        #[case] refused: Option<Unwanted>,
    ) {
        assert_eq!(consent.refuses(&category, OptInRule::default(), NOW), refused);
    }

    #[rstest]
    #[case::marketing("marketing", Category::Marketing, MISSING)]
    #[case::a_category_newer_than_this_build("marketing", Category::Unknown("AI".to_owned()), MISSING)]
    #[case::another_category("marketing", Category::Utility, None)]
    #[case::two_categories("marketing utility", Category::Utility, MISSING)]
    #[case::passcodes("authentication", Category::Authentication, MISSING)]
    #[case::an_answer("marketing utility authentication", Category::Service, None)]
    fn where_an_opt_in_is_asked_for_one_must_be_recorded(
        #[case] rule: &str,
        #[case] category: Category,
        #[case] refused: Option<Unwanted>,
    ) {
        let rule = OptInRule::parse(rule);
        assert_eq!(Consent::default().refuses(&category, rule, NOW), refused);
        let mut consent = Consent::default();
        for one in
            [ConsentCategory::Marketing, ConsentCategory::Utility, ConsentCategory::Authentication]
        {
            consent = consent.set(one, Wish::OptedIn, NOW).unwrap();
        }
        assert_eq!(consent.refuses(&category, rule, NOW), None);
    }

    #[test]
    fn an_opt_out_can_be_taken_back_and_keeps_its_first_time() {
        let later = Timestamp::from_seconds(2_000);
        let out = with(ConsentCategory::All, Wish::OptedOut);
        let again = out.set(ConsentCategory::All, Wish::OptedOut, later).unwrap();
        assert_eq!(again.all_out, Some(NOW));
        assert_eq!(again.set(ConsentCategory::All, Wish::None, later), Ok(Consent::default()));
    }

    #[test]
    fn the_last_word_about_a_category_counts() {
        let out = with(ConsentCategory::Marketing, Wish::OptedIn)
            .set(ConsentCategory::Marketing, Wish::OptedOut, NOW)
            .unwrap();
        assert_eq!((out.marketing_in, out.marketing_out), (None, Some(NOW)));
        let back = out.set(ConsentCategory::Marketing, Wish::OptedIn, NOW).unwrap();
        assert_eq!((back.marketing_in, back.marketing_out), (Some(NOW), None));
    }

    #[test]
    fn who_stops_everything_must_opt_in_anew() {
        let stopped = with(ConsentCategory::Utility, Wish::OptedIn)
            .set(ConsentCategory::All, Wish::OptedOut, NOW)
            .unwrap();
        let back = stopped.set(ConsentCategory::All, Wish::None, NOW).unwrap();
        assert_eq!(back.opted_in(), Vec::<&str>::new());
    }

    #[rstest]
    #[case(ConsentCategory::All, Wish::OptedIn, WishError::OptIn)]
    #[case(ConsentCategory::Utility, Wish::OptedOut, WishError::OptOut)]
    #[case(ConsentCategory::Authentication, Wish::OptedOut, WishError::OptOut)]
    fn a_wish_that_means_nothing_is_refused(
        #[case] category: ConsentCategory,
        #[case] wish: Wish,
        #[case] error: WishError,
    ) {
        assert_eq!(Consent::default().set(category, wish, NOW), Err(error));
    }
}
