//! What a process needs to judge calls and to place them: identity's keys, the set of the dead, and a token of our
//! own for each callee. Kept fresh in the background, in whatever order the services start.
//!
//! Until identity has answered once, a process is not ready and says in `/readyz` what it waits for. Afterwards it
//! goes on without identity: the last good keys serve for 24 hours, the last set of the dead until the tokens in
//! it have expired, our own tokens to their end (AUTH-14, AUTH-17, AUTH-23).

mod keys;
mod remote;
mod revocations;
mod tokens;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{Caller, Dead, Keys, Revocation, Scope, Service, Signer, TokenError, Verifier};
use futures::stream::BoxStream;
use kernel::clock::WallClock;
use kernel::secret::SecretString;
use net::config::{SecretError, SecretRef};
use net::health::Readiness;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use crate::layer::{message_of, reason_of};
use crate::status::StatusBuilder;
use keys::KeyKeeper;
use remote::Remote;
pub use tokens::ServiceTokens;

/// Settings of tokens: section `security`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityConfig {
    /// `iss` of our tokens: the installation's public URL.
    pub issuer: String,
    /// `aud` of user tokens.
    pub audience: String,
    /// This service's own private key: Ed25519, PKCS#8 version 1.
    pub service_key: SecretRef,
    /// Where identity answers: `host:port`.
    pub identity: String,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            audience: "switchboard".to_owned(),
            service_key: SecretRef::Unset,
            identity: "127.0.0.1:50051".to_owned(),
        }
    }
}

/// Security that can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// The service's key can't be read.
    #[error("security.service_key cannot be read")]
    Secret(#[from] SecretError),
    /// The service's key is none.
    #[error("security.service_key is no key of a service")]
    Key(#[from] auth::KeyError),
    /// Identity's endpoint is none.
    #[error("security.identity is no endpoint")]
    Endpoint(#[from] net::grpc::EndpointError),
}

/// Where the public keys come from: identity over gRPC, or in identity itself its own table.
#[async_trait]
pub trait KeySource: Send + Sync + Debug {
    /// The present set, as a JWKS.
    async fn jwks(&self) -> Result<String, Status>;
}

/// Some of the dead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revoked {
    /// Who died.
    pub revocations: Vec<Revocation>,
    /// Whether this ends the first set, which holds all that was revoked within one token life.
    pub complete: bool,
}

/// Where revocations come from.
#[async_trait]
pub trait RevocationSource: Send + Sync + Debug {
    /// First all, then each as it happens.
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status>;

    /// Whether the token behind `scope` is dead, asked where it is known (AUTH-19).
    async fn is_dead(&self, scope: &Scope) -> Result<bool, Status>;
}

/// A token of our own for one callee.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token.
    pub token: SecretString,
    /// How long it is valid.
    pub life: Duration,
}

/// Where our own tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync + Debug {
    /// A fresh token for calls to `callee`.
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status>;
}

/// The three sources together. Identity has its own; everybody else asks identity.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Of keys.
    pub keys: Arc<dyn KeySource>,
    /// Of revocations.
    pub revocations: Arc<dyn RevocationSource>,
    /// Of our own tokens.
    pub tokens: Arc<dyn TokenSource>,
}

/// Judges tokens. A handle: clones share everything.
#[derive(Debug, Clone)]
pub struct Security(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: Service,
    verifier: Verifier,
    keys: KeyKeeper,
    revocations: Arc<dyn RevocationSource>,
    dead: Arc<Dead>,
    tokens: ServiceTokens,
    tasks: TaskTracker,
}

impl Security {
    /// Asks identity for everything, until `stop`.
    pub fn start(
        config: &SecurityConfig,
        me: Service,
        clock: Arc<dyn WallClock>,
        readiness: &Readiness,
        stop: &CancellationToken,
    ) -> Result<Self, SecurityError> {
        let remote = Remote::new(config, me, Arc::clone(&clock))?;
        let sources = remote.sources();
        Ok(Self::with_sources(config, me, sources, clock, readiness, stop))
    }

