//! What a token says (AUTH-11), and whether that makes sense: the same check when we sign and when
//! we verify, so that identity cannot issue what a server would refuse.

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::id::{KeyId, OperatorId, PartnerId, SessionId, TenantId, UserId};
use kernel::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::permission::Permission;
use crate::reach::{Environment, MOST_WABAS, Reach, Wabas};
use crate::service::Service;

/// Claims of an access token. Exactly one of `tid`, `pid` and `op` is set; `wabas` goes with `tid`.
/// Times are seconds; `iat_us` repeats the issuing in microseconds, so that a token made right after
/// a revocation is told from one made right before it (AUTH-23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// A person's id (`user_…`) or a key's (`key_…`).
    pub sub: String,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<TenantId>,
    /// Which of the tenant's WABAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wabas: Option<Wabas>,
    /// The partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<PartnerId>,
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OperatorId>,
    /// The environment.
    pub env: Environment,
    /// What the bearer may do. A word that this build does not know grants nothing and is dropped,
    /// so that identity may learn a permission before every other service has.
    #[serde(deserialize_with = "known_permissions")]
    pub perms: BTreeSet<Permission>,
    /// The session (`session_…`), or the key again.
    pub sid: String,
    /// Issued at.
    pub iat: i64,
    /// Issued at, in microseconds.
    pub iat_us: i64,
    /// Not before.
    pub nbf: i64,
    /// Expires.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
    /// Who acts, in an act token (RFC 8693, AUTH-18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
}

/// The operator behind an act token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The operator.
    pub sub: OperatorId,
}

/// Claims of a service's token for one callee (AUTH-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceClaims {
    /// Issuer.
    pub iss: String,
    /// The callee's name.
    pub aud: String,
    /// `svc_` and the caller's name.
    pub sub: String,
    /// Issued at.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Expires.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

/// Claims that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// None or several of `tid`, `pid` and `op`.
    #[error("a token names exactly one of tenant, partner and operator")]
    Reach,
    /// `wabas` without `tid` or the other way round, or too many.
    #[error("a tenant's token names its WABAs, at most {MOST_WABAS}, or all; no other names any")]
    Wabas,
    /// `sub` and `sid` are no person with a session, nor one key.
    #[error("a token belongs to a person's session or to an API key")]
    Holder,
    /// `act` where it may not be, or with a permission that it may not have.
    #[error("an act token is a tenant's, a person's, and without keys, members and the desk")]
    Act,
    /// Times out of order.
    #[error("a token is issued, then valid, then expired")]
    Times,
    /// A token without an id.
    #[error("a token has an id")]
    TokenId,
    /// No service of ours.
    #[error("the subject is no service")]
    Service,
}

/// Who holds a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Person { user: UserId, session: SessionId },
    Key(KeyId),
}

