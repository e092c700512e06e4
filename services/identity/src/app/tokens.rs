//! Tokens: what is signed for a person's session, a key, or a service.

use std::time::Duration;

use auth::{Claims, Environment, Permission, Reach, Role, Service, ServiceClaims, Wabas};
use kernel::id::{KeyId, OperatorId, SessionId, TenantId, UserId};
use kernel::ids::random_token;
use kernel::secret::SecretString;
use kernel::time::Timestamp;

use super::App;
use crate::domain::place::{Place, Standing};
use crate::error::Error;

/// Bytes of a token's own id.
const JTI: usize = 16;

/// A token and how long it lives.
pub(crate) struct Issued {
    pub(crate) token: SecretString,
    pub(crate) life: Duration,
}

fn reach(standing: &Standing) -> Reach {
    match standing.place {
        Place::Tenant(tenant) => Reach::Tenant { tenant, wabas: Wabas::All },
        Place::Partner(partner) => Reach::Partner { partner },
        Place::Bsp => Reach::Operator { operator: OperatorId::from_uuid(standing.id) },
    }
}

/// The permissions of a role.
pub(crate) fn of_role(role: Role) -> impl Iterator<Item = Permission> {
    role.permissions().iter().copied()
}

impl App {
    fn jti(&self) -> String {
        random_token(&*self.ids, JTI)
    }

    /// A person's token for one place, issued at the instant at which the place was looked at.
    pub(crate) async fn person_token(
        &self,
        user: UserId,
        session: SessionId,
        standing: &Standing,
        at: Timestamp,
    ) -> Result<Issued, Error> {
        let life = self.config.token_life();
        let claims = Claims::for_person(
            &self.config.issuer,
            &self.config.audience,
            user,
            session,
            &reach(standing),
            of_role(standing.role),
            at,
            life,
            self.jti(),
        );
        let token = self.keyring.ring().await?.signer.sign(&claims)?;
        Ok(Issued { token, life })
    }

    /// A key's token.
    pub(crate) async fn key_token(
        &self,
        grant: &KeyGrant,
        at: Timestamp,
        life: Duration,
    ) -> Result<Issued, Error> {
        let reach = Reach::Tenant { tenant: grant.tenant, wabas: grant.wabas.clone() };
        let claims = Claims::for_key(
            &self.config.issuer,
            &self.config.audience,
            grant.key,
            grant.environment,
            &reach,
            grant.permissions.iter().copied(),
            at,
            life,
            self.jti(),
        );
        let token = self.keyring.ring().await?.signer.sign(&claims)?;
        Ok(Issued { token, life })
    }

    /// A service's token for one callee.
    pub(crate) async fn service_token(
        &self,
        caller: Service,
        callee: Service,
    ) -> Result<Issued, Error> {
        let life = self.config.token_life();
        let claims =
            ServiceClaims::new(&self.config.issuer, caller, callee, self.now(), life, self.jti());
        let token = self.keyring.ring().await?.signer.sign_service(&claims)?;
        Ok(Issued { token, life })
    }
}

/// What a key grants.
pub(crate) struct KeyGrant {
    pub(crate) tenant: TenantId,
    pub(crate) key: KeyId,
    pub(crate) environment: Environment,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) wabas: Wabas,
}
