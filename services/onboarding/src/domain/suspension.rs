//! Who has a tenant suspended, and who may resume it: what the operator suspended, a partner does not lift.

/// Who suspended a tenant, the lower first: an operator's word stands above a partner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suspender {
    Partner,
    Operator,
}

/// The operator suspended it, and a partner asks to resume it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotYours;

impl Suspender {
    /// Its word in the row.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Operator => "operator",
        }
    }

    /// Out of the row's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Partner, Self::Operator].into_iter().find(|one| one.as_str() == word)
    }
}

/// Who has it suspended once this desk suspends it. The operator takes over what a partner suspended, never the other way.
pub(crate) fn suspended(before: Option<Suspender>, by: Suspender) -> Suspender {
    before.map_or(by, |before| before.max(by))
}

/// Whether this desk may resume it.
pub(crate) fn may_resume(before: Option<Suspender>, by: Suspender) -> Result<(), NotYours> {
    if before.is_none_or(|before| before <= by) { Ok(()) } else { Err(NotYours) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Suspender::{Operator, Partner};
    use super::*;

    #[rstest]
    #[case::nobody_did(None, Partner, Ok(()))]
    #[case::a_partner_its_own(Some(Partner), Partner, Ok(()))]
    #[case::the_operator_its_own(Some(Operator), Operator, Ok(()))]
    #[case::the_operator_a_partners(Some(Partner), Operator, Ok(()))]
    #[case::a_partner_not_the_operators(Some(Operator), Partner, Err(NotYours))]
    fn a_desk_lifts_what_it_or_a_lower_one_suspended(
        #[case] before: Option<Suspender>,
        #[case] by: Suspender,
        #[case] expected: Result<(), NotYours>,
    ) {
        assert_eq!(may_resume(before, by), expected);
    }

    #[rstest]
    #[case(None, Partner, Partner)]
    #[case(None, Operator, Operator)]
    #[case(Some(Partner), Operator, Operator)]
    #[case(Some(Operator), Partner, Operator)]
    fn the_operators_suspension_stands_above_a_partners(
        #[case] before: Option<Suspender>,
        #[case] by: Suspender,
        #[case] expected: Suspender,
    ) {
        assert_eq!(suspended(before, by), expected);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for one in [Partner, Operator] {
            assert_eq!(Suspender::parse(one.as_str()), Some(one));
        }
        assert_eq!(Suspender::parse(""), None);
    }
}
