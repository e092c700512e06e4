//! Keys: [`Signer`] holds a private one, [`Keys`] the public set that tokens are verified by.
//!
//! All are Ed25519, kept as 48-byte PKCS#8 v1 (longer v2 files sign but give no JWK), named by their
//! RFC 7638 thumbprint. A set is swapped whole; a bad one leaves the last good one in place
//! (AUTH-14). Fetching it is `server`'s, rotation identity's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm,
    OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use kernel::secret::{SecretString, Zeroizing};
use serde::Serialize;

use crate::assertion::AssertionClaims;
use crate::claims::{Claims, ClaimsError, ServiceClaims};
use crate::jwt::{ACCESS, ASSERTION, LONGEST, PublicKey, to_sign};

/// Length of an Ed25519 key as PKCS#8 v1.
const PKCS8_V1: usize = 48;

/// What is wrong with a key, or with what it was to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No private key that we can use.
    #[error("expected an Ed25519 key as PKCS#8 version 1, {PKCS8_V1} bytes")]
    Private,
    /// No public key that we can use.
    #[error("expected an Ed25519 public key: 32 bytes in base64url")]
    Public,
    /// The operating system gave no randomness.
    #[error("a key could not be made")]
    Generate,
    /// Not a JWKS.
    #[error("the key set is no JWKS")]
    Set,
    /// A set without a key that we can use, so the old one stays.
    #[error("the key set has no Ed25519 key")]
    Empty,
    /// Two keys under one name.
    #[error("the key set has two keys under one kid")]
    Twice,
    /// A private part in a public set.
    #[error("the key set holds a private key")]
    PrivatePart,
    /// Claims that would be refused when verified.
    #[error("the claims are unlawful")]
    Claims(#[from] ClaimsError),
    /// The token would be longer than one may be.
    #[error("the token would be longer than {LONGEST} bytes; name fewer WABAs")]
    TooLong,
    /// Signing failed.
    #[error("the token could not be signed")]
    Sign,
}

/// A private key, and its name.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    kid: String,
    public: String,
}

impl Signer {
    /// A fresh private key, to be stored; PKCS#8 v1.
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
        Ok(Zeroizing::new(made.map_err(|_| KeyError::Generate)?.as_ref().to_vec()))
    }

    /// A signer with this private key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        if pkcs8.len() != PKCS8_V1 {
            return Err(KeyError::Private);
        }
        let key = EncodingKey::from_ed_der(pkcs8);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(|_| KeyError::Private)?;
        let AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters { x, .. }) = jwk.algorithm
        else {
            return Err(KeyError::Private);
        };
        let kid = named_jwk(&x)?.common.key_id.ok_or(KeyError::Private)?;
        Ok(Self { key, kid, public: x })
    }

    /// A signer with a private key as secret references hold it: PKCS#8 in base64, by
    /// [`Signer::to_text`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let pkcs8 = STANDARD.decode(text.trim()).map_err(|_| KeyError::Private)?;
        Self::from_pkcs8(&Zeroizing::new(pkcs8))
    }

    /// A private key as text, for a secret file.
    pub fn to_text(pkcs8: &[u8]) -> SecretString {
        STANDARD.encode(pkcs8).into()
    }

    /// Its name: the thumbprint of its public half.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half: 32 bytes in base64url, for identity's configuration (AUTH-17).
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Its public half as a JWK with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> serde_json::Value {
        // The value was made from this very text before, and JSON of strings never fails.
        let jwk = named_jwk(&self.public).ok();
        jwk.and_then(|jwk| serde_json::to_value(jwk).ok()).unwrap_or_default()
    }

    /// An access token. Claims that a verifier would refuse are not signed.
    pub fn sign(&self, claims: &Claims) -> Result<SecretString, KeyError> {
        claims.lawful()?;
        self.signed(ACCESS, claims)
    }

    /// A service's token for one callee.
    pub fn sign_service(&self, claims: &ServiceClaims) -> Result<SecretString, KeyError> {
        claims.lawful()?;
        self.signed(ACCESS, claims)
    }

    /// The assertion that a service shows to identity.
    pub fn sign_assertion(&self, claims: &AssertionClaims) -> Result<SecretString, KeyError> {
        self.signed(ASSERTION, claims)
    }

    fn signed<C: Serialize>(&self, typ: &str, claims: &C) -> Result<SecretString, KeyError> {
        let message = to_sign(typ, &self.kid, claims).ok_or(KeyError::Sign)?;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA)
            .map_err(|_| KeyError::Sign)?;
        let token = format!("{message}.{signature}");
        if token.len() > LONGEST { Err(KeyError::TooLong) } else { Ok(token.into()) }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The JWK of an Ed25519 public key in base64url, named by its thumbprint.
pub(crate) fn named_jwk(x: &str) -> Result<Jwk, KeyError> {
    let raw = URL_SAFE_NO_PAD.decode(x);
    if raw.is_ok_and(|raw| raw.len() == 32) {
        let mut jwk = Jwk {
            common: CommonParameters {
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                public_key_use: Some(PublicKeyUse::Signature),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: x.to_owned(),
            }),
        };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::Public)?;
        jwk.common.key_id = Some(kid);
        Ok(jwk)
    } else {
        Err(KeyError::Public)
    }
}

