//! Meta's verification of a webhook address: a GET that must be answered with its own challenge (IN-5).

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest challenge that is echoed; Meta sends about ten digits.
const LONGEST: usize = 256;

/// The text to echo; `None` where the question is not Meta's or the token is not ours.
pub(crate) fn answer(query: &str, verify_token: &str) -> Option<String> {
    let mode = only(query, "hub.mode")?;
    let token = only(query, "hub.verify_token")?;
    let challenge = only(query, "hub.challenge")?;
    // Over digests, so that neither the place of a difference nor the length shows in the time taken.
    let ours = Sha256::digest(verify_token.as_bytes());
    let same: bool = ours.as_slice().ct_eq(Sha256::digest(token.as_bytes()).as_slice()).into();
    (same && mode == "subscribe" && is_harmless(&challenge)).then_some(challenge)
}

/// A parameter that is there exactly once.
fn only(query: &str, name: &str) -> Option<String> {
    let mut values = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned());
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Whatever is echoed can be nothing that a browser would run.
fn is_harmless(challenge: &str) -> bool {
    (1..=LONGEST).contains(&challenge.len())
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TOKEN: &str = "our-token";

    #[test]
    fn the_bare_challenge_is_echoed() {
        let query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=our-token";
        assert_eq!(answer(query, TOKEN).as_deref(), Some("1158201444"));
    }

    #[rstest]
    #[case::wrong_token("hub.mode=subscribe&hub.challenge=1&hub.verify_token=theirs")]
    #[case::empty_token("hub.mode=subscribe&hub.challenge=1&hub.verify_token=")]
    #[case::prefix_of_ours("hub.mode=subscribe&hub.challenge=1&hub.verify_token=our-toke")]
    #[case::no_token("hub.mode=subscribe&hub.challenge=1")]
    #[case::two_tokens(
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=our-token&hub.verify_token=x"
    )]
    #[case::another_mode("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=our-token")]
    #[case::no_challenge("hub.mode=subscribe&hub.verify_token=our-token")]
    #[case::empty_challenge("hub.mode=subscribe&hub.challenge=&hub.verify_token=our-token")]
    #[case::script("hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=our-token")]
    #[case::line_break("hub.mode=subscribe&hub.challenge=1%0d%0a&hub.verify_token=our-token")]
    #[case::nothing("")]
    fn anything_else_is_not_answered(#[case] query: &str) {
        assert_eq!(answer(query, TOKEN), None);
    }

    #[test]
    fn a_challenge_has_a_longest() {
        let query = |length: usize| {
            let challenge = "a".repeat(length);
            format!("hub.mode=subscribe&hub.challenge={challenge}&hub.verify_token=our-token")
        };
        assert!(answer(&query(LONGEST), TOKEN).is_some());
        assert!(answer(&query(LONGEST + 1), TOKEN).is_none());
    }
}
