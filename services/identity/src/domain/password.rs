//! What makes a password acceptable (AUTH-4): long enough, and not what everybody would try first.
//! No rule of composition, no rotation; it is compared exactly as typed.
#![deny(clippy::wildcard_enum_match_arm)]

use super::common_passwords;

/// Longest password, in characters.
const LONGEST: usize = 256;
/// Fewest signs that must be left when what belongs to the person is taken away.
const OWN: usize = 6;
/// Shortest word that counts as belonging to the person.
const SHORTEST_CONTEXT: usize = 4;
/// Words of the product, which every attacker of it tries.
const PRODUCT: [&str; 3] = ["switchboard", "whatsapp", "facebook"];

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("a password has at least {0} characters")]
    TooShort(usize),
    #[error("a password has at most {LONGEST} characters")]
    TooLong,
    #[error("this is among the passwords that are tried first; choose another")]
    Common,
    #[error("this is little more than a name, an address or the product's name; choose another")]
    Context,
}

/// Checks a password against length, the common ones, and words about the person.
pub(crate) fn check(password: &str, least: usize, context: &[&str]) -> Result<(), PasswordError> {
    let length = password.chars().count();
    if length < least {
        return Err(PasswordError::TooShort(least));
    }
    if length > LONGEST {
        return Err(PasswordError::TooLong);
    }
    let lower = password.to_lowercase();
    if common_passwords::contains(&lower) {
        return Err(PasswordError::Common);
    }
    let mut words: Vec<String> =
        context.iter().flat_map(|text| words(text)).chain(PRODUCT.map(str::to_owned)).collect();
    words.retain(|word| word.chars().count() >= SHORTEST_CONTEXT);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let own = words.iter().fold(lower.clone(), |rest, word| rest.replace(word, ""));
    if own != lower && own.chars().count() < OWN {
        return Err(PasswordError::Context);
    }
    Ok(())
}

/// The words of a name or an address, and the whole.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut words: Vec<String> = lower
        .split(|sign: char| !sign.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.push(lower);
    words
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::long_enough("correct horse battery", Ok(()))]
    #[case::characters_are_counted_not_bytes("äöüäöüäöüäöx", Ok(()))]
    #[case::blanks_are_characters("  two  words ", Ok(()))]
    #[case::eleven("abcdefghijk", Err(PasswordError::TooShort(12)))]
    #[case::common("Password1234", Err(PasswordError::Common))]
    #[case::dressed_up("P@ssw0rd2026!", Err(PasswordError::Common))]
    #[case::twice_the_same("letmeinletmein", Err(PasswordError::Common))]
    #[case::one_sign("aaaaaaaaaaaaaa", Err(PasswordError::Common))]
    #[case::along_the_keys("qwertyuiop123", Err(PasswordError::Common))]
    #[case::counting("123456789012", Err(PasswordError::Common))]
    #[case::the_product("switchboard26", Err(PasswordError::Context))]
    #[case::the_person("annabel.smith1", Err(PasswordError::Context))]
    fn passwords_are_judged(#[case] password: &str, #[case] expected: Result<(), PasswordError>) {
        assert_eq!(check(password, 12, &["annabel.smith@example.com", "Annabel"]), expected);
    }

    #[test]
    fn there_is_a_longest() {
        let rule = |length: usize| {
            let text: String = ('a'..='z').cycle().step_by(7).take(length).collect();
            check(&text, 12, &[])
        };
        assert_eq!(rule(256), Ok(()));
        assert_eq!(rule(257), Err(PasswordError::TooLong));
    }
}