    /// The same from other sources: identity's own, or a test's.
    pub fn with_sources(
        config: &SecurityConfig,
        me: Service,
        sources: Sources,
        clock: Arc<dyn WallClock>,
        readiness: &Readiness,
        stop: &CancellationToken,
    ) -> Self {
        let (keys, dead) = (Arc::new(Keys::empty()), Arc::new(Dead::new(Arc::clone(&clock))));
        let verifier = Verifier::new(
            &config.issuer,
            &config.audience,
            Arc::clone(&keys),
            Arc::clone(&dead),
            clock,
        );
        let keeper = KeyKeeper::new(keys, sources.keys);
        let tasks = TaskTracker::new();
        let part = |what: &str| format!("{me}.{what}");

        let (name, fetching) = (part("keys"), keeper.clone());
        readiness.waiting(&name, "the keys of identity");
        let (ready, end) = (readiness.clone(), stop.clone());
        tasks.spawn(async move {
            end.run_until_cancelled(fetching.run(ready, name)).await;
        });

        let name = part("revocations");
        readiness.waiting(&name, "the first set of revocations from identity");
        let watching = revocations::run(
            Arc::clone(&sources.revocations),
            Arc::clone(&dead),
            readiness.clone(),
            name,
        );
        let end = stop.clone();
        tasks.spawn(async move {
            end.run_until_cancelled(watching).await;
        });
        tasks.close();

        Self(Arc::new(Inner {
            me,
            verifier,
            keys: keeper,
            revocations: sources.revocations,
            dead,
            tokens: ServiceTokens::new(sources.tokens),
            tasks,
        }))
    }

    /// Which service this process speaks for.
    pub fn me(&self) -> Service {
        self.0.me
    }

    /// The verifier, for who judges a scope again.
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// Our own tokens.
    pub fn tokens(&self) -> &ServiceTokens {
        &self.0.tokens
    }

    /// The public keys as a JWKS, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> String {
        self.0.keys.keys().jwks().to_string()
    }

    /// The set of the dead: identity adds to its own at once, without the detour of a stream.
    pub fn dead(&self) -> &Dead {
        &self.0.dead
    }

    /// Whether there are keys that may still be trusted.
    pub fn has_keys(&self) -> bool {
        self.0.keys.are_good()
    }

    /// The scope of a user's token. A key that is not known is asked for, at most once in ten seconds.
    pub async fn user(&self, token: &str) -> Result<Scope, TokenError> {
        match self.0.verifier.user(token) {
            Err(TokenError::UnknownKey) if self.0.keys.refetch().await => {
                self.0.verifier.user(token)
            }
            verified => verified,
        }
    }

    /// The service behind a service's token for us.
    pub async fn service(&self, token: &str) -> Result<Caller, TokenError> {
        let me = self.0.me.as_str();
        match self.0.verifier.service(token, me) {
            Err(TokenError::UnknownKey) if self.0.keys.refetch().await => {
                self.0.verifier.service(token, me)
            }
            verified => verified,
        }
    }

    /// Asks identity whether the token behind `scope` still lives: for critical methods (AUTH-19), which would
    /// rather fail than trust a set that may be seconds old.
    pub async fn confirm(&self, scope: &Scope) -> Result<(), Status> {
        let refused = |error: &TokenError| {
            let reason = reason_of(error);
            StatusBuilder::new(Code::Unauthenticated, reason, message_of(reason)).build()
        };
        self.0.verifier.still_holds(scope).map_err(|error| refused(&error))?;
        match self.0.revocations.is_dead(scope).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(refused(&TokenError::Dead)),
            Err(status) => {
                tracing::warn!(error = &status as &dyn std::error::Error, "no answer on a token");
                Err(StatusBuilder::new(
                    Code::Unavailable,
                    "REVOCATION_UNKNOWN",
                    "whether the token was revoked cannot be asked now; repeat",
                )
                .build())
            }
        }
    }

    /// Returns once the background work has ended, after `stop`.
    pub async fn stopped(&self) {
        self.0.tasks.wait().await;
    }
}

/// Waits between two tries, growing to two seconds (AUTH-17: services start in any order).
#[derive(Debug, Default)]
struct BackOff(u32);

impl BackOff {
    async fn wait(&mut self) {
        let millis = 100_u64.saturating_mul(1 << self.0.min(5)).min(2000);
        self.0 = self.0.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    const fn reset(&mut self) {
        self.0 = 0;
    }
}

/// A service's signer from its configuration: PKCS#8 as a file of bytes, or in base64 as secret stores hold text.
pub(crate) fn signer(key: &SecretRef) -> Result<Signer, SecurityError> {
    let bytes = key.read_bytes()?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.is_ascii());
    Ok(match text {
        Some(text) => Signer::from_text(text)?,
        None => Signer::from_pkcs8(&bytes)?,
    })
}
