//! Gathers the ids that one pass over a page asks for into one call.
//!
//! A batch is open until a whole turn of the request's task has added nothing to it: the fields of a list are
//! polled one after the other in one turn, so that a page costs one call whatever its size, without a timer and
//! without a task of its own. Nothing is kept after the answer: what is loaded later is loaded anew, and no
//! caller ever meets what was loaded for another (T5).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use crate::refusal::Refusal;

/// What a batch brought, by id. Ids that are missing are not there for this caller.
type Answer<V> = Result<Arc<HashMap<String, V>>, Refusal>;
type Fetch<V> =
    dyn Fn(Vec<String>) -> BoxFuture<'static, Result<HashMap<String, V>, Refusal>> + Send + Sync;
type Open<V> = Mutex<Option<Batch<V>>>;

struct Batch<V> {
    ids: BTreeSet<String>,
    /// How often something was asked for; more often than there are ids where some are asked for twice.
    asked: usize,
    answer: Shared<BoxFuture<'static, Answer<V>>>,
}

/// Loads things of one kind by id.
pub(crate) struct Loader<V> {
    fetch: Arc<Fetch<V>>,
    open: Arc<Open<V>>,
}

impl<V> fmt::Debug for Loader<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl<V: Clone + Send + Sync + 'static> Loader<V> {
    /// A loader over a call for many.
    pub(crate) fn new<F, W>(fetch: F) -> Self
    where
        F: Fn(Vec<String>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<HashMap<String, V>, Refusal>> + Send + 'static,
    {
        let fetch: Arc<Fetch<V>> = Arc::new(move |ids| fetch(ids).boxed());
        Self { fetch, open: Arc::default() }
    }

    /// The thing with this id, if the caller may see it.
    pub(crate) async fn load(&self, id: &str) -> Result<Option<V>, Refusal> {
        let answer = self.join(id).await?;
        Ok(answer.get(id).cloned())
    }

    fn join(&self, id: &str) -> Shared<BoxFuture<'static, Answer<V>>> {
        let mut open = locked(&self.open);
        let batch = open.get_or_insert_with(|| {
            // Weak: a request that is dropped before its batch was sent must not keep itself alive.
            let answer = gather(Arc::downgrade(&self.open), Arc::clone(&self.fetch));
            Batch { ids: BTreeSet::new(), asked: 0, answer: answer.boxed().shared() }
        });
        batch.ids.insert(id.to_owned());
        batch.asked += 1;
        batch.answer.clone()
    }
}

async fn gather<V>(open: Weak<Open<V>>, fetch: Arc<Fetch<V>>) -> Answer<V> {
    let mut seen = 0;
    loop {
        turn().await;
        let Some(open) = open.upgrade() else { return Ok(Arc::default()) };
        let asked = locked(&open).as_ref().map_or(0, |batch| batch.asked);
        if asked == seen {
            break;
        }
        seen = asked;
    }
    let batch = open.upgrade().and_then(|open| locked(&open).take());
    let ids = batch.map(|batch| batch.ids).unwrap_or_default();
    fetch(ids.into_iter().collect()).await.map(Arc::new)
}

/// Ends once the task's present turn has, however often it is polled within that turn: everybody who waits for a
/// batch polls it, and none of them may hurry it.
async fn turn() {
    struct Over {
        is: AtomicBool,
        then: Waker,
    }
    impl Wake for Over {
        fn wake(self: Arc<Self>) {
            self.is.store(true, Ordering::Release);
            self.then.wake_by_ref();
        }
    }
    let mut yielding = pin!(tokio::task::yield_now());
    let mut over: Option<Arc<Over>> = None;
    poll_fn(|cx| match &over {
        // All who wait share one waker, the first poll's: it is theirs that is woken.
        Some(over) if over.is.load(Ordering::Acquire) => Poll::Ready(()),
        Some(_) => Poll::Pending,
        None => {
            let made = Arc::new(Over { is: AtomicBool::new(false), then: cx.waker().clone() });
            let waker = Waker::from(Arc::clone(&made));
            over = Some(made);
            yielding.as_mut().poll(&mut Context::from_waker(&waker))
        }
    })
    .await;
}

fn locked<V>(open: &Open<V>) -> MutexGuard<'_, Option<Batch<V>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::future::join_all;
    use tonic::Code;

    use super::*;

    fn counting() -> (Loader<usize>, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let loader = Loader::new(move |ids: Vec<String>| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                let known = ids.into_iter().filter(|id| id != "unknown");
                Ok(known.map(|id| (id.clone(), id.len())).collect())
            }
        });
        (loader, calls)
    }

    #[tokio::test]
    async fn a_turn_is_one_call_whatever_its_size() {
        let (loader, calls) = counting();
        for size in [1_usize, 2, 50, 200] {
            calls.store(0, Ordering::Relaxed);
            // Some ids more than once, as contacts of a page of messages are.
            let ids: Vec<String> = (0..size).map(|n| format!("id-{}", n % 70)).collect();
            let got = join_all(ids.iter().map(|id| loader.load(id))).await;
            assert!(got.into_iter().all(|one| one.unwrap().is_some()));
            assert_eq!(calls.load(Ordering::Relaxed), 1, "{size} ids");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_none() {
        let (loader, _) = counting();
        assert_eq!(loader.load("unknown").await, Ok(None));
    }

    #[tokio::test]
    async fn what_was_loaded_is_not_kept() {
        let (loader, calls) = counting();
        loader.load("a").await.unwrap();
        loader.load("a").await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refusal_reaches_everybody_who_waits() {
        let loader: Loader<()> =
            Loader::new(|_| async { Err(Refusal::new(Code::Unavailable, "AWAY", "away")) });
        let got = join_all([loader.load("a"), loader.load("b")]).await;
        assert!(got.into_iter().all(|one| one.unwrap_err().reason == "AWAY"));
    }

    #[tokio::test]
    async fn a_dropped_request_leaves_nothing_behind() {
        let (loader, calls) = counting();
        let open = Arc::downgrade(&loader.open);
        {
            let load = loader.load("a");
            futures::pin_mut!(load);
            assert!(futures::poll!(load.as_mut()).is_pending());
        }
        drop(loader);
        assert!(open.upgrade().is_none());
        assert_eq!(calls.load(Ordering::Relaxed), 0);
    }
}