/// Claims that make sense, read.
#[derive(Debug, Clone)]
pub(crate) struct Lawful {
    pub(crate) reach: Reach,
    pub(crate) environment: Environment,
    pub(crate) permissions: BTreeSet<Permission>,
    pub(crate) subject: String,
    pub(crate) holder: Holder,
    pub(crate) acting_operator: Option<OperatorId>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Claims {
    /// Claims of a person's session, valid from `now` for `life`. Issuer and audience are the
    /// installation's, `jti` a fresh random token.
    #[expect(
        clippy::too_many_arguments,
        reason = "a token has that many claims, and each is needed"
    )]
    pub fn for_person(
        iss: &str,
        aud: &str,
        user: UserId,
        session: SessionId,
        reach: &Reach,
        perms: impl IntoIterator<Item = Permission>,
        now: Timestamp,
        life: Duration,
        jti: String,
    ) -> Self {
        let (sub, sid) = (user.to_string(), session.to_string());
        Self::new(iss, aud, (sub, sid), reach, Environment::Any, perms, now, life, jti)
    }

    /// Claims of an API key, valid from `now` for `life`. `env` is the key's prefix's (AUTH-15).
    #[expect(
        clippy::too_many_arguments,
        reason = "a token has that many claims, and each is needed"
    )]
    pub fn for_key(
        iss: &str,
        aud: &str,
        key: KeyId,
        env: Environment,
        reach: &Reach,
        perms: impl IntoIterator<Item = Permission>,
        now: Timestamp,
        life: Duration,
        jti: String,
    ) -> Self {
        let holder = (key.to_string(), key.to_string());
        Self::new(iss, aud, holder, reach, env, perms, now, life, jti)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a token has that many claims, and each is needed"
    )]
    fn new(
        iss: &str,
        aud: &str,
        (sub, sid): (String, String),
        reach: &Reach,
        env: Environment,
        perms: impl IntoIterator<Item = Permission>,
        now: Timestamp,
        life: Duration,
        jti: String,
    ) -> Self {
        let (tid, wabas, pid, op) = match reach {
            Reach::Tenant { tenant, wabas } => (Some(*tenant), Some(wabas.clone()), None, None),
            Reach::Partner { partner } => (None, None, Some(*partner), None),
            Reach::Operator { operator } => (None, None, None, Some(*operator)),
        };
        Self {
            iss: iss.to_owned(),
            aud: aud.to_owned(),
            sub,
            tid,
            wabas,
            pid,
            op,
            env,
            perms: perms.into_iter().collect(),
            sid,
            iat: now.as_seconds(),
            iat_us: now.as_micros(),
            nbf: now.as_seconds(),
            exp: (now + life).as_seconds(),
            jti,
            act: None,
        }
    }

    /// Whether the claims make sense together, and what they say.
    pub(crate) fn lawful(&self) -> Result<Lawful, ClaimsError> {
        let reach = match (self.tid, self.pid, self.op) {
            (Some(tenant), None, None) => {
                let wabas = self.wabas.clone().ok_or(ClaimsError::Wabas)?;
                if matches!(&wabas, Wabas::Only(some) if some.len() > MOST_WABAS) {
                    return Err(ClaimsError::Wabas);
                }
                Reach::Tenant { tenant, wabas }
            }
            (None, Some(partner), None) => Reach::Partner { partner },
            (None, None, Some(operator)) => Reach::Operator { operator },
            _ => return Err(ClaimsError::Reach),
        };
        if self.tid.is_none() && self.wabas.is_some() {
            return Err(ClaimsError::Wabas);
        }
        let holder = self.holder(&reach)?;
        let acting_operator = match &self.act {
            None => None,
            Some(act) => {
                let of_a_person = matches!(holder, Holder::Person { .. });
                let permitted = self.perms.iter().all(|one| one.is_for_act());
                if self.tid.is_none() || !of_a_person || !permitted {
                    return Err(ClaimsError::Act);
                }
                Some(act.sub)
            }
        };
        check_times(self.iat, self.nbf, self.exp)?;
        if self.iat_us.div_euclid(1_000_000) != self.iat {
            return Err(ClaimsError::Times);
        }
        if self.jti.is_empty() {
            return Err(ClaimsError::TokenId);
        }
        Ok(Lawful {
            reach,
            environment: self.env,
            permissions: self.perms.clone(),
            subject: self.sub.clone(),
            holder,
            acting_operator,
            issued: Timestamp::from_micros(self.iat_us),
            expires: Timestamp::from_seconds(self.exp),
        })
    }

    fn holder(&self, reach: &Reach) -> Result<Holder, ClaimsError> {
        if let (Ok(user), Ok(session)) = (self.sub.parse(), self.sid.parse()) {
            return Ok(Holder::Person { user, session });
        }
        match self.sub.parse() {
            // A key is a tenant's: the desk is worked by people alone.
            Ok(key) if self.sub == self.sid && matches!(reach, Reach::Tenant { .. }) => {
                Ok(Holder::Key(key))
            }
            _ => Err(ClaimsError::Holder),
        }
    }
}

impl ServiceClaims {
    /// Claims of `caller`'s token for `callee`, valid from `now` for `life`.
    pub fn new(
        iss: &str,
        caller: Service,
        callee: Service,
        now: Timestamp,
        life: Duration,
        jti: String,
    ) -> Self {
        Self {
            iss: iss.to_owned(),
            aud: callee.as_str().to_owned(),
            sub: caller.subject(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: (now + life).as_seconds(),
            jti,
        }
    }

    /// Whether the claims make sense together, and whose they are.
    pub(crate) fn lawful(&self) -> Result<Service, ClaimsError> {
        check_times(self.iat, self.nbf, self.exp)?;
        if self.jti.is_empty() {
            return Err(ClaimsError::TokenId);
        }
        Service::from_subject(&self.sub).ok_or(ClaimsError::Service)
    }
}

pub(crate) fn check_times(iat: i64, nbf: i64, exp: i64) -> Result<(), ClaimsError> {
    if iat >= 0 && nbf >= 0 && iat < exp && nbf < exp { Ok(()) } else { Err(ClaimsError::Times) }
}

fn known_permissions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeSet<Permission>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
}
