//! An identity in memory: tokens signed with a key of the test's own, and the answers of identity that judge them.
//!
//! Nobody's token is dead here; what a revocation does is identity's to test.

use std::{sync::Arc, time::Duration};

use auth::{Claims, Environment, Permission, Reach, Scope, Service, ServiceClaims, Signer};
use futures::{StreamExt as _, stream::BoxStream};
use kernel::{
    clock::{SystemClock, WallClock},
    id::{KeyId, SessionId, UserId},
    ids::random_token,
    secret::SecretString,
};
use net::health::Readiness;
use server::{
    IssuedToken, KeySource, RevocationSource, Revoked, Security, SecurityConfig, Sources,
    TokenSource,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    fresh::{fresh, ids, now},
    wait::within,
};

/// How long a token lives.
const LIFE: Duration = Duration::from_mins(10);

/// Signs tokens, and answers what identity would.
#[derive(Debug, Clone)]
pub struct Issuer {
    config: Arc<SecurityConfig>,
    signer: Arc<Signer>,
}

/// The issuer as one service asks it.
#[derive(Debug)]
struct Own(Issuer, Service);

fn jti() -> String {
    random_token(ids(), 12)
}

impl Issuer {
    /// With a new key.
    pub fn generate() -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { config: Arc::new(SecurityConfig::default()), signer: Arc::new(signer) }
    }

    /// The token by which one service calls another.
    pub fn service(&self, caller: Service, callee: Service) -> SecretString {
        let issuer = &self.config.issuer;
        let claims = ServiceClaims::new(issuer, caller, callee, now(), LIFE, jti());
        self.signer.sign_service(&claims).unwrap()
    }

    /// A token of somebody who signed in.
    pub fn person(&self, reach: &Reach, permissions: &[Permission]) -> SecretString {
        let claims = Claims::for_person(
            &self.config.issuer,
            &self.config.audience,
            UserId::from_uuid(fresh()),
            SessionId::from_uuid(fresh()),
            reach,
            permissions.iter().copied(),
            now(),
            LIFE,
            jti(),
        );
        self.signer.sign(&claims).unwrap()
    }

    /// A token of an API key.
    pub fn key(
        &self,
        reach: &Reach,
        environment: Environment,
        permissions: &[Permission],
    ) -> SecretString {
        let claims = Claims::for_key(
            &self.config.issuer,
            &self.config.audience,
            KeyId::from_uuid(fresh()),
            environment,
            reach,
            permissions.iter().copied(),
            now(),
            LIFE,
            jti(),
        );
        self.signer.sign(&claims).unwrap()
    }

    /// What a service judges its callers by and calls others with; ready.
    pub async fn security(
        &self,
        me: Service,
        readiness: &Readiness,
        stop: &CancellationToken,
    ) -> Security {
        let sources = Sources {
            keys: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
            tokens: Arc::new(Own(self.clone(), me)),
        };
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let made = Security::with_sources(&self.config, me, sources, wall, readiness, stop);
        within("keys and revocations", readiness.wait()).await;
        made
    }
}

#[tonic::async_trait]
impl KeySource for Issuer {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(serde_json::json!({ "keys": [self.signer.jwk()] }).to_string())
    }
}

#[tonic::async_trait]
impl RevocationSource for Issuer {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let first = Revoked { revocations: Vec::new(), complete: true };
        let rest = futures::stream::pending();
        Ok(futures::stream::once(async { Ok(first) }).chain(rest).boxed())
    }

    async fn is_dead(&self, _: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[tonic::async_trait]
impl TokenSource for Own {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let Self(issuer, me) = self;
        Ok(IssuedToken { token: issuer.service(*me, callee), life: LIFE })
    }
}
