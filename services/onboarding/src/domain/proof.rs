//! Control of a WABA is proven, not told (ISO-44): ids from the browser are hints.

/// What the token itself says (`debug_token`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenFacts {
    pub(crate) valid: bool,
    pub(crate) app_id: String,
    pub(crate) scopes: Vec<String>,
    /// WABAs that the grant names; `None` where it names none, which means all and proves nothing.
    pub(crate) targets: Option<Vec<String>>,
}

/// Scopes without which the path can't be walked.
const NEEDED: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// Why a claim is refused. None of it names what another tenant holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproven {
    #[error("the token that the dialog gave is not valid; the business opens the dialog again")]
    TokenInvalid,
    #[error(
        "the token belongs to another Meta app than the invitation's; the dialog was opened for the wrong app"
    )]
    OtherApp,
    #[error(
        "the business did not grant {0}; it opens the dialog again and leaves every permission on"
    )]
    ScopeMissing(&'static str),
    #[error(
        "the grant names several WhatsApp accounts and the dialog named none of them; the business opens the dialog again and picks one"
    )]
    Ambiguous,
    #[error(
        "the WhatsApp account that the dialog named is not among those that the business granted"
    )]
    NotGranted,
    #[error("no WhatsApp account was granted; the business opens the dialog again and picks one")]
    Nothing,
    #[error("the WhatsApp account cannot be read with the token that the dialog gave")]
    Unreadable,
    #[error("the phone number that the dialog named is not a number of this WhatsApp account")]
    ForeignNumber,
}

/// The WABA to ask Meta for, by what the token says and the browser hints.
pub(crate) fn candidate(facts: &TokenFacts, app_id: &str, hint: &str) -> Result<String, Unproven> {
    if !facts.valid {
        return Err(Unproven::TokenInvalid);
    }
    if facts.app_id != app_id {
        return Err(Unproven::OtherApp);
    }
    if let Some(missing) =
        NEEDED.into_iter().find(|needed| !facts.scopes.iter().any(|scope| scope == needed))
    {
        return Err(Unproven::ScopeMissing(missing));
    }
    match (facts.targets.as_deref(), hint) {
        (None, "") | (Some([]), _) => Err(Unproven::Nothing),
        (None, hint) => Ok(hint.to_owned()),
        (Some([only]), "") => Ok(only.clone()),
        (Some(_), "") => Err(Unproven::Ambiguous),
        (Some(named), hint) if named.iter().any(|target| target == hint) => Ok(hint.to_owned()),
        (Some(_), _) => Err(Unproven::NotGranted),
    }
}

/// Numbers are proven by the same token's list; the browser's number must be among them.
pub(crate) fn number(listed: &[String], hint: &str) -> Result<(), Unproven> {
    if hint.is_empty() || listed.iter().any(|number| number == hint) {
        Ok(())
    } else {
        Err(Unproven::ForeignNumber)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn facts(targets: Option<&[&str]>) -> TokenFacts {
        TokenFacts {
            valid: true,
            app_id: "app".to_owned(),
            scopes: NEEDED.map(str::to_owned).to_vec(),
            targets: targets.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        }
    }

    #[rstest]
    #[case::named_and_hinted(Some(&["1", "2"][..]), "2", Ok("2"))]
    #[case::one_named(Some(&["1"][..]), "", Ok("1"))]
    #[case::foreign_hint(Some(&["1"][..]), "9", Err(Unproven::NotGranted))]
    #[case::several_and_no_hint(Some(&["1", "2"][..]), "", Err(Unproven::Ambiguous))]
    #[case::names_nothing(Some(&[][..]), "1", Err(Unproven::Nothing))]
    #[case::absent_proves_nothing_by_itself(None, "7", Ok("7"))]
    #[case::absent_and_no_hint(None, "", Err(Unproven::Nothing))]
    fn the_grant_decides_which_waba_is_asked_for(
        #[case] targets: Option<&[&str]>,
        #[case] hint: &str,
        #[case] expected: Result<&str, Unproven>,
    ) {
        assert_eq!(candidate(&facts(targets), "app", hint), expected.map(str::to_owned));
    }

    #[test]
    fn a_token_of_another_app_is_refused() {
        assert_eq!(candidate(&facts(Some(&["1"])), "other", "1"), Err(Unproven::OtherApp));
    }

    #[test]
    fn a_dead_token_is_refused() {
        let dead = TokenFacts { valid: false, ..facts(Some(&["1"])) };
        assert_eq!(candidate(&dead, "app", "1"), Err(Unproven::TokenInvalid));
    }

    #[test]
    fn a_missing_scope_is_named() {
        let mut facts = facts(Some(&["1"]));
        facts.scopes.pop();
        assert_eq!(
            candidate(&facts, "app", "1"),
            Err(Unproven::ScopeMissing("whatsapp_business_messaging"))
        );
    }

    #[test]
    fn a_number_must_be_listed_by_the_same_token() {
        let listed = ["5".to_owned()];
        assert_eq!(number(&listed, "5"), Ok(()));
        assert_eq!(number(&listed, ""), Ok(()));
        assert_eq!(number(&listed, "6"), Err(Unproven::ForeignNumber));
    }
}