/// The key to verify by, and its algorithm, of a JWK that is ours.
pub(crate) fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else { return None };
    let for_eddsa = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::EdDSA));
    if pair.curve != EllipticCurve::Ed25519 || !for_eddsa {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    if key.try_get_as_bytes().ok()?.len() != 32 {
        return None;
    }
    Some(PublicKey { algorithm: Algorithm::EdDSA, key })
}

/// The public keys that tokens are verified by. Shared by everything in a process, swapped whole.
#[derive(Debug)]
pub struct Keys(ArcSwap<Set>);

#[derive(Debug, Default)]
struct Set {
    by_kid: BTreeMap<String, (PublicKey, Jwk)>,
}

impl Keys {
    /// No key yet: every token is refused.
    pub fn empty() -> Self {
        Self(ArcSwap::from_pointee(Set::default()))
    }

    /// Takes the keys of a JWKS (RFC 7517 JSON) instead of those before. Keys of other kinds are
    /// left out; on an error the old set stays (AUTH-14).
    pub fn replace(&self, jwks_json: &str) -> Result<(), KeyError> {
        let set: serde_json::Value = serde_json::from_str(jwks_json).map_err(|_| KeyError::Set)?;
        let keys = set.get("keys").and_then(serde_json::Value::as_array).ok_or(KeyError::Set)?;
        let mut by_kid = BTreeMap::new();
        for key in keys {
            if key.get("d").is_some() || key.get("k").is_some() {
                return Err(KeyError::PrivatePart);
            }
            let Ok(jwk) = serde_json::from_value::<Jwk>(key.clone()) else { continue };
            let (Some(kid), Some(public)) = (jwk.common.key_id.clone(), public_key(&jwk)) else {
                continue;
            };
            if by_kid.insert(kid, (public, jwk)).is_some() {
                return Err(KeyError::Twice);
            }
        }
        if by_kid.is_empty() {
            return Err(KeyError::Empty);
        }
        self.0.store(Arc::new(Set { by_kid }));
        Ok(())
    }

    /// Whether a key has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.0.load().by_kid.contains_key(kid)
    }

    /// Whether there is no key yet.
    pub fn is_empty(&self) -> bool {
        self.0.load().by_kid.is_empty()
    }

    /// The set as a JWKS.
    pub fn jwks(&self) -> serde_json::Value {
        let set = self.0.load();
        let keys: Vec<&Jwk> = set.by_kid.values().map(|(_, jwk)| jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    pub(crate) fn get(&self, kid: &str) -> Option<PublicKey> {
        self.0.load().by_kid.get(kid).map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn signer() -> Signer {
        Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_made_key_is_version_1_of_pkcs8() {
        assert_eq!(Signer::generate().unwrap().len(), PKCS8_V1);
    }

    #[test]
    fn a_key_reads_back_from_its_text() {
        use kernel::secret::ExposeSecret as _;
        let pkcs8 = Signer::generate().unwrap();
        let text = Signer::to_text(&pkcs8);
        let read = Signer::from_text(&format!("{}\n", text.expose_secret())).unwrap();
        assert_eq!(read.kid(), Signer::from_pkcs8(&pkcs8).unwrap().kid());
    }

    #[test]
    fn a_signers_jwk_makes_a_set() {
        let signer = signer();
        let keys = Keys::empty();
        assert!(keys.is_empty());
        keys.replace(&json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
        assert!(keys.has(signer.kid()));
        assert_eq!(keys.jwks(), json!({ "keys": [signer.jwk()] }));
        assert_eq!(signer.jwk()["alg"], "EdDSA");
        assert_eq!(signer.jwk()["use"], "sig");
        assert_eq!(signer.jwk()["x"], signer.public_key());
    }

    #[rstest]
    #[case::no_json("keys", KeyError::Set)]
    #[case::no_keys("{}", KeyError::Set)]
    #[case::empty(r#"{"keys":[]}"#, KeyError::Empty)]
    #[case::a_shared_secret(
        r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#,
        KeyError::PrivatePart
    )]
    #[case::a_private_part(
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA","kid":"a"}]}"#,
        KeyError::PrivatePart
    )]
    #[case::a_short_key(
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"a"}]}"#,
        KeyError::Empty
    )]
    fn a_bad_set_leaves_the_old_one(#[case] json: &str, #[case] error: KeyError) {
        let signer = signer();
        let keys = Keys::empty();
        keys.replace(&json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
        assert_eq!(keys.replace(json), Err(error));
        assert!(keys.has(signer.kid()));
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        let mut other = signer().jwk();
        let one = signer();
        other["kid"] = one.kid().into();
        let set = json!({ "keys": [one.jwk(), other] }).to_string();
        assert_eq!(Keys::empty().replace(&set), Err(KeyError::Twice));
    }

    #[test]
    fn a_key_of_another_kind_is_left_out() {
        let signer = signer();
        let keys = Keys::empty();
        let other = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec" });
        keys.replace(&json!({ "keys": [other, signer.jwk()] }).to_string()).unwrap();
        assert!(!keys.has("ec"));
        assert!(keys.has(signer.kid()));
    }

    #[rstest]
    #[case(&[])]
    #[case(&[0; 48])]
    #[case(&[0; 83])]
    fn what_is_no_private_key_is_refused(#[case] bytes: &[u8]) {
        assert_eq!(Signer::from_pkcs8(bytes).map(|_| ()), Err(KeyError::Private));
    }
}
