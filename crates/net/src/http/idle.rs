//! Whether a connection is used: an HTTP/2 peer that only answers pings would hold its place for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The requests of one connection.
#[derive(Debug, Clone)]
pub(super) struct Usage(Arc<Mutex<Used>>);

#[derive(Debug)]
struct Used {
    requests: usize,
    /// When the last of them began or ended.
    last: Instant,
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct InHand(Usage);

impl Usage {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Used { requests: 0, last: Instant::now() })))
    }

    pub(super) fn begin(&self) -> InHand {
        self.note(|requests| requests + 1);
        InHand(self.clone())
    }

    /// When it will have been idle for so long, if nothing more is asked; later than now while it is used.
    pub(super) fn idle_at(&self, limit: Duration) -> Instant {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.requests > 0 { Instant::now() + limit } else { used.last + limit }
    }

    fn note(&self, count: impl Fn(usize) -> usize) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.requests = count(used.requests);
        used.last = Instant::now();
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.note(|requests| requests.saturating_sub(1));
    }
}
