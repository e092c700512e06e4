//! Phone numbers in E.164, hidden from logs.
//!
//! The digits stay as they were given: libphonenumber would take Mexico's 1 or Argentina's 9 away,
//! yet a reply goes to the number that Meta wrote. Which spellings mean one person is messaging's
//! rule (aliases). The library says what no digit count can: whether the calling code exists and
//! the rest could be a number. Whether it has WhatsApp, only Meta knows.

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Digits of the longest E.164 number.
const LONGEST: usize = 15;
/// Digits of the shortest number that we take, calling code included.
const SHORTEST: usize = 7;

/// A phone number with its calling code. `Debug` and `Display` mask it, it has no `Serialize`, and
/// it is wiped on drop (SEC-4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub struct PhoneNumber(String);

/// Why a text is no phone number. It never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Something that is no digit, and no sign that people write between digits.
    #[error("a phone number has digits, blanks and + - . / ( ) alone")]
    Character,
    /// Too few or too many digits.
    #[error("a phone number has {SHORTEST} to {LONGEST} digits, its country's calling code first")]
    Length,
    /// No country has this calling code.
    #[error("the phone number does not start with a country's calling code")]
    CallingCode,
    /// The calling code exists, but nobody there has such a number.
    #[error("no phone number of that country looks like this")]
    NotPossible,
}

impl PhoneNumber {
    /// Reads a number with its calling code. The plus may be missing, as in Meta's `wa_id`; blanks
    /// and `-./()` between digits are dropped, and so is a `(0)`, which is dialled inland only.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let text = text.trim();
        let bare = text.strip_prefix('+').unwrap_or(text).replace("(0)", "");
        let mut e164 = String::with_capacity(LONGEST + 1);
        e164.push('+');
        for sign in bare.chars() {
            match sign {
                '0'..='9' if e164.len() > LONGEST => return Err(PhoneError::Length),
                '0'..='9' => e164.push(sign),
                ' ' | '\u{a0}' | '-' | '.' | '/' | '(' | ')' => {}
                _ => return Err(PhoneError::Character),
            }
        }
        let number = Self(e164);
        if number.digits().len() < SHORTEST {
            return Err(PhoneError::Length);
        }
        if number.digits().starts_with('0') {
            return Err(PhoneError::CallingCode);
        }
        number.parsed().map_err(|error| match error {
            phonenumber::ParseError::InvalidCountryCode => PhoneError::CallingCode,
            _ => PhoneError::NotPossible,
        })?;
        Ok(number)
    }

    /// The number in E.164, `+` first. For the wire and the database alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The digits without the plus, as Meta writes them. For the wire and the database alone.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }

    /// What may be shown and logged: the first two digits and the last two.
    pub fn masked(&self) -> String {
        let digits = self.digits();
        let last = digits.len().saturating_sub(2);
        let shown =
            digits.char_indices().map(|(at, digit)| if at < 2 || at >= last { digit } else { '*' });
        std::iter::once('+').chain(shown).collect()
    }

    /// The calling code: 49 of a German number.
    pub fn calling_code(&self) -> Option<u16> {
        self.parsed().ok().map(|number| number.country().code())
    }

    /// The ISO 3166 region that the number belongs to, where one can be told: `DE`.
    pub fn region(&self) -> Option<String> {
        let id = self.parsed().ok()?.country().id()?;
        Some(id.as_ref().to_owned())
    }

    fn parsed(&self) -> Result<phonenumber::PhoneNumber, phonenumber::ParseError> {
        phonenumber::parse(None, &self.0)
    }
}

/// Unpacks libphonenumber's metadata, which the first number would otherwise wait for.
pub fn warm_up() {
    // Only the unpacking counts; the number is one that was never given to anybody.
    phonenumber::parse(None, "+12025550100").ok();
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        Self::parse(text)
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::e164("+4915112345678", "+4915112345678")]
    #[case::wa_id("16505551234", "+16505551234")]
    #[case::written_for_people(" +1 (650) 555-1234 ", "+16505551234")]
    #[case::inland_zero("+49 (0)151 123 456 78", "+4915112345678")]
    #[case::mexico_keeps_its_one("5215512345678", "+5215512345678")]
    #[case::mexico_without("525512345678", "+525512345678")]
    #[case::argentina_keeps_its_nine("5491123456789", "+5491123456789")]
    #[case::brazil_without_its_nine("551187654321", "+551187654321")]
    fn a_number_keeps_the_digits_that_were_given(#[case] text: &str, #[case] e164: &str) {
        assert_eq!(PhoneNumber::parse(text).unwrap().expose(), e164);
    }

    #[rstest]
    #[case::empty("", PhoneError::Length)]
    #[case::short("+49151", PhoneError::Length)]
    #[case::sixteen_digits("+4915112345678901", PhoneError::Length)]
    #[case::letters("+1650CALLME1", PhoneError::Character)]
    #[case::two_plus("+1+6505551234", PhoneError::Character)]
    #[case::other_digits("+٤٩١٥١١٢٣٤٥٦٧٨", PhoneError::Character)]
    #[case::inland("015112345678", PhoneError::CallingCode)]
    #[case::nowhere("+9991234567890", PhoneError::CallingCode)]
    fn what_is_no_number_is_refused(#[case] text: &str, #[case] error: PhoneError) {
        assert_eq!(PhoneNumber::parse(text).map(|number| number.masked()), Err(error));
    }

    #[test]
    fn debug_and_display_hide_it() {
        let number = PhoneNumber::parse("+4915112345678").unwrap();
        assert_eq!(format!("{number} {number:?}"), "+49*********78 +49*********78");
    }

    #[rstest]
    #[case("+4915112345678", 49, Some("DE"))]
    #[case("+12025550123", 1, Some("US"))]
    #[case("+5511987654321", 55, Some("BR"))]
    fn the_region_can_be_told(#[case] text: &str, #[case] code: u16, #[case] region: Option<&str>) {
        let number = PhoneNumber::parse(text).unwrap();
        assert_eq!(number.calling_code(), Some(code));
        assert_eq!(number.region().as_deref(), region);
    }

    proptest! {
        #[test]
        fn a_number_parses_to_itself(code in prop::sample::select(vec!["1650", "4915", "5521", "9198", "234"]), rest in "[1-9][0-9]{7}") {
            if let Ok(number) = PhoneNumber::parse(&format!("{code}{rest}")) {
                prop_assert_eq!(PhoneNumber::parse(number.expose()).unwrap(), number.clone());
                prop_assert_eq!(PhoneNumber::parse(number.digits()).unwrap(), number);
            }
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,40}", digits in "[+0-9() -]{0,24}") {
            PhoneNumber::parse(&text).ok();
            PhoneNumber::parse(&digits).ok();
        }
    }
}
