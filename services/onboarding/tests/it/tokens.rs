//! A signing key of a test's own: tokens of people, keys and services, and a judge that knows them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Environment, Permission, Reach, Scope, Service, ServiceClaims, Signer, Wabas};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::clock::{SystemClock, WallClock};
use kernel::id::{KeyId, OperatorId, PartnerId, SessionId, TenantId, UserId};
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use net::health::Readiness;
use server::{
    IssuedToken, KeySource, RevocationSource, Revoked, Security, SecurityConfig, Sources,
    TokenSource,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

const LIFE: Duration = Duration::from_mins(10);

/// Signs, and answers what identity would.
#[derive(Debug, Clone)]
pub(crate) struct Mint {
    config: SecurityConfig,
    signer: Signer,
}

fn now() -> Timestamp {
    WallClock::now(&SystemClock)
}

impl Mint {
    pub(crate) fn new() -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { config: SecurityConfig::default(), signer }
    }

    /// A token of one of our services for this one.
    pub(crate) fn service(&self, caller: Service) -> String {
        let issuer = &self.config.issuer;
        let jti = "1".to_owned();
        let claims = ServiceClaims::new(issuer, caller, Service::Onboarding, now(), LIFE, jti);
        self.signer.sign_service(&claims).unwrap().expose_secret().to_owned()
    }

    /// A token of a person with every permission that there is: what a method takes is the contract's to say.
    fn person(&self, reach: &Reach) -> String {
        let (user, session) =
            (UserId::from_uuid(Uuid::from_u128(1)), SessionId::from_uuid(Uuid::from_u128(2)));
        let (issuer, audience) = (&self.config.issuer, &self.config.audience);
        let (all, jti) = (Permission::ALL.iter().copied(), "2".to_owned());
        let claims =
            Claims::for_person(issuer, audience, user, session, reach, all, now(), LIFE, jti);
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
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
        let reach = Reach::Tenant { tenant, wabas };
        let key = KeyId::from_uuid(Uuid::from_u128(5));
        let (issuer, audience) = (&self.config.issuer, &self.config.audience);
        let (all, jti) = (Permission::ALL.iter().copied(), "3".to_owned());
        let claims = Claims::for_key(issuer, audience, key, env, &reach, all, now(), LIFE, jti);
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }

    /// A judge of tokens, ready.
    pub(crate) async fn security(
        &self,
        readiness: &Readiness,
        stop: &CancellationToken,
    ) -> Security {
        let sources = Sources {
            keys: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
            tokens: Arc::new(self.clone()),
        };
        let (me, clock) = (Service::Onboarding, Arc::new(SystemClock));
        let made = Security::with_sources(&self.config, me, sources, clock, readiness, stop);
        readiness.wait().await;
        made
    }
}

#[async_trait]
impl KeySource for Mint {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(format!("{{\"keys\":[{}]}}", self.signer.jwk()))
    }
}

#[async_trait]
impl RevocationSource for Mint {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let first = Revoked { revocations: Vec::new(), complete: true };
        let none = futures::stream::pending();
        Ok(futures::stream::once(async { Ok(first) }).chain(none).boxed())
    }

    async fn is_dead(&self, _: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[async_trait]
impl TokenSource for Mint {
    async fn issue(&self, _: Service) -> Result<IssuedToken, Status> {
        Ok(IssuedToken { token: SecretString::from("none"), life: LIFE })
    }
}
