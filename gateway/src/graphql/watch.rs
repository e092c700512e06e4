//! Follows a service's Watch stream for as long as its subscriber listens. Every item carries its cursor, so a
//! stream that breaks, drains or falls behind is opened again at the last one: nothing is lost, an item may come
//! twice. One that breaks before its first item has no cursor yet, and its subscriber is told so by `resync`. With an API key the token behind the stream is renewed before it ends (AUTH-21); without one the stream
//! ends with its token, and so does the socket.
//!
//! Nothing is kept: a process that dies breaks its sockets, and subscribers come back with their last cursors.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth::Scope;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::call::Call;
use crate::refusal::{Kind, Refusal};

/// One item of a Watch stream, whatever it is about.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    pub(crate) item: Option<T>,
    pub(crate) cursor: String,
    pub(crate) resync: bool,
}

/// Opens the stream after a cursor, for the caller's present token.
pub(crate) type Opening<T> = Pin<
    Box<dyn Future<Output = Result<BoxStream<'static, Result<Seen<T>, Status>>, Status>> + Send>,
>;

/// Tries in a row without an item before the subscriber is told.
const TRIES: u32 = 8;
/// Longest wait between two of them.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long before its end a token is renewed.
const MARGIN: Duration = Duration::from_secs(30);

struct Follower<T, F> {
    call: Arc<Call>,
    open: F,
    after: String,
    stream: Option<BoxStream<'static, Result<Seen<T>, Status>>>,
    renewal: Option<Pin<Box<Sleep>>>,
    failures: u32,
    opened: bool,
    done: bool,
}

/// Items from `after` on, for as long as the caller may see them.
pub(crate) fn follow<T, F>(
    call: Arc<Call>,
    after: String,
    open: F,
) -> impl Stream<Item = async_graphql::Result<Seen<T>>>
where
    T: Send + 'static,
    F: Fn(&Call, Scope, String) -> Opening<T> + Send + Sync + 'static,
{
    let follower = Follower {
        call,
        open,
        after,
        stream: None,
        renewal: None,
        failures: 0,
        opened: false,
        done: false,
    };
    futures::stream::unfold(follower, |mut follower| async move {
        let item = follower.next().await?;
        Some((item, follower))
    })
}

impl<T, F> Follower<T, F>
where
    T: Send + 'static,
    F: Fn(&Call, Scope, String) -> Opening<T> + Send + Sync + 'static,
{
    async fn next(&mut self) -> Option<async_graphql::Result<Seen<T>>> {
        loop {
            if self.done {
                return None;
            }
            match self.step().await {
                Ok(Some(seen)) => return Some(Ok(seen)),
                Ok(None) => {}
                Err(refusal) => {
                    self.done = true;
                    return Some(Err(self.call.error(refusal)));
                }
            }
        }
    }

    /// One item, or one step towards it.
    async fn step(&mut self) -> Result<Option<Seen<T>>, Refusal> {
        if self.stream.is_none() {
            self.open().await?;
            let again = self.stream.is_some() && std::mem::replace(&mut self.opened, true);
            if again && self.after.is_empty() {
                // It broke before it had brought a cursor: what happened meanwhile may be missed, and is said so.
                return Ok(Some(Seen { item: None, cursor: String::new(), resync: true }));
            }
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let renewal = self.renewal.as_mut();
        let due = async {
            match renewal {
                Some(renewal) => renewal.await,
                None => std::future::pending().await,
            }
        };
        // Both are cancel-safe: a stream's next item is taken or left.
        let got = tokio::select! {
            biased;
            () = due => None,
            got = stream.next() => Some(got),
        };
        match got {
            Some(Some(Ok(seen))) => {
                self.failures = 0;
                if !seen.cursor.is_empty() {
                    self.after.clone_from(&seen.cursor);
                }
                if seen.resync {
                    // It fell behind and ends; what was missed comes again from the last cursor.
                    self.stream = None;
                    return Ok(Some(Seen { item: None, cursor: self.after.clone(), resync: true }));
                }
                Ok(Some(seen))
            }
            Some(Some(Err(status))) => {
                self.stream = None;
                self.survive(Refusal::from(status)).await.map(|()| None)
            }
            Some(None) => {
                self.stream = None;
                self.pause(None).await.map(|()| None)
            }
            None => {
                // Opened again with the fresh token at the last cursor.
                self.stream = None;
                self.renew().await.map(|()| None)
            }
        }
    }

    async fn open(&mut self) -> Result<(), Refusal> {
        let scope = self.call.scope();
        let opening = (self.open)(&self.call, scope.clone(), self.after.clone());
        match opening.await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.renewal = self.call.session().has_key().then(|| {
                    let left = scope.expires().since(self.call.now()).saturating_sub(MARGIN);
                    Box::pin(tokio::time::sleep_until(Instant::now() + left))
                });
                Ok(())
            }
            Err(status) => self.survive(Refusal::from(status)).await,
        }
    }

    /// Goes on after a refusal, where that makes sense.
    async fn survive(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        match refusal.kind() {
            Kind::Unauthenticated if self.call.session().has_key() && self.failures < TRIES => {
                self.failures += 1;
                self.renew().await
            }
            Kind::Unavailable => self.pause(Some(refusal)).await,
            Kind::Unauthenticated
            | Kind::Domain
            | Kind::NotFound
            | Kind::Denied
            | Kind::Internal => Err(refusal),
        }
    }

    async fn renew(&mut self) -> Result<(), Refusal> {
        match self.call.house().bearer.renew(self.call.session()).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind() == Kind::Unavailable => self.pause(Some(refusal)).await,
            Err(refusal) => Err(refusal),
        }
    }

    async fn pause(&mut self, why: Option<Refusal>) -> Result<(), Refusal> {
        self.failures += 1;
        if let Some(refusal) = why.filter(|_| self.failures > TRIES) {
            return Err(refusal);
        }
        let wait = Duration::from_millis(100).saturating_mul(1 << self.failures.min(6));
        tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        Ok(())
    }
}
