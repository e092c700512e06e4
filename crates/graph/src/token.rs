//! Access tokens by (tenant, WABA): where they come from, and a short memory of them.
//!
//! The vault is onboarding's; a service asks it by its own identity and holds a token for minutes. What the tail says drops one, a `resync` drops all,
//! and an age bounds what neither reached. A token that was being fetched while it was dropped is not kept.

use async_trait::async_trait;
use kernel::secret::MetaToken;
use moka::future::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Oldest that a remembered token gets.
const OLDEST: Duration = Duration::from_mins(5);
/// Most tokens that are remembered.
const REMEMBERED: u64 = 50_000;

/// There is no token to be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The vault has none for this WABA under this tenant: not connected, or no longer.
    #[error("there is no access token for this WhatsApp Business Account; connect it again")]
    NotFound,
    /// The vault could not be asked; later perhaps.
    #[error("the token vault could not be asked")]
    Unavailable(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// A token, and which of its WABA's credentials it is: what Meta says of one says nothing of a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token itself.
    pub secret: MetaToken,
    /// Generation of the credential; grows whenever the WABA is connected again.
    pub generation: i64,
}

/// Gives tokens.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The token for a WABA of a tenant.
    async fn token(&self, tenant: Uuid, waba: Uuid) -> Result<AccessToken, TokenError>;

    /// Says that a token did not work, or was replaced: the next one is fetched.
    async fn invalidate(&self, tenant: Uuid, waba: Uuid);
}

/// Remembers the tokens of another source for five minutes. Those who ask for one token at a time share one question.
#[derive(Debug)]
pub struct CachedTokens<S> {
    source: S,
    cache: Cache<(Uuid, Uuid), AccessToken>,
    drops: AtomicU64,
}

impl<S: TokenSource> CachedTokens<S> {
    /// A memory in front of `source`.
    pub fn new(source: S) -> Self {
        Self::with_age(source, OLDEST)
    }

    /// The same with another bound of age.
    pub fn with_age(source: S, oldest: Duration) -> Self {
        let cache = Cache::builder().max_capacity(REMEMBERED).time_to_live(oldest).build();
        Self { source, cache, drops: AtomicU64::new(0) }
    }

    /// Forgets all: the tail may have missed something.
    pub fn invalidate_all(&self) {
        self.drops.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate_all();
    }
}

#[async_trait]
impl<S: TokenSource> TokenSource for CachedTokens<S> {
    async fn token(&self, tenant: Uuid, waba: Uuid) -> Result<AccessToken, TokenError> {
        let key = (tenant, waba);
        if let Some(token) = self.cache.get(&key).await {
            return Ok(token);
        }
        let drops = self.drops.load(Ordering::Acquire);
        let token = self
            .cache
            .try_get_with(key, self.source.token(tenant, waba))
            .await
            .map_err(Arc::unwrap_or_clone)?;
        // Something was dropped while the answer was under way: it may be what was dropped.
        if self.drops.load(Ordering::Acquire) != drops {
            self.cache.invalidate(&key).await;
        }
        Ok(token)
    }

    async fn invalidate(&self, tenant: Uuid, waba: Uuid) {
        self.drops.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate(&(tenant, waba)).await;
        self.source.invalidate(tenant, waba).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Vault {
        asked: AtomicU64,
        hold: Option<Arc<(Notify, Notify)>>,
        fails: bool,
    }

    #[async_trait]
    impl TokenSource for Vault {
        async fn token(&self, _: Uuid, _: Uuid) -> Result<AccessToken, TokenError> {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(hold) = &self.hold {
                hold.0.notify_one();
                hold.1.notified().await;
            }
            if self.fails {
                Err(TokenError::NotFound)
            } else {
                let generation = i64::try_from(n).unwrap();
                Ok(AccessToken { secret: MetaToken::new(format!("token-{n}")), generation })
            }
        }

        async fn invalidate(&self, _: Uuid, _: Uuid) {}
    }

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    #[tokio::test]
    async fn a_token_is_asked_for_once_until_it_is_dropped() {
        let tokens = CachedTokens::new(Vault::default());
        let told = async |waba| {
            let token = tokens.token(A, waba).await.unwrap();
            (token.secret.expose().to_owned(), token.generation)
        };
        for _ in 0..3 {
            assert_eq!(told(A).await, ("token-0".to_owned(), 0));
        }
        assert_eq!(told(B).await, ("token-1".to_owned(), 1));
        tokens.invalidate(A, A).await;
        assert_eq!(told(A).await, ("token-2".to_owned(), 2));
        assert_eq!(told(B).await, ("token-1".to_owned(), 1));
        tokens.invalidate_all();
        assert_eq!(told(B).await, ("token-3".to_owned(), 3));
    }

    #[tokio::test]
    async fn one_tenants_token_is_never_anothers() {
        let tokens = CachedTokens::new(Vault::default());
        assert_ne!(tokens.token(A, A).await.unwrap(), tokens.token(B, A).await.unwrap());
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let tokens = CachedTokens::new(Vault { fails: true, ..Vault::default() });
        for _ in 0..2 {
            assert!(matches!(tokens.token(A, A).await, Err(TokenError::NotFound)));
        }
        assert_eq!(tokens.source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_token_that_was_dropped_while_it_was_fetched_is_not_kept() {
        let hold = Arc::new((Notify::new(), Notify::new()));
        let tokens = CachedTokens::new(Vault { hold: Some(Arc::clone(&hold)), ..Vault::default() });
        let fetch = async { tokens.token(A, A).await.unwrap() };
        let drop_meanwhile = async {
            hold.0.notified().await;
            tokens.invalidate(A, A).await;
            hold.1.notify_one();
        };
        let (first, ()) = tokio::join!(fetch, drop_meanwhile);
        hold.1.notify_one();
        assert_ne!(tokens.token(A, A).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_token_grows_no_older_than_its_bound() {
        let tokens = CachedTokens::with_age(Vault::default(), Duration::ZERO);
        assert_ne!(tokens.token(A, A).await.unwrap(), tokens.token(A, A).await.unwrap());
    }
}
