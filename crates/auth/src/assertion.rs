//! How a service shows identity who it is (AUTH-17): a JWT of at most a minute, signed with the
//! service's own key, whose public half is identity's configuration. That an assertion is used once
//! is identity's table's to say; a key speaks for one service and no other.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claims::{ClaimsError, check_times};
use crate::jwt::{ASSERTION, Envelope, PublicKey, TokenError, check_now};
use crate::keys::{KeyError, named_jwk, public_key};
use crate::service::Service;

/// Longest life of an assertion, in seconds.
const LONGEST_LIFE: i64 = 60;

/// Claims of an assertion; issuer and subject are the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionClaims {
    /// `svc_` and the service's name.
    pub iss: String,
    /// The same.
    pub sub: String,
    /// `identity`.
    pub aud: String,
    /// Issued at.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Expires.
    pub exp: i64,
    /// Its own id, which is taken once.
    pub jti: String,
}

impl AssertionClaims {
    /// Claims of an assertion by `service`, valid from `now` for a minute.
    pub fn new(service: Service, now: Timestamp, jti: String) -> Self {
        let exp = now + Duration::from_secs(LONGEST_LIFE.unsigned_abs());
        Self {
            iss: service.subject(),
            sub: service.subject(),
            aud: Service::Identity.as_str().to_owned(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: exp.as_seconds(),
            jti,
        }
    }
}

/// A verified assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    service: Service,
    jti: String,
    expires: Timestamp,
}

impl Assertion {
    /// Who asserts.
    pub const fn service(&self) -> Service {
        self.service
    }

    /// Its id: a second one with it is a replay.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// Until when the id must be remembered, leeway included.
    pub fn expires(&self) -> Timestamp {
        self.expires + Duration::from_secs(crate::jwt::LEEWAY.unsigned_abs())
    }
}

/// The public halves of the services' keys, current and next.
#[derive(Debug, Clone)]
pub struct AssertionKeys {
    by_kid: BTreeMap<String, (Service, PublicKey)>,
}

impl AssertionKeys {
    /// From pairs of a service and a public key as [`Signer::public_key`](crate::Signer::public_key)
    /// writes it. One key for two services is refused.
    pub fn new<'a>(halves: impl IntoIterator<Item = (Service, &'a str)>) -> Result<Self, KeyError> {
        let mut by_kid = BTreeMap::new();
        for (service, half) in halves {
            let jwk = named_jwk(half.trim())?;
            let key = public_key(&jwk).ok_or(KeyError::Public)?;
            let kid = jwk.common.key_id.ok_or(KeyError::Public)?;
            if by_kid.insert(kid, (service, key)).is_some() {
                return Err(KeyError::Twice);
            }
        }
        Ok(Self { by_kid })
    }

    /// Verifies an assertion; whether its id was seen before is the caller's to ask.
    pub fn verify(&self, assertion: &str, now: Timestamp) -> Result<Assertion, TokenError> {
        let envelope = Envelope::open(assertion, ASSERTION)?;
        let (service, key) = self.by_kid.get(envelope.kid()).ok_or(TokenError::UnknownKey)?;
        let claims: AssertionClaims = envelope.claims(key)?;
        if claims.iss != service.subject() || claims.sub != claims.iss {
            return Err(TokenError::Issuer);
        }
        if claims.aud != Service::Identity.as_str() {
            return Err(TokenError::Audience);
        }
        check_times(claims.iat, claims.nbf, claims.exp)?;
        if claims.jti.is_empty() {
            return Err(ClaimsError::TokenId.into());
        }
        // From the earlier of the two, else a late `nbf` would hide a long life.
        if claims.exp.saturating_sub(claims.iat.min(claims.nbf)) > LONGEST_LIFE {
            return Err(TokenError::LivesTooLong);
        }
        check_now(claims.nbf.max(claims.iat), claims.exp, now)?;
        Ok(Assertion {
            service: *service,
            jti: claims.jti,
            expires: Timestamp::from_seconds(claims.exp),
        })
    }
}
