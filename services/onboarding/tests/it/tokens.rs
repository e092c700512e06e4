//! Tokens of people, keys and services for this service, as strings.

use auth::{Environment, Permission, Reach, Service, Wabas};
use kernel::id::{OperatorId, PartnerId, TenantId};
use kernel::secret::{ExposeSecret as _, SecretString};
use testkit::Issuer;
use uuid::Uuid;

/// Signs, and answers what identity would.
#[derive(Debug, Clone)]
pub(crate) struct Mint(pub(crate) Issuer);

fn text(token: &SecretString) -> String {
    token.expose_secret().to_owned()
}

impl Mint {
    pub(crate) fn new() -> Self {
        Self(Issuer::generate())
    }

    /// A token of one of our services for this one.
    pub(crate) fn service(&self, caller: Service) -> String {
        text(&self.0.service(caller, Service::Onboarding))
    }

    /// A token of a person with every permission that there is: what a method takes is the contract's to say.
    fn person(&self, reach: &Reach) -> String {
        text(&self.0.person(reach, Permission::ALL))
    }

    pub(crate) fn operator(&self) -> String {
        self.person(&Reach::Operator { operator: OperatorId::from_uuid(Uuid::from_u128(4)) })
    }

    pub(crate) fn partner(&self, partner: &str) -> String {
        self.person(&Reach::Partner { partner: partner.parse::<PartnerId>().unwrap() })
    }

    pub(crate) fn tenant(&self, tenant: &str) -> String {
        let tenant: TenantId = tenant.parse().unwrap();
        self.person(&Reach::Tenant { tenant, wabas: Wabas::All })
    }

    /// An API key of a tenant, limited to some WABAs.
    pub(crate) fn key(&self, tenant: &str, env: Environment, wabas: &[&str]) -> String {
        let tenant: TenantId = tenant.parse().unwrap();
        let wabas = if wabas.is_empty() {
            Wabas::All
        } else {
            Wabas::Only(wabas.iter().map(|waba| waba.parse().unwrap()).collect())
        };
        text(&self.0.key(&Reach::Tenant { tenant, wabas }, env, Permission::ALL))
    }
}
