//! Our own tokens, one a callee: fetched at first use, renewed at two thirds of their life, used to their end while
//! identity is away (AUTH-17).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use auth::Service;
use kernel::secret::SecretString;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::TokenSource;
use crate::metrics;
use crate::status::StatusBuilder;

/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of a token's life is left unused, for clocks that differ and calls under way.
const MARGIN: Duration = Duration::from_secs(15);

/// The tokens of this process. A handle: clones share them.
#[derive(Debug, Clone)]
pub struct ServiceTokens {
    source: Arc<dyn TokenSource>,
    held: Arc<BTreeMap<Service, Slot>>,
}

#[derive(Debug)]
struct Slot {
    held: ArcSwapOption<Held>,
    turn: Semaphore,
}

#[derive(Debug)]
struct Held {
    token: SecretString,
    renew: Instant,
    ends: Instant,
}

impl ServiceTokens {
    /// Tokens from `source`.
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        let slot = || Slot { held: ArcSwapOption::empty(), turn: Semaphore::new(1) };
        let held = Service::ALL.iter().map(|service| (*service, slot())).collect();
        Self { source, held: Arc::new(held) }
    }

    /// A token for calls to `callee`. UNAVAILABLE if there is none and none can be had.
    pub async fn for_callee(&self, callee: Service) -> Result<SecretString, Status> {
        let Some(slot) = self.held.get(&callee) else { return Err(away()) };
        if let Some(held) = slot.usable() {
            if Instant::now() < held.renew {
                return Ok(held.token.clone());
            }
            // One of the callers renews; the others go on with what is still good.
            let Ok(_turn) = slot.turn.try_acquire() else { return Ok(held.token.clone()) };
            return Ok(self.fetch(slot, callee).await.unwrap_or_else(|_| held.token.clone()));
        }
        let Ok(_turn) = slot.turn.acquire().await else { return Err(away()) };
        match slot.usable() {
            Some(held) => Ok(held.token.clone()),
            None => self.fetch(slot, callee).await,
        }
    }

    async fn fetch(&self, slot: &Slot, callee: Service) -> Result<SecretString, Status> {
        let begun = Instant::now();
        let fetched = tokio::time::timeout(PATIENCE, self.source.issue(callee)).await;
        let issued = fetched.map_err(|_| away()).flatten();
        metrics::refreshed("token", issued.is_ok());
        let issued = issued.map_err(|status| {
            tracing::debug!(
                error = &status as &dyn std::error::Error,
                callee = %callee,
                "no service token"
            );
            away()
        })?;
        slot.held.store(Some(Arc::new(Held {
            token: issued.token.clone(),
            renew: begun + issued.life * 2 / 3,
            ends: begun + issued.life.saturating_sub(MARGIN),
        })));
        Ok(issued.token)
    }
}

impl Slot {
    fn usable(&self) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| Instant::now() < held.ends)
    }
}

fn away() -> Status {
    StatusBuilder::new(
        Code::Unavailable,
        "SERVICE_TOKEN_UNAVAILABLE",
        "identity gave no token for the call; repeat",
    )
    .build()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use kernel::secret::ExposeSecret as _;

    use super::super::IssuedToken;
    use super::*;

    #[derive(Debug)]
    struct Issuing {
        asked: AtomicUsize,
        fails_after: usize,
        life: Duration,
    }

    #[async_trait]
    impl TokenSource for Issuing {
        async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            if asked >= self.fails_after {
                return Err(Status::unavailable("away"));
            }
            let token = SecretString::from(format!("{callee}-{asked}"));
            Ok(IssuedToken { token, life: self.life })
        }
    }

    fn tokens(fails_after: usize, life: Duration) -> (ServiceTokens, Arc<Issuing>) {
        let source = Arc::new(Issuing { asked: AtomicUsize::new(0), fails_after, life });
        (ServiceTokens::new(Arc::clone(&source) as Arc<dyn TokenSource>), source)
    }

    async fn get(tokens: &ServiceTokens, callee: Service) -> String {
        tokens.for_callee(callee).await.unwrap().expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_a_callee() {
        let (tokens, source) = tokens(9, Duration::from_mins(10));
        let many = (0..20).map(|_| get(&tokens, Service::Assets));
        let all = futures::future::join_all(many).await;
        assert!(all.iter().all(|token| token == "assets-0"));
        assert_eq!(get(&tokens, Service::Webhooks).await, "webhooks-1");
        assert_eq!(source.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_token_past_two_thirds_is_renewed_and_serves_on_if_that_fails() {
        let (tokens, source) = tokens(1, Duration::from_mins(10));
        assert_eq!(get(&tokens, Service::Assets).await, "assets-0");
        let slot = &tokens.held[&Service::Assets];
        let held = slot.held.load_full().unwrap();
        let aged = Held { token: held.token.clone(), renew: Instant::now(), ends: held.ends };
        slot.held.store(Some(Arc::new(aged)));
        assert_eq!(get(&tokens, Service::Assets).await, "assets-0");
        assert_eq!(source.asked.load(Ordering::Relaxed), 2, "renewal was tried");
    }

    #[tokio::test]
    async fn without_a_token_the_call_is_unavailable() {
        let (tokens, _) = tokens(0, Duration::from_mins(10));
        let status = tokens.for_callee(Service::Assets).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
    }
}
