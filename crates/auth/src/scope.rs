//! What a verified caller may reach: [`Scope`], [`Caller`] and [`Acting`].
//!
//! Their fields are private and they have two births, both in this crate: the verifier, and
//! [`Acting::for_row`], which `store` alone may call (ISO-1). None is `Deserialize` or `Default`;
//! [`Scope::narrow`] exists, its opposite does not. Nothing in a request can widen one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use kernel::id::{OperatorId, PartnerId, TenantId, UserId, WabaId};
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use uuid::Uuid;

use crate::claims::{Holder, Lawful};
use crate::permission::Permission;
use crate::reach::{Environment, Principal, Reach, Wabas};
use crate::service::Service;

/// The reach of a verified user token. Cheap to clone; owned by whatever works for its caller,
/// never kept in a task-local (ISO-10).
#[derive(Clone)]
pub struct Scope {
    reach: Reach,
    token: Arc<Token>,
}

/// What all scopes of one token share.
struct Token {
    lawful: Lawful,
    text: SecretString,
}

/// The scope is one of a partner or an operator, who work at the desk and in no tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this caller belongs to no tenant")]
pub struct NoTenant;

/// What was to be a part of a scope is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope narrows to WABAs that it holds, never to others")]
pub struct NotNarrower;

impl Scope {
    /// The birth from a verified token.
    pub(crate) fn verified(lawful: Lawful, text: &str) -> Self {
        let reach = lawful.reach.clone();
        Self { reach, token: Arc::new(Token { lawful, text: text.into() }) }
    }

    /// How far it reaches.
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The kind of caller.
    pub const fn principal(&self) -> Principal {
        self.reach.principal()
    }

    /// The tenant, of a tenant's caller.
    pub const fn tenant(&self) -> Option<TenantId> {
        match &self.reach {
            Reach::Tenant { tenant, .. } => Some(*tenant),
            Reach::Partner { .. } | Reach::Operator { .. } => None,
        }
    }

    /// The WABAs, of a tenant's caller.
    pub const fn wabas(&self) -> Option<&Wabas> {
        match &self.reach {
            Reach::Tenant { wabas, .. } => Some(wabas),
            Reach::Partner { .. } | Reach::Operator { .. } => None,
        }
    }

    /// The partner, of a partner's caller.
    pub const fn partner(&self) -> Option<PartnerId> {
        match &self.reach {
            Reach::Partner { partner } => Some(*partner),
            Reach::Tenant { .. } | Reach::Operator { .. } => None,
        }
    }

    /// The operator at the desk, or the one who acts in a tenant by an act token (AUTH-18).
    pub fn operator(&self) -> Option<OperatorId> {
        match &self.reach {
            Reach::Operator { operator } => Some(*operator),
            Reach::Tenant { .. } | Reach::Partner { .. } => self.token.lawful.acting_operator,
        }
    }

    /// Whether an operator acts in this tenant by an act token.
    pub fn is_act(&self) -> bool {
        self.token.lawful.acting_operator.is_some()
    }

    /// Which environment's WABAs the caller sees; a WABA of another is absent (AUTH-15).
    pub fn environment(&self) -> Environment {
        self.token.lawful.environment
    }

    /// Who it is: a person's or a key's id.
    pub fn subject(&self) -> &str {
        &self.token.lawful.subject
    }

    /// The person; a key is none.
    pub fn user(&self) -> Option<UserId> {
        match self.token.lawful.holder {
            Holder::Person { user, .. } => Some(user),
            Holder::Key(_) => None,
        }
    }

    /// The session, or the key.
    pub fn session(&self) -> Option<Uuid> {
        Some(match self.token.lawful.holder {
            Holder::Person { session, .. } => session.uuid(),
            Holder::Key(key) => key.uuid(),
        })
    }

    /// Whether an API key was exchanged for this token.
    pub fn is_api_key(&self) -> bool {
        match self.token.lawful.holder {
            Holder::Person { .. } => false,
            Holder::Key(_) => true,
        }
    }

    /// Whether the token permits this.
    pub fn permits(&self, permission: Permission) -> bool {
        self.token.lawful.permissions.contains(&permission)
    }

    /// All that the token permits.
    pub fn permissions(&self) -> &BTreeSet<Permission> {
        &self.token.lawful.permissions
    }

    /// When the token was issued.
    pub fn issued(&self) -> Timestamp {
        self.token.lawful.issued
    }

