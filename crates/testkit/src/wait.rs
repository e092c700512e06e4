//! Waiting on a condition, never for a time; and what comes in no order of its own.

use std::time::Duration;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// The value of a future that must not take long.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for: {what}"))
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}

/// The three of them in every order.
pub fn orders<T: Clone>(of: &[T; 3]) -> Vec<Vec<T>> {
    let [a, b, c] = of;
    let all = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]];
    all.iter().map(|order| order.iter().map(|&one| one.clone()).collect()).collect()
}
