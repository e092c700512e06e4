//! Values that no log, span, error or crash may show (SEC-4): their `Debug` and `Display` mask,
//! they have no `Serialize`, and they are wiped on drop, as far as moves allow. `expose()` is the
//! one way in, and easy to grep for. Sealing them for the database is `seal`'s.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
pub use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::ConstantTimeEq;
pub use zeroize::Zeroizing;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a masked value shows.
const MASK: &str = "***";

/// Longest e-mail address that SMTP carries, in bytes (RFC 5321, 4.5.3.1.3, without the brackets).
const LONGEST_EMAIL: usize = 254;

macro_rules! masked {
    ($name:ident) => {
        impl $name {
            /// The value itself. For the wire and the database alone.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(MASK)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    };
}

macro_rules! plain {
    ($name:ident) => {
        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
        masked!($name);
    };
}

/// Credentials are compared in constant time, so that an answer's timing tells nothing of them.
macro_rules! constant_time {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }
        impl Eq for $name {}
    };
}

/// An e-mail address in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub struct Email(String);

/// What somebody wrote to somebody.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct MessageText(String);

/// An access token of Meta's.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MetaToken(String);

/// The secret that a tenant's endpoint checks our webhooks with.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct WebhookSecret(String);

masked!(Email);
plain!(MessageText);
plain!(MetaToken);
plain!(WebhookSecret);
constant_time!(MetaToken);
constant_time!(WebhookSecret);

/// A text that is no key of 32 bytes; it does not carry the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a key of 32 bytes, written as 43 or 44 characters of base64 or 64 of hex")]
pub struct KeyTextError;

/// Reads a key of 32 bytes as secret references hold them: page key, pepper, key-encryption key.
/// Base64 in either alphabet, padded or not, or hex; blanks around it are dropped.
pub fn parse_key(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyTextError> {
    let text = text.trim();
    let raw = Zeroizing::new(if text.len() == 64 { from_hex(text) } else { from_base64(text) }?);
    let mut key = Zeroizing::new([0_u8; 32]);
    if raw.len() != key.len() {
        return Err(KeyTextError);
    }
    key.copy_from_slice(&raw);
    Ok(key)
}

fn from_hex(text: &str) -> Result<Vec<u8>, KeyTextError> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                Ok(digit(high).ok_or(KeyTextError)? << 4 | digit(low).ok_or(KeyTextError)?)
            }
            _ => Err(KeyTextError),
        })
        .collect()
}

fn from_base64(text: &str) -> Result<Vec<u8>, KeyTextError> {
    let bare = text.trim_end_matches('=');
    let read = URL_SAFE_NO_PAD.decode(bare).or_else(|_| STANDARD_NO_PAD.decode(bare));
    read.map_err(|_| KeyTextError)
}

/// A text that is no e-mail address; it does not carry the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an e-mail address such as name@example.com, of at most {LONGEST_EMAIL} characters"
)]
pub struct EmailError;

impl Email {
    /// Reads an address: one `@` with something before it and a host with a dot behind it, no
    /// blanks or control characters. Kept in lower case, since people type it either way and it is
    /// unique (ISO-5). Whether it takes mail, only sending can tell.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let (local, host) = text.split_once('@').ok_or(EmailError)?;
        let printable = text.chars().all(|sign| !sign.is_whitespace() && !sign.is_control());
        let quoting = text.contains(['<', '>', '"', ',', ';', '\\', '(', ')', '[', ']', ':']);
        let dotted = host.split('.').count() > 1 && host.split('.').all(|label| !label.is_empty());
        let lawful = !local.is_empty() && printable && !quoting && dotted && !host.contains('@');
        if lawful && text.len() <= LONGEST_EMAIL {
            Ok(Self(text.to_lowercase()))
        } else {
            Err(EmailError)
        }
    }
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn no_secret_shows_itself() {
        const CANARY: &str = "canary@example.com";
        let shown = format!(
            "{0} {0:?} {1} {1:?} {2} {2:?} {3} {3:?} {4:?}",
            Email::parse(CANARY).unwrap(),
            MessageText::new(CANARY),
            MetaToken::new(CANARY),
            WebhookSecret::new(CANARY),
            SecretString::from(CANARY),
        );
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn an_address_is_kept_in_lower_case() {
        assert_eq!(Email::parse(" Ann@Example.COM ").unwrap().expose(), "ann@example.com");
    }

    #[rstest]
    #[case("")]
    #[case("ann")]
    #[case("@example.com")]
    #[case("ann@")]
    #[case("ann@localhost")]
    #[case("ann@example..com")]
    #[case("ann@b@example.com")]
    #[case("ann b@example.com")]
    #[case("ann@example.com\r\nBcc: all@example.com")]
    #[case("Ann <ann@example.com>")]
    fn what_is_no_address_is_refused(#[case] text: &str) {
        assert_eq!(Email::parse(text), Err(EmailError));
    }

    #[rstest]
    #[case::base64url("__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA", true)]
    #[case::base64_padded("//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=\n", true)]
    #[case::hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0EFEEEDECEBEAE9E8E7E6E5E4E3E2E1E0", true)]
    #[case::short("__79_Pv6", false)]
    #[case::no_hex("zzfefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0", false)]
    #[case::no_ascii("é", false)]
    #[case::nothing("", false)]
    fn a_key_is_32_bytes_in_a_known_writing(#[case] text: &str, #[case] read: bool) {
        let expected: Vec<u8> = (0..32).map(|n| 255 - n).collect();
        let key = parse_key(text).ok().map(|key| key.to_vec());
        assert_eq!(key, read.then_some(expected));
    }

    #[test]
    fn credentials_compare_by_value() {
        assert_eq!(MetaToken::new("one"), MetaToken::new("one"));
        assert_ne!(MetaToken::new("one"), MetaToken::new("two"));
        assert_ne!(WebhookSecret::new("one"), WebhookSecret::new("onetwo"));
    }
}
