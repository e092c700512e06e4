//! The text of an API key: `sb_live_<12 id>_<32 secret><6 checksum>`, all base62 (AUTH-15).
//!
//! The fixed prefix is for scanners of secrets, the checksum for refusing a typing error before
//! anything is looked up. Stored are the id and an HMAC of the secret under a pepper; the text is
//! shown once. Looking up, limits and expiry are identity's.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use kernel::ids::Ids;
use kernel::secret::{SecretString, Zeroizing};

use crate::reach::Environment;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID: usize = 12;
const SECRET: usize = 32;
const CHECKSUM: usize = 6;
const LIVE: &str = "sb_live_";
const SANDBOX: &str = "sb_test_";

/// A text that is no API key. It never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key; one starts with `{LIVE}` or `{SANDBOX}` and must be copied whole")]
pub struct ApiKeyError;

/// An API key with its secret.
#[derive(Clone)]
pub struct ApiKey {
    environment: Environment,
    id: String,
    secret: Zeroizing<String>,
}

impl ApiKey {
    /// A fresh key. `any` is no environment of a key and makes a sandbox's.
    pub fn generate(environment: Environment, ids: &dyn Ids) -> Self {
        let environment = match environment {
            Environment::Live => Environment::Live,
            Environment::Sandbox | Environment::Any => Environment::Sandbox,
        };
        let secret = Zeroizing::new(random_digits(ids, SECRET));
        Self { environment, id: random_digits(ids, ID), secret }
    }

    /// Whether a bearer token looks like an API key, right or wrong.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with("sb_")
    }

    /// Reads a key and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        let (environment, rest) = if let Some(rest) = text.strip_prefix(LIVE) {
            (Environment::Live, rest)
        } else if let Some(rest) = text.strip_prefix(SANDBOX) {
            (Environment::Sandbox, rest)
        } else {
            return Err(ApiKeyError);
        };
        let (id, tail) = rest.split_once('_').ok_or(ApiKeyError)?;
        let (secret, checksum) = tail.split_at_checked(SECRET).ok_or(ApiKeyError)?;
        let lawful = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !lawful(id, ID) || !lawful(secret, SECRET) || !lawful(checksum, CHECKSUM) {
            return Err(ApiKeyError);
        }
        let key =
            Self { environment, id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) };
        if key.checksum() == checksum { Ok(key) } else { Err(ApiKeyError) }
    }

    /// The environment that its prefix says.
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The part that it is looked up by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What lists may show: prefix and id.
    pub fn hint(&self) -> String {
        format!("{}{}…", self.prefix(), self.id)
    }

    /// The whole text, to be shown once.
    pub fn text(&self) -> SecretString {
        format!("{}{}", self.body().as_str(), self.checksum()).into()
    }

    /// HMAC-SHA-256 of the secret under a pepper: what is stored, and cached by.
    pub fn digest(&self, pepper: &[u8; 32]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, pepper);
        let tag = hmac::sign(&key, self.secret.as_bytes());
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Whether `stored` is the digest of this key, compared in constant time.
    pub fn matches(&self, pepper: &[u8; 32], stored: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.digest(pepper), stored).is_ok()
    }

    fn prefix(&self) -> &'static str {
        match self.environment {
            Environment::Live => LIVE,
            Environment::Sandbox | Environment::Any => SANDBOX,
        }
    }

    fn body(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}{}_{}", self.prefix(), self.id, self.secret.as_str()))
    }

    /// CRC-32 of all before it, as six base62 digits.
    fn checksum(&self) -> String {
        let mut rest = crc32fast::hash(self.body().as_bytes());
        let mut digits = [b'0'; CHECKSUM];
        for digit in digits.iter_mut().rev() {
            *digit = base62(rest % 62);
            rest /= 62;
        }
        digits.iter().map(|digit| char::from(*digit)).collect()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.hint())
    }
}

/// The digit for a number below 62.
fn base62(number: u32) -> u8 {
    DIGITS.get(number as usize).copied().unwrap_or(b'0')
}

/// Random base62 digits, each as likely as any other.
fn random_digits(ids: &dyn Ids, count: usize) -> String {
    let mut digits = String::with_capacity(count);
    let mut pool = Zeroizing::new([0_u8; 64]);
    while digits.len() < count {
        ids.fill(pool.as_mut());
        // 248 = 4 × 62: what lies above would make the first digits likelier.
        let fair = pool.iter().filter(|byte| **byte < 248);
        let wanted = count - digits.len();
        digits.extend(fair.take(wanted).map(|byte| char::from(base62(u32::from(*byte) % 62))));
    }
    digits
}

#[cfg(test)]
mod tests {
    use kernel::ids::{SeededIds, SystemIds};
    use kernel::secret::ExposeSecret as _;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Environment::Live, "sb_live_")]
    #[case(Environment::Sandbox, "sb_test_")]
    fn a_key_reads_back(#[case] environment: Environment, #[case] prefix: &str) {
        let key = ApiKey::generate(environment, &SystemIds::new());
        let text = key.text();
        assert!(text.expose_secret().starts_with(prefix));
        assert_eq!(text.expose_secret().len(), 8 + 12 + 1 + 32 + 6);
        let read = ApiKey::parse(text.expose_secret()).unwrap();
        assert_eq!((read.environment(), read.id()), (environment, key.id()));
        assert_eq!(read.digest(&[1; 32]), key.digest(&[1; 32]));
    }

    #[test]
    fn a_key_matches_its_digest_under_its_pepper_alone() {
        let ids = SystemIds::new();
        let [one, two] = [(); 2].map(|()| ApiKey::generate(Environment::Live, &ids));
        let stored = one.digest(&[1; 32]);
        assert!(one.matches(&[1; 32], &stored));
        assert!(!one.matches(&[2; 32], &stored));
        assert!(!two.matches(&[1; 32], &stored));
        assert!(!one.matches(&[1; 32], &stored[..31]));
    }

    #[test]
    fn debug_hides_the_secret() {
        let key = ApiKey::generate(Environment::Live, &SeededIds::new(1));
        assert!(!format!("{key:?}").contains(key.secret.as_str()));
    }

    #[rstest]
    #[case("")]
    #[case("sb_live_")]
    #[case("sb_prod_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    #[case("sb_live_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    #[case("sb_live_é")]
    fn what_is_no_key_is_refused(#[case] text: &str) {
        assert!(ApiKey::parse(text).is_err());
    }

    proptest! {
        #[test]
        fn a_typing_error_is_seen(seed: u64, at in 8_usize..59, digit in 0_usize..62) {
            let text = ApiKey::generate(Environment::Live, &SeededIds::new(seed)).text();
            let mut typed = text.expose_secret().as_bytes().to_vec();
            prop_assume!(typed[at] != DIGITS[digit]);
            typed[at] = DIGITS[digit];
            prop_assert!(ApiKey::parse(str::from_utf8(&typed).unwrap()).is_err());
        }
    }
}
