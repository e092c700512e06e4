//! Waiting on a condition, with a report when it does not come.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Looks until `look` answers something; panics with the last thing seen when time is over.
pub(crate) async fn until<T, S: std::fmt::Debug>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= end => {
                panic!("wanted: {what}, within {} s; last seen: {seen:?}", patience.as_secs())
            }
            Err(_) => sleep(Duration::from_millis(40)).await,
        }
    }
}
