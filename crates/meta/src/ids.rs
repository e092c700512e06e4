//! Meta's identifiers and the ways it names a person.
//!
//! Ids are decimal strings and stay strings: they pass 2^53, and webhooks send some as integers. A person is a phone number, a business-scoped user
//! id (BSUID), or both; a BSUID is never read as a number, since its digits would make a plausible one.

use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What was given is no identifier of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no {kind}: expected {expected}")]
pub struct IdError {
    /// Which kind of identifier was expected.
    pub kind: &'static str,
    /// Its form.
    pub expected: &'static str,
}

macro_rules! meta_id {
    ($($(#[$meta:meta])* $name:ident, $kind:literal;)+) => {
        $($(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 32 decimal digits.
            pub fn new(id: impl Into<String>) -> Result<Self, IdError> {
                let id = id.into();
                if (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) {
                    Ok(Self(id))
                } else {
                    Err(IdError { kind: $kind, expected: "1 to 32 decimal digits" })
                }
            }

            /// The digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(id: &str) -> Result<Self, IdError> {
                Self::new(id)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = crate::words::opt_text(deserializer)?.unwrap_or_default();
                Self::new(text).map_err(serde::de::Error::custom)
            }
        })+
    };
}

meta_id! {
    /// A Meta app.
    MetaAppId, "app id of Meta's";
    /// A business portfolio.
    MetaBusinessId, "business portfolio id of Meta's";
    /// A WhatsApp Business Account.
    MetaWabaId, "WhatsApp Business Account id of Meta's";
    /// A business phone number's node.
    MetaNumberId, "phone number id of Meta's";
    /// A template in one language.
    MetaTemplateId, "template id of Meta's";
    /// An uploaded or received file.
    MetaMediaId, "media id of Meta's";
}

/// A person's or a business's number as WhatsApp writes it: digits with the country code, no `+`.
///
/// Meta may add or take away a mobile digit (Brazil, Mexico, Argentina), so it need not equal what was sent.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaId(String);

impl WaId {
    /// Reads a number the way Meta does: `+`, `-`, `(`, `)`, dots and blanks are dropped, and 5 to 17 digits must be left.
    pub fn new(number: &str) -> Result<Self, IdError> {
        const WRONG: IdError = IdError {
            kind: "phone number",
            expected: "5 to 17 digits with the country code, a + before them if you like",
        };
        let mut digits = String::with_capacity(number.len());
        for (at, c) in number.trim().chars().enumerate() {
            match c {
                '0'..='9' => digits.push(c),
                '+' if at == 0 => {}
                '-' | '(' | ')' | ' ' | '.' | '\u{a0}' => {}
                _ => return Err(WRONG),
            }
        }
        if (5..=17).contains(&digits.len()) && !digits.starts_with('0') {
            Ok(Self(digits))
        } else {
            Err(WRONG)
        }
    }

    /// The digits alone, as in `wa_id`.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The number as it is sent: with a `+`, since without one Meta may put the business's own country code before it.
    #[must_use]
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }
}

impl From<&kernel::phone::PhoneNumber> for WaId {
    fn from(number: &kernel::phone::PhoneNumber) -> Self {
        Self(number.digits().to_owned())
    }
}

impl fmt::Debug for WaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaId(…)")
    }
}

impl Serialize for WaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A business-scoped user id: who a person is within one business portfolio, with or without a number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bsuid(String);

impl Bsuid {
    /// Takes `CC.id` or, for linked portfolios, `CC.ENT.id`: a country, a dot, 1 to 128 letters and digits.
    pub fn new(id: impl Into<String>) -> Result<Self, IdError> {
        const WRONG: IdError = IdError {
            kind: "business-scoped user id",
            expected: "a country code, a dot, and 1 to 128 letters or digits",
        };
        let id = id.into();
        let (country, rest) = id.split_once('.').ok_or(WRONG)?;
        let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
        let fits = country.len() == 2
            && country.bytes().all(|b| b.is_ascii_uppercase())
            && (1..=128).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(id)) } else { Err(WRONG) }
    }

    /// The id as Meta writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ISO 3166 country that it starts with: all that is known of where the person is when there is no number.
    #[must_use]
    pub fn country(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// Whether it is shared by linked portfolios.
    #[must_use]
    pub fn is_parent(&self) -> bool {
        self.0.get(2..).is_some_and(|rest| rest.starts_with(".ENT."))
    }
}

impl fmt::Debug for Bsuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bsuid(…)")
    }
}

impl Serialize for Bsuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bsuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whom a message goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A number; goes out as `to`.
    Phone(WaId),
    /// A person without a number that we may see; goes out as `recipient` (since July 2026).
    Bsuid(Bsuid),
}

