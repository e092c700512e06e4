//! An installation in a nutshell: a signing key, tokens of every kind, and an identity that answers from memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Permission, Reach, Revocation, Scope, Service, ServiceClaims, Signer, Wabas};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::clock::{ManualClock, WallClock};
use kernel::id::{OperatorId, SessionId, TenantId, UserId};
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use net::health::Readiness;
use server::{
    IssuedToken, KeySource, RevocationSource, Revoked, Security, SecurityConfig, Sources,
    TokenSource,
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

/// Longest that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_mins(10);

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: SecurityConfig,
    pub(crate) revoked: broadcast::Sender<Revocation>,
    signer: Signer,
}

/// Our own tokens for one service, signed on the spot.
#[derive(Debug)]
struct Own(World, Service);

pub(crate) fn user() -> UserId {
    UserId::from_uuid(Uuid::from_u128(1))
}

pub(crate) fn session() -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(2))
}

pub(crate) fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(3))
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        Self {
            clock: Arc::new(ManualClock::new(now)),
            config: SecurityConfig::default(),
            revoked: broadcast::channel(16).0,
            signer: Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap(),
        }
    }

    pub(crate) fn wall(&self) -> Arc<dyn WallClock> {
        Arc::clone(&self.clock) as Arc<dyn WallClock>
    }

    fn now(&self) -> Timestamp {
        WallClock::now(&*self.clock)
    }

    pub(crate) fn jwks(&self) -> String {
        format!("{{\"keys\":[{}]}}", self.signer.jwk())
    }

    pub(crate) fn service_token(&self, caller: Service, callee: Service) -> String {
        let issuer = &self.config.issuer;
        let claims = ServiceClaims::new(issuer, caller, callee, self.now(), LIFE, "1".to_owned());
        self.signer.sign_service(&claims).unwrap().expose_secret().to_owned()
    }

    /// A token of a person of the tenant, with these permissions.
    pub(crate) fn user_token(&self, permissions: &[Permission]) -> String {
        let reach = Reach::Tenant { tenant: tenant(), wabas: Wabas::All };
        self.token(&reach, permissions)
    }

    pub(crate) fn operator_token(&self, permissions: &[Permission]) -> String {
        let operator = OperatorId::from_uuid(Uuid::from_u128(4));
        self.token(&Reach::Operator { operator }, permissions)
    }

    fn token(&self, reach: &Reach, permissions: &[Permission]) -> String {
        let claims = Claims::for_person(
            &self.config.issuer,
            &self.config.audience,
            user(),
            session(),
            reach,
            permissions.iter().copied().collect::<BTreeSet<_>>(),
            self.now(),
            LIFE,
            "2".to_owned(),
        );
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }

    /// What a service other than identity has in memory here, ready at once.
    pub(crate) fn sources(&self, me: Service) -> Sources {
        Sources {
            keys: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
            tokens: Arc::new(Own(self.clone(), me)),
        }
    }

    pub(crate) async fn security(&self, me: Service) -> (Security, Readiness, CancellationToken) {
        let (readiness, stop) = (Readiness::new(), CancellationToken::new());
        let (sources, clock) = (self.sources(me), self.wall());
        let made = Security::with_sources(&self.config, me, sources, clock, &readiness, &stop);
        tokio::time::timeout(PATIENCE, readiness.wait()).await.expect("security becomes ready");
        (made, readiness, stop)
    }
}

#[async_trait]
impl KeySource for World {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(World::jwks(self))
    }
}

#[async_trait]
impl RevocationSource for World {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let first = Revoked { revocations: Vec::new(), complete: true };
        let changes = futures::stream::unfold(self.revoked.subscribe(), |mut changes| async {
            let one = changes.recv().await.ok()?;
            Some((Ok(Revoked { revocations: vec![one], complete: false }), changes))
        });
        Ok(futures::stream::once(async { Ok(first) }).chain(changes).boxed())
    }

    async fn is_dead(&self, _scope: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[async_trait]
impl TokenSource for Own {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let token = SecretString::from(self.0.service_token(self.1, callee));
        Ok(IssuedToken { token, life: LIFE })
    }
}

/// Waits until `holds`, with a limit.
pub(crate) async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("wanted {what}"));
}
