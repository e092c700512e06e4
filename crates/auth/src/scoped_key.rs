//! The key of whatever is cached for callers (ISO-7): a shared cache is the classic way from one
//! tenant into another, so a key can be made from a [`Scope`] alone and differs where reach,
//! environment or permissions do.

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::reach::{Environment, Principal, Reach};
use crate::scope::Scope;

/// The key of one cached answer for one kind of caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScopedKey {
    principal: Principal,
    owner: Uuid,
    environment: Environment,
    wabas: [u8; 32],
    permissions: [u8; 32],
    kind: &'static str,
    id: String,
}

impl ScopedKey {
    /// The key of the thing `id` of this kind, as this caller sees it.
    pub fn new(scope: &Scope, kind: &'static str, id: impl Into<String>) -> Self {
        let owner = match scope.reach() {
            Reach::Tenant { tenant, .. } => tenant.uuid(),
            Reach::Partner { partner } => partner.uuid(),
            Reach::Operator { operator } => operator.uuid(),
        };
        let mut permissions = digest::Context::new(&digest::SHA256);
        for permission in scope.permissions() {
            permissions.update(permission.as_str().as_bytes());
            permissions.update(b" ");
        }
        Self {
            principal: scope.principal(),
            owner,
            environment: scope.environment(),
            wabas: scope.wabas().map(crate::Wabas::fingerprint).unwrap_or_default(),
            permissions: permissions.finish().as_ref().first_chunk().copied().unwrap_or_default(),
            kind,
            id: id.into(),
        }
    }
}
