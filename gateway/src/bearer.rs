//! From an `Authorization` header to who calls: a token of ours is verified here, an API key is exchanged for one
//! at identity and kept for at most a minute (AUTH-15).
//!
//! Nothing decides here what a caller may do: the services do, by the same token. The cache holds no key, only the
//! SHA-256 of one, and an entry whose token has died is not used.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use auth::{ApiKey, Scope, Service, TokenError};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use kernel::clock::WallClock;
use kernel::secret::{ExposeSecret as _, SecretString};
use moka::future::Cache;
use proto::identity::v1::ExchangeApiKeyRequest;
use proto::identity::v1::session_service_client::SessionServiceClient;
use server::{Peers, Security};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::refusal::Refusal;

/// Most exchanged keys that are kept.
const KEPT: u64 = 10_000;
/// A token with less life than this is not used for another request.
const LEAST_LIFE: Duration = Duration::from_secs(30);

/// Turns bearer tokens into sessions.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    security: Security,
    peers: Peers,
    wall: Arc<dyn WallClock>,
    exchanged: Cache<[u8; 32], Scope>,
}

/// Who calls. One request's, or one socket's, whose token is renewed while its API key lives.
#[derive(Debug)]
pub(crate) struct Session {
    scope: RwLock<Scope>,
    key: Option<SecretString>,
    client: String,
}

impl Session {
    /// The reach of the present token.
    pub(crate) fn scope(&self) -> Scope {
        self.scope.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the token is renewed by an API key.
    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

impl Bearer {
    pub(crate) fn new(
        security: Security,
        peers: Peers,
        wall: Arc<dyn WallClock>,
        keep: Duration,
    ) -> Self {
        let exchanged = Cache::builder().max_capacity(KEPT).time_to_live(keep).build();
        Self { security, peers, wall, exchanged }
    }

    /// Who sends these headers; `client` is the address as the edge knows it, or empty.
    pub(crate) async fn of_headers(
        &self,
        headers: &HeaderMap,
        client: &str,
    ) -> Result<Session, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or_else(missing)?;
        if values.next().is_some() {
            // Which of two counts must never be a question (T4).
            return Err(Refusal::unauthenticated(
                "TOKEN_INVALID",
                "the request has more than one Authorization header",
            ));
        }
        let text = value.to_str().map_err(|_| malformed())?;
        self.of_text(text, client).await
    }

    /// Who shows this text: `Bearer …`, or the token alone.
    pub(crate) async fn of_text(&self, text: &str, client: &str) -> Result<Session, Refusal> {
        let token = match text.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return Err(malformed()),
            None => text.trim(),
        };
        if token.is_empty() {
            return Err(missing());
        }
        if ApiKey::looks_like(token) {
            let scope = self.exchange(token, client).await?;
            let key = Some(SecretString::from(token.to_owned()));
            return Ok(Session { scope: RwLock::new(scope), key, client: client.to_owned() });
        }
        let scope = self.verify(token).await?;
        Ok(Session { scope: RwLock::new(scope), key: None, client: client.to_owned() })
    }

    /// Whether the session's present token still holds: not expired, not revoked.
    pub(crate) fn still_holds(&self, session: &Session) -> Result<(), Refusal> {
        self.security.verifier().still_holds(&session.scope()).map_err(|error| refused(&error))
    }

    /// Gives the session a fresh token, where it has an API key that still lives.
    pub(crate) async fn renew(&self, session: &Session) -> Result<Scope, Refusal> {
        let Some(key) = &session.key else {
            return Err(refused(&TokenError::Expired));
        };
        let fresh = self.exchange(key.expose_secret(), &session.client).await?;
        *session.scope.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(fresh)
    }

    async fn exchange(&self, key: &str, client: &str) -> Result<Scope, Refusal> {
        if ApiKey::parse(key).is_err() {
            // A typing error costs identity nothing.
            return Err(Refusal::unauthenticated("API_KEY_INVALID", "the API key is not valid"));
        }
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if let Some(scope) = self.exchanged.get(&digest).await {
            let alive = self.security.verifier().still_holds(&scope).is_ok();
            if alive && scope.expires().since(self.wall.now()) > LEAST_LIFE {
                return Ok(scope);
            }
            self.exchanged.invalidate(&digest).await;
        }
        // Requests that arrive together with one key share one exchange.
        let exchange = self.ask_identity(key, client);
        self.exchanged.try_get_with(digest, exchange).await.map_err(|refusal| (*refusal).clone())
    }

    async fn ask_identity(&self, key: &str, client: &str) -> Result<Scope, Refusal> {
        let answer = SessionServiceClient::new(self.peers.as_service(Service::Identity))
            .exchange_api_key(ExchangeApiKeyRequest {
                api_key: key.to_owned(),
                client_address: client.to_owned(),
            })
            .await?
            .into_inner();
        self.verify(&answer.access_token).await
    }

    async fn verify(&self, token: &str) -> Result<Scope, Refusal> {
        if !self.security.has_keys() {
            return Err(Refusal::new(
                Code::Unavailable,
                "NOT_READY",
                "the gateway is starting; repeat",
            ));
        }
        self.security.user(token).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "a token was refused");
            refused(&error)
        })
    }
}

fn missing() -> Refusal {
    Refusal::unauthenticated(
        "TOKEN_MISSING",
        "send `Authorization: Bearer` with an access token or an API key",
    )
}

fn malformed() -> Refusal {
    Refusal::unauthenticated("TOKEN_INVALID", "the Authorization header is no bearer token")
}

/// Only what the caller can act on is told; why a token is not ours is nobody else's to know.
fn refused(error: &TokenError) -> Refusal {
    match error {
        TokenError::Expired => Refusal::unauthenticated(
            "TOKEN_EXPIRED",
            "the token has expired; come back with a fresh one",
        ),
        TokenError::Dead => {
            Refusal::unauthenticated("TOKEN_REVOKED", "the token was revoked; sign in again")
        }
        TokenError::TooLong
        | TokenError::Malformed
        | TokenError::Type
        | TokenError::UnknownKey
        | TokenError::Algorithm
        | TokenError::Signature
        | TokenError::Shape
        | TokenError::Issuer
        | TokenError::Audience
        | TokenError::Claims(_)
        | TokenError::NotYet
        | TokenError::LivesTooLong => {
            Refusal::unauthenticated("TOKEN_INVALID", "the token is not valid")
        }
    }
}