    /// When the token ends; streams end then too (ISO-8).
    pub fn expires(&self) -> Timestamp {
        self.token.lawful.expires
    }

    /// The token itself, for relaying it with a call for this caller. Its reach is the whole one,
    /// also from a narrowed scope: the callee answers for what the caller may do, as we do.
    pub fn token(&self) -> &SecretString {
        &self.token.text
    }

    /// The same caller, limited to some of the WABAs.
    pub fn narrow(&self, to: Wabas) -> Result<Self, NotNarrower> {
        match &self.reach {
            Reach::Tenant { tenant, wabas } if wabas.covers(&to) => Ok(Self {
                reach: Reach::Tenant { tenant: *tenant, wabas: to },
                token: Arc::clone(&self.token),
            }),
            Reach::Tenant { .. } | Reach::Partner { .. } | Reach::Operator { .. } => {
                Err(NotNarrower)
            }
        }
    }

    /// What the verifier checks again on a stream's items: whether it died meanwhile (ISO-8).
    pub(crate) fn lawful(&self) -> &Lawful {
        &self.token.lawful
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("reach", &self.reach)
            .field("subject", &self.token.lawful.subject)
            .finish_non_exhaustive()
    }
}

/// One of our services, calling on its own behalf. It has no reach (ISO-1): the handler finds the
/// row that the request names and works by that row's [`Acting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    service: Service,
}

impl Caller {
    pub(crate) const fn verified(service: Service) -> Self {
        Self { service }
    }

    /// Which service.
    pub const fn service(&self) -> Service {
        self.service
    }
}

/// The reach of one row that `store` has just read in a system transaction. It can't pass a gRPC
/// border: only `store` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    purpose: &'static str,
    tenant: TenantId,
    waba: Option<WabaId>,
}

impl Acting {
    /// The reach of a row of this tenant and WABA, read for this purpose. `store` alone calls it.
    pub const fn for_row(purpose: &'static str, tenant: TenantId, waba: Option<WabaId>) -> Self {
        Self { purpose, tenant, waba }
    }

    /// The row's tenant.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The row's WABA, where it has one.
    pub const fn waba(&self) -> Option<WabaId> {
        self.waba
    }

    /// The purpose that the row was read for.
    pub const fn purpose(&self) -> &'static str {
        self.purpose
    }
}

mod sealed {
    /// Closes [`TenantReach`](super::TenantReach) to other crates.
    pub trait Sealed {}
    impl Sealed for super::Scope {}
    impl Sealed for super::Acting {}
}

/// What `store` asks of a caller: the tenant and WABAs that every query of theirs is limited to.
pub trait TenantReach: sealed::Sealed + Send + Sync {
    /// The tenant, and which of its WABAs.
    fn tenant_reach(&self) -> Result<(TenantId, Wabas), NoTenant>;

    /// The purpose of a system transaction; a user's call has none.
    fn purpose(&self) -> Option<&'static str>;
}

impl TenantReach for Scope {
    fn tenant_reach(&self) -> Result<(TenantId, Wabas), NoTenant> {
        match &self.reach {
            Reach::Tenant { tenant, wabas } => Ok((*tenant, wabas.clone())),
            Reach::Partner { .. } | Reach::Operator { .. } => Err(NoTenant),
        }
    }

    fn purpose(&self) -> Option<&'static str> {
        None
    }
}

impl TenantReach for Acting {
    /// A row without a WABA stands for what its tenant has outside any: all are in reach.
    fn tenant_reach(&self) -> Result<(TenantId, Wabas), NoTenant> {
        Ok((self.tenant, self.waba.map_or(Wabas::All, Wabas::one)))
    }

    fn purpose(&self) -> Option<&'static str> {
        Some(self.purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what `store` calls is tested here")]
    fn a_row_reaches_its_own_waba_alone() {
        let (tenant, waba) = (TenantId::from_uuid(Uuid::nil()), WabaId::from_uuid(Uuid::max()));
        let acting = Acting::for_row("dispatch", tenant, Some(waba));
        assert_eq!(acting.tenant_reach(), Ok((tenant, Wabas::one(waba))));
        assert_eq!(TenantReach::purpose(&acting), Some("dispatch"));
        let whole = Acting::for_row("dispatch", tenant, None);
        assert_eq!(whole.tenant_reach(), Ok((tenant, Wabas::All)));
    }
}
