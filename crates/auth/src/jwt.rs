//! The envelope: three parts, a header that says nothing but `alg`, `typ` and `kid`, a signature.
//!
//! Only what carries the right signature is looked into. The header chooses a key among ours and
//! nothing else: the algorithm is the key's own, and a header with any further word (`jku`, `x5u`,
//! `jwk`, `crit` …) is refused whole (AUTH-12). Of the library, signature and key formats are used
//! and its `Validation` is not: it reads the machine's clock and checks less than we need (AUTH-13).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use kernel::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::claims::ClaimsError;

/// Longest token that is looked at, in bytes (AUTH-11).
pub(crate) const LONGEST: usize = 4096;
/// How far clocks may differ, in seconds (AUTH-12).
pub(crate) const LEEWAY: i64 = 10;
/// `typ` of access tokens (RFC 9068).
pub(crate) const ACCESS: &str = "at+jwt";
/// `typ` of the assertions that services show to identity.
pub(crate) const ASSERTION: &str = "client-authentication+jwt";

/// Why a token is refused. Callers hear one word for all of them; this is for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any token of ours.
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    /// Not three parts of base64url, or a header with words that ours never have.
    #[error("the token is malformed")]
    Malformed,
    /// Another kind of token.
    #[error("the token is of another type")]
    Type,
    /// Signed with a key that is not in the set: perhaps one that was added since it was fetched.
    #[error("no key has the token's kid")]
    UnknownKey,
    /// Names another algorithm than its key's.
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    /// Not signed by its key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, twice there, or of the wrong kind.
    #[error("a claim is missing or malformed")]
    Shape,
    /// From another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// For another audience.
    #[error("the token is for another audience")]
    Audience,
    /// Claims that contradict each other.
    #[error("the token's claims are unlawful")]
    Claims(#[from] ClaimsError),
    /// Too late.
    #[error("the token has expired")]
    Expired,
    /// Too early.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its session, key, person or tenant was revoked.
    #[error("the token was revoked")]
    Dead,
    /// A service's assertion that claims to live for longer than a minute.
    #[error("the assertion lives for too long")]
    LivesTooLong,
}

/// A public key and the algorithm that it is for.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// All that a header may say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A token taken apart, its signature not yet checked.
pub(crate) struct Envelope<'a> {
    header: Header,
    payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

impl<'a> Envelope<'a> {
    /// Takes a token of this type apart.
    pub(crate) fn open(token: &'a str, typ: &str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
        if header.typ != typ {
            return Err(TokenError::Type);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// The key that it says it was signed with.
    pub(crate) fn kid(&self) -> &str {
        &self.header.kid
    }

    /// The claims, once the signature has proven them.
    pub(crate) fn claims<C: DeserializeOwned>(&self, key: &PublicKey) -> Result<C, TokenError> {
        if self.header.alg != name(key.algorithm) {
            return Err(TokenError::Algorithm);
        }
        let right = jsonwebtoken::crypto::verify(
            self.signature,
            self.signed.as_bytes(),
            &key.key,
            key.algorithm,
        );
        if !matches!(right, Ok(true)) {
            return Err(TokenError::Signature);
        }
        let payload = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| TokenError::Malformed)?;
        serde_json::from_slice(&payload).map_err(|_| TokenError::Shape)
    }
}

/// `alg` of a header; we sign with Ed25519 alone (AUTH-11).
fn name(algorithm: Algorithm) -> &'static str {
    if algorithm == Algorithm::EdDSA { "EdDSA" } else { "" }
}

/// Checks `nbf` and `exp` against the machine's clock, which is passed in (AUTH-13).
pub(crate) fn check_now(nbf: i64, exp: i64, now: Timestamp) -> Result<(), TokenError> {
    let now = now.as_seconds();
    if nbf > now.saturating_add(LEEWAY) {
        Err(TokenError::NotYet)
    } else if exp.saturating_add(LEEWAY) <= now {
        Err(TokenError::Expired)
    } else {
        Ok(())
    }
}

/// The header and claims of a token that is to be signed.
pub(crate) fn to_sign<C: Serialize>(typ: &str, kid: &str, claims: &C) -> Option<String> {
    let header =
        Header { alg: name(Algorithm::EdDSA).to_owned(), typ: typ.to_owned(), kid: kid.to_owned() };
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = serde_json::to_vec(&header).ok().map(part)?;
    let claims = serde_json::to_vec(claims).ok().map(part)?;
    Some(format!("{header}.{claims}"))
}
