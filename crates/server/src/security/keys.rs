//! Keeps the public keys fresh (AUTH-14): every five minutes, on a key that is not known at most once in ten
//! seconds, and from the last good set for up to a day.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use auth::Keys;
use net::health::Readiness;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{BackOff, KeySource};
use crate::metrics;

const EVERY: Duration = Duration::from_mins(5);
const AFTER_FAILURE: Duration = Duration::from_secs(10);
const AT_MOST_EVERY: Duration = Duration::from_secs(10);
const GOOD_FOR: Duration = Duration::from_hours(24);
/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct KeyKeeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Arc<Keys>,
    source: Arc<dyn KeySource>,
    /// When the last good set came.
    fetched: ArcSwapOption<Instant>,
    /// When a fetch was last begun because of an unknown key; one at a time.
    asked: ArcSwapOption<Instant>,
    turn: Semaphore,
}

impl KeyKeeper {
    pub(super) fn new(keys: Arc<Keys>, source: Arc<dyn KeySource>) -> Self {
        Self(Arc::new(Inner {
            keys,
            source,
            fetched: ArcSwapOption::empty(),
            asked: ArcSwapOption::empty(),
            turn: Semaphore::new(1),
        }))
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Whether there is a set, not older than a day.
    pub(super) fn are_good(&self) -> bool {
        self.0.fetched.load().as_ref().is_some_and(|at| at.elapsed() < GOOD_FOR)
    }

    /// Fetches for ever.
    pub(super) async fn run(self, readiness: Readiness, part: String) {
        let mut back_off = BackOff::default();
        loop {
            if self.fetch(&readiness, &part).await {
                back_off.reset();
                tokio::time::sleep(EVERY).await;
            } else if self.are_good() {
                tokio::time::sleep(AFTER_FAILURE).await;
            } else {
                back_off.wait().await;
            }
        }
    }

    async fn fetch(&self, readiness: &Readiness, part: &str) -> bool {
        match self.get().await {
            Ok(()) => {
                readiness.ready(part);
                true
            }
            Err(why) => {
                if !self.are_good() {
                    readiness.waiting(part, format!("the keys of identity: {why}"));
                }
                false
            }
        }
    }

    async fn get(&self) -> Result<(), String> {
        let got = tokio::time::timeout(PATIENCE, self.0.source.jwks()).await;
        let outcome = match got {
            Err(_elapsed) => Err("no answer in time".to_owned()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Ok(Ok(jwks)) => self.0.keys.replace(&jwks).map_err(|error| error.to_string()),
        };
        metrics::refreshed("keys", outcome.is_ok());
        match &outcome {
            Ok(()) => self.0.fetched.store(Some(Arc::new(Instant::now()))),
            Err(why) => tracing::debug!(why, "the keys could not be fetched"),
        }
        outcome
    }

    /// Asks again because of a key that is not known; true if a set came that may have it.
    pub(super) async fn refetch(&self) -> bool {
        let Ok(_turn) = self.0.turn.acquire().await else { return false };
        let asked = self.0.asked.load_full();
        if let Some(at) = asked.filter(|at| at.elapsed() < AT_MOST_EVERY) {
            // Whoever waited for the turn profits from the fetch before it.
            return self.0.fetched.load().as_ref().is_some_and(|fetched| **fetched >= *at);
        }
        self.0.asked.store(Some(Arc::new(Instant::now())));
        self.get().await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use auth::Signer;
    use tonic::Status;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl KeySource for Counting {
        async fn jwks(&self) -> Result<String, Status> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(Status::unavailable("not yet"));
            }
            let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
            Ok(format!("{{\"keys\":[{}]}}", signer.jwk()))
        }
    }

    fn keeper() -> (KeyKeeper, Arc<Counting>) {
        let source = Arc::new(Counting::default());
        let keys = Arc::new(Keys::empty());
        (KeyKeeper::new(keys, Arc::clone(&source) as Arc<dyn KeySource>), source)
    }

    #[tokio::test]
    async fn an_unknown_key_is_asked_for_once_in_ten_seconds() {
        let (keeper, source) = keeper();
        assert!(!keeper.refetch().await);
        for _ in 0..20 {
            keeper.refetch().await;
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn is_ready_once_identity_has_answered_and_says_so_before() {
        let (keeper, _) = keeper();
        let readiness = Readiness::new();
        assert!(!keeper.fetch(&readiness, "keys").await);
        assert!(!readiness.is_ready());
        assert!(!keeper.are_good());
        assert!(keeper.fetch(&readiness, "keys").await);
        assert!(readiness.is_ready());
        assert!(keeper.are_good());
    }
}
