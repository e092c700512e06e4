//! From text to [`Scope`] or [`Caller`], in the order of AUTH-12: size, type, key, algorithm of that
//! key, signature, issuer, audience, times, the dead. The first that fails ends it.

use std::sync::Arc;

use kernel::clock::WallClock;

use crate::claims::{Claims, ServiceClaims};
use crate::dead::Dead;
use crate::jwt::{ACCESS, Envelope, TokenError, check_now};
use crate::keys::Keys;
use crate::scope::{Caller, Scope};

/// Verifies every token of a process.
#[derive(Debug, Clone)]
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: Arc<Keys>,
    dead: Arc<Dead>,
    clock: Arc<dyn WallClock>,
}

impl Verifier {
    /// A verifier of tokens from this issuer, for this audience.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        keys: Arc<Keys>,
        dead: Arc<Dead>,
        clock: Arc<dyn WallClock>,
    ) -> Self {
        Self { issuer: issuer.into(), audience: audience.into(), keys, dead, clock }
    }

    /// The scope of a person's or key's token: its one birth.
    pub fn user(&self, token: &str) -> Result<Scope, TokenError> {
        let claims: Claims = self.signed(token)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::Audience);
        }
        let lawful = claims.lawful()?;
        check_now(claims.nbf.max(claims.iat), claims.exp, self.clock.now())?;
        if self.dead.holds(&lawful) {
            return Err(TokenError::Dead);
        }
        Ok(Scope::verified(lawful, token))
    }

    /// The service behind a service's token for `expected_aud`, which is our own name.
    pub fn service(&self, token: &str, expected_aud: &str) -> Result<Caller, TokenError> {
        let claims: ServiceClaims = self.signed(token)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != expected_aud {
            return Err(TokenError::Audience);
        }
        let service = claims.lawful()?;
        check_now(claims.nbf.max(claims.iat), claims.exp, self.clock.now())?;
        Ok(Caller::verified(service))
    }

    /// Whether a scope that was verified earlier still holds: for each item of a stream (ISO-8).
    pub fn still_holds(&self, scope: &Scope) -> Result<(), TokenError> {
        if scope.expires() <= self.clock.now() {
            return Err(TokenError::Expired);
        }
        if self.dead.holds(scope.lawful()) { Err(TokenError::Dead) } else { Ok(()) }
    }

    fn signed<C: serde::de::DeserializeOwned>(&self, token: &str) -> Result<C, TokenError> {
        let envelope = Envelope::open(token, ACCESS)?;
        let key = self.keys.get(envelope.kid()).ok_or(TokenError::UnknownKey)?;
        envelope.claims(&key)
    }
}