/// Who wrote a message, in the record inside a [`Wamid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The business.
    Outbound,
    /// The customer.
    Inbound,
}

/// Meta's id of a message. Opaque and case-sensitive; `wamid.` and base64 today, `wacid.` for calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wamid(String);

impl Wamid {
    /// Takes 1 to 255 printable ASCII characters.
    pub fn new(id: impl Into<String>) -> Result<Self, IdError> {
        let id = id.into();
        if (1..=crate::limits::MESSAGE_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_graphic())
        {
            Ok(Self(id))
        } else {
            Err(IdError { kind: "message id", expected: "1 to 255 printable characters" })
        }
    }

    /// Makes an id in Meta's form: the counterpart, the direction, and `tail` as the message's own part (18 upper-case hex digits for what a
    /// business sent). What the Cloud API edge answers before Meta was asked has this form, so that SDKs which look inside find what they expect.
    #[must_use]
    pub fn compose(counterpart: &Recipient, direction: Direction, tail: &str) -> Self {
        let (name, kind) = match counterpart {
            Recipient::Phone(number) => (number.digits(), 0x02),
            Recipient::Bsuid(bsuid) => (bsuid.as_str(), 0x14),
        };
        let direction = match direction {
            Direction::Outbound => 0x11,
            Direction::Inbound => 0x12,
        };
        let mut record = vec![0x1c, 0x18];
        push_counted(&mut record, name);
        record.extend([0x15, kind, 0x00, direction, 0x18]);
        push_counted(&mut record, tail);
        record.push(0x00);
        Self(format!("wamid.{}", base64::engine::general_purpose::STANDARD.encode(record)))
    }

    /// The id as Meta writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_counted(record: &mut Vec<u8>, text: &str) {
    record.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    record.extend(text.bytes().take(usize::from(u8::MAX)));
}

impl fmt::Display for Wamid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Wamid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Wamid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Wamid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plus("+351 912 000 111", Some("351912000111"))]
    #[case::marks("1 (631) 555-1234", Some("16315551234"))]
    #[case::digits("16315552222", Some("16315552222"))]
    #[case::bsuid("PT.20260712339015", None)]
    #[case::words("call me", None)]
    #[case::plus_inside("35+1912000111", None)]
    #[case::empty("", None)]
    #[case::national("0912000111", None)]
    #[case::arabic_digits("٣٥١٩١٢٠٠٠١١١", None)]
    fn a_number_is_digits_with_the_marks_that_meta_allows(
        #[case] given: &str,
        #[case] digits: Option<&str>,
    ) {
        assert_eq!(WaId::new(given).ok().as_ref().map(WaId::digits), digits);
    }

    #[rstest]
    #[case("PT.20260712339015", true)]
    #[case("US.ENT.13491208655302741918", true)]
    #[case("pt.20260712339015", false)]
    #[case("PT.", false)]
    #[case("PT.2026-07", false)]
    #[case("351912000111", false)]
    fn a_bsuid_is_a_country_and_an_id(#[case] given: &str, #[case] fits: bool) {
        assert_eq!(Bsuid::new(given).is_ok(), fits);
    }

    #[test]
    fn a_parent_bsuid_is_told_apart() {
        assert!(Bsuid::new("PT.ENT.99").unwrap().is_parent());
        assert!(!Bsuid::new("PT.99").unwrap().is_parent());
        assert_eq!(Bsuid::new("PT.ENT.99").unwrap().country(), "PT");
    }

    #[test]
    fn ids_come_as_strings_or_integers_and_go_out_as_strings() {
        let id: MetaTemplateId = serde_json::from_str("1689556908129835").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"1689556908129835\"");
        assert!(serde_json::from_str::<MetaTemplateId>("\"12a\"").is_err());
        assert!(MetaWabaId::new("../me").is_err());
    }

    #[test]
    fn a_composed_wamid_has_metas_form() {
        let to = Recipient::Phone(WaId::new("351912000111").unwrap());
        let id = Wamid::compose(&to, Direction::Outbound, "4A1FC7D230B98E660C");
        assert_eq!(id.as_str(), "wamid.HBgMMzUxOTEyMDAwMTExFQIAERgSNEExRkM3RDIzMEI5OEU2NjBDAA==");
    }

    #[test]
    fn debug_never_shows_a_person() {
        let shown = format!(
            "{:?} {:?}",
            WaId::new("351912000111").unwrap(),
            Bsuid::new("PT.20260712339015").unwrap()
        );
        assert!(!shown.contains("351912000111") && !shown.contains("20260712339015"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_input_makes_a_parser_panic(text in ".{0,300}") {
            let _ = (WaId::new(&text).is_ok(), Bsuid::new(text.clone()).is_ok(), Wamid::new(text.clone()).is_ok(), MetaAppId::new(text).is_ok());
        }
    }
}
