//! Phone numbers that WhatsApp writes in two ways for one person: Brazil's mobile 9, Mexico's 1,
//! Argentina's 9. Meta may add or take the digit away, so people are matched by a key without it,
//! while a message always goes to the number as Meta last wrote it.

/// The spelling under which a number is looked up. `digits` are E.164 without `+`.
pub(crate) fn phone_key(digits: &str) -> String {
    let bytes = digits.as_bytes();
    // Where the digit stands that may be there or not, and what it is then. Each of these countries has
    // 13 digits with it and 12 without.
    let extra = match (bytes.get(..2), bytes.len()) {
        // 55, two digits of the area, then the mobile 9 before eight digits.
        (Some(b"55"), 13) => Some((4, b'9')),
        // 52, then the 1 that was dialled before mobile numbers until 2019.
        (Some(b"52"), 13) => Some((2, b'1')),
        // 54, then the mobile 9 that only calls from abroad need.
        (Some(b"54"), 13) => Some((2, b'9')),
        _ => None,
    };
    match extra {
        Some((at, digit)) if bytes.get(at) == Some(&digit) => digits
            .char_indices()
            .filter(|(place, _)| *place != at)
            .map(|(_, character)| character)
            .collect(),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::brazil("5511987654321", "551187654321")]
    #[case::mexico("5215512345678", "525512345678")]
    #[case::argentina("5491123456789", "541123456789")]
    fn both_spellings_are_one_person(#[case] long: &str, #[case] short: &str) {
        assert_eq!(phone_key(long), short);
        assert_eq!(phone_key(short), short);
    }

    #[rstest]
    #[case::portugal("351912000111")]
    #[case::germany_with_13_digits("4915112345678")]
    #[case::brazilian_landline("551133334444")]
    #[case::brazil_with_another_digit_there("5511887654321")]
    fn others_stay_as_they_are(#[case] digits: &str) {
        assert_eq!(phone_key(digits), digits);
    }

    proptest! {
        #[test]
        fn the_key_of_a_key_is_itself(digits in "[1-9][0-9]{4,16}") {
            let key = phone_key(&digits);
            prop_assert_eq!(phone_key(&key), key);
        }

        #[test]
        fn two_people_of_brazil_stay_two(area in 11_u32..99, a in 60_000_000_u32..99_999_999, b in 60_000_000_u32..99_999_999) {
            let key = |local: u32| phone_key(&format!("55{area}9{local}"));
            prop_assert_eq!(key(a) == key(b), a == b);
        }
    }
}
