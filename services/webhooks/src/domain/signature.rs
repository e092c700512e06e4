//! Whether a body was signed by the app that it was sent for (IN-5): over the raw bytes, before anybody parses them.
//!
//! The secret is the one of the app in the address; while it rotates the previous one is good too. No other app's is
//! ever tried.

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::secret::{ExposeSecret as _, SecretString};
use meta::app::MetaApp;
use sha2::{Digest as _, Sha256};

/// Which secret of the app had signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignedBy {
    Current,
    Previous,
}

impl SignedBy {
    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

/// Reads the values of `X-Hub-Signature-256`: exactly one, `sha256=` and 64 hex digits.
pub(crate) fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<[u8; 32]> {
    let mut values = values.into_iter();
    let only = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let mut signature = [0_u8; 32];
    hex::decode_to_slice(only.strip_prefix(b"sha256=")?, &mut signature).ok()?;
    Some(signature)
}

/// A body on its way in: what it hashes to and whom it is signed by, told at its end.
pub(crate) struct Check {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
    digest: Sha256,
}

impl Check {
    /// For bodies of this app.
    pub(crate) fn of(app: &MetaApp) -> Option<Self> {
        let current = keyed(&app.secret)?;
        // An empty one would be everybody's.
        let previous = app.previous_secret.as_ref();
        let previous = previous.filter(|secret| !secret.expose_secret().is_empty());
        Some(Self { current, previous: previous.and_then(keyed), digest: Sha256::new() })
    }

    /// The next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.current.update(bytes);
        if let Some(previous) = &mut self.previous {
            previous.update(bytes);
        }
        self.digest.update(bytes);
    }

    /// Who signed, compared in constant time, and the body's SHA-256; `None` where the signature is none of the app's.
    pub(crate) fn end(self, signature: &[u8; 32]) -> Option<(SignedBy, [u8; 32])> {
        let current = self.current.verify_slice(signature).is_ok();
        let previous = self.previous.is_some_and(|mac| mac.verify_slice(signature).is_ok());
        let digest = self.digest.finalize().into();
        match (current, previous) {
            (true, _) => Some((SignedBy::Current, digest)),
            (false, true) => Some((SignedBy::Previous, digest)),
            (false, false) => None,
        }
    }
}

fn keyed(secret: &SecretString) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use meta::app::{Environment, MetaApp};
    use meta::ids::MetaAppId;
    use rstest::rstest;

    use super::*;

    const BODY: &[u8] = br#"{"text":"caf\u00e9 \ud83d\ude00 a\/b"}"#;

    fn app(secret: &str, previous: Option<&str>) -> MetaApp {
        MetaApp {
            id: MetaAppId::new("1").unwrap(),
            name: String::new(),
            environment: Environment::Sandbox,
            secret: secret.into(),
            previous_secret: previous.map(Into::into),
            verify_token: "token".into(),
            graph_base_url: "http://127.0.0.1:1".to_owned(),
            graph_version: "v23.0".to_owned(),
            signup_configurations: Vec::new(),
            business_id: None,
            system_user_token: None,
        }
    }

    fn sign(secret: &str, body: &[u8]) -> String {
        let mut mac = keyed(&secret.into()).unwrap();
        mac.update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    fn judge(app: &MetaApp, header: &str, body: &[u8]) -> Option<SignedBy> {
        let signature = parse([header.as_bytes()])?;
        let mut check = Check::of(app).unwrap();
        for part in body.chunks(7) {
            check.update(part);
        }
        check.end(&signature).map(|(by, _)| by)
    }

    #[rstest]
    #[case::current("now", Some(SignedBy::Current))]
    #[case::previous("before", Some(SignedBy::Previous))]
    #[case::of_another_app("other", None)]
    #[case::empty("", None)]
    fn the_apps_own_secrets_are_good_and_no_other(
        #[case] secret: &str,
        #[case] expected: Option<SignedBy>,
    ) {
        let app = app("now", Some("before"));
        assert_eq!(judge(&app, &sign(secret, BODY), BODY), expected);
    }

    #[test]
    fn an_empty_previous_secret_is_nobodys() {
        assert_eq!(judge(&app("now", Some("")), &sign("", BODY), BODY), None);
    }

    #[test]
    fn a_body_that_says_the_same_in_other_bytes_is_another_body() {
        let app = app("now", None);
        let header = sign("now", BODY);
        let unescaped = r#"{"text":"café 😀 a/b"}"#.as_bytes();
        assert_eq!(judge(&app, &header, BODY), Some(SignedBy::Current));
        assert_eq!(judge(&app, &header, unescaped), None);
    }

    #[rstest]
    #[case::no_prefix("0".repeat(64))]
    #[case::sha1(format!("sha1={}", "0".repeat(40)))]
    #[case::short(format!("sha256={}", "0".repeat(63)))]
    #[case::long(format!("sha256={}", "0".repeat(66)))]
    #[case::no_hex(format!("sha256={}", "g".repeat(64)))]
    #[case::empty(String::new())]
    fn what_is_no_signature_is_not_read(#[case] header: String) {
        assert_eq!(parse([header.as_bytes()]), None);
    }

    #[test]
    fn two_signatures_are_none() {
        let header = sign("now", BODY);
        assert!(parse([header.as_bytes()]).is_some());
        assert!(parse([header.as_bytes(), header.as_bytes()]).is_none());
        assert!(parse(std::iter::empty::<&[u8]>()).is_none());
    }
}
