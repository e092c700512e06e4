//! Streams that outlive a call's first judgement are judged again (ISO-8): each item against the scope, and the
//! scope itself against expiry and revocation, also while nothing happens. A drain ends every stream.

use std::sync::Arc;
use std::time::Duration;

use auth::{Scope, TokenError};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::layer::{message_of, reason_of};
use crate::security::Security;
use crate::status::StatusBuilder;

/// How often a silent stream is judged: within the five seconds of T15.
const EVERY: Duration = Duration::from_secs(1);

/// Guards the streams of one scope.
#[derive(Debug, Clone)]
pub struct WatchGuard {
    security: Security,
    scope: Scope,
    stop: CancellationToken,
}

impl WatchGuard {
    /// A guard for a stream that was opened by `scope`, until `stop`.
    pub const fn new(security: Security, scope: Scope, stop: CancellationToken) -> Self {
        Self { security, scope, stop }
    }

    /// Whose stream it is.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the stream may go on.
    fn judge(&self) -> Result<(), Status> {
        self.security.verifier().still_holds(&self.scope).map_err(|error| ended(&error))
    }

    /// Passes on the items that `in_scope` lets through, while the scope holds. The stream ends with its source,
    /// with UNAUTHENTICATED once the token has expired or was revoked, with UNAVAILABLE on a drain.
    pub fn guard<T, S, F>(self, items: S, in_scope: F) -> BoxStream<'static, Result<T, Status>>
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, Status>> + Send + 'static,
        F: Fn(&T, &Scope) -> bool + Send + Sync + 'static,
    {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let in_scope = Arc::new(in_scope);
        let state = Some((self, items.boxed(), tick));
        futures::stream::unfold(state, move |state| {
            let in_scope = Arc::clone(&in_scope);
            async move {
                let (guard, mut items, mut tick) = state?;
                loop {
                    // All three are cancel-safe: nothing is taken from a source whose turn did not come.
                    let item = tokio::select! {
                        biased;
                        () = guard.stop.cancelled() => return Some((Err(stopping()), None)),
                        _ = tick.tick() => None,
                        item = items.next() => Some(item?),
                    };
                    if let Err(status) = guard.judge() {
                        return Some((Err(status), None));
                    }
                    match item {
                        None => {}
                        Some(Ok(item)) if !in_scope(&item, &guard.scope) => {}
                        Some(Ok(item)) => return Some((Ok(item), Some((guard, items, tick)))),
                        Some(Err(status)) => return Some((Err(status), None)),
                    }
                }
            }
        })
        .boxed()
    }
}

/// The stream of a SERVICE method: it has no scope to lose, and ends on a drain.
pub fn until_stopped<T, S>(
    items: S,
    stop: CancellationToken,
) -> BoxStream<'static, Result<T, Status>>
where
    T: Send + 'static,
    S: Stream<Item = Result<T, Status>> + Send + 'static,
{
    let end = stop.clone();
    let last = futures::stream::once(async move { stop.is_cancelled().then(|| Err(stopping())) });
    items.take_until(end.cancelled_owned()).chain(last.filter_map(std::future::ready)).boxed()
}

fn stopping() -> Status {
    StatusBuilder::new(Code::Unavailable, "STOPPING", "the server is stopping; come back").build()
}

fn ended(error: &TokenError) -> Status {
    let reason = reason_of(error);
    StatusBuilder::new(Code::Unauthenticated, reason, message_of(reason)).build()
}
