//! Tokens of every kind, and an identity that answers from memory.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use auth::{Claims, Permission, Reach, Scope, Service as Name, ServiceClaims, Signer};
use futures::{StreamExt as _, stream::BoxStream};
use kernel::{
    clock::{SystemClock, WallClock},
    id::{SessionId, UserId},
    ids::{SystemIds, random_token},
    secret::SecretString,
};
use net::health::Readiness;
use server::{
    IssuedToken, KeySource, RevocationSource, Revoked, Security, SecurityConfig, Sources,
    TokenSource,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{fresh, now};

pub(crate) const LIFE: Duration = Duration::from_mins(10);

/// Signs tokens and answers what identity would.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    signer: Arc<Signer>,
    pub(crate) config: Arc<SecurityConfig>,
}

#[derive(Debug)]
pub(crate) struct Own(Issuer, Name);

impl Issuer {
    pub(crate) fn new() -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { signer: Arc::new(signer), config: Arc::new(SecurityConfig::default()) }
    }

    pub(crate) async fn security(
        &self,
        me: Name,
        stop: &CancellationToken,
    ) -> (Security, Readiness) {
        let readiness = Readiness::new();
        let sources = Sources {
            keys: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
            tokens: Arc::new(Own(self.clone(), me)),
        };
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let made = Security::with_sources(&self.config, me, sources, wall, &readiness, stop);
        readiness.wait().await;
        (made, readiness)
    }

    pub(crate) fn sign(&self, claims: &Claims) -> SecretString {
        self.signer.sign(claims).unwrap()
    }

    pub(crate) fn person(&self, reach: &Reach, permissions: &[Permission]) -> SecretString {
        let (user, session) = (UserId::from_uuid(fresh()), SessionId::from_uuid(fresh()));
        let jti = random_token(&SystemIds::new(), 16);
        let (issuer, audience) = (&self.config.issuer, &self.config.audience);
        let permissions: BTreeSet<_> = permissions.iter().copied().collect();
        self.sign(&Claims::for_person(
            issuer,
            audience,
            user,
            session,
            reach,
            permissions,
            now(),
            LIFE,
            jti,
        ))
    }
}

#[async_trait]
impl KeySource for Issuer {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(serde_json::json!({ "keys": [self.signer.jwk()] }).to_string())
    }
}

#[async_trait]
impl RevocationSource for Issuer {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let none = Revoked { revocations: Vec::new(), complete: true };
        let rest = futures::stream::pending();
        Ok(futures::stream::once(async { Ok(none) }).chain(rest).boxed())
    }

    async fn is_dead(&self, _: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[async_trait]
impl TokenSource for Own {
    async fn issue(&self, callee: Name) -> Result<IssuedToken, Status> {
        let Self(issuer, me) = self;
        let jti = random_token(&SystemIds::new(), 16);
        let claims = ServiceClaims::new(&issuer.config.issuer, *me, callee, now(), LIFE, jti);
        Ok(IssuedToken { token: issuer.signer.sign_service(&claims).unwrap(), life: LIFE })
    }
}
