//! One open transaction, shared by the handles of its unit.
//!
//! Promises that a unit which answered Ok is committed only if every statement in it succeeded and
//! no handle outlived it; else it rolls back and says so. PostgreSQL answers COMMIT in a failed
//! transaction with a silent ROLLBACK: that must not read as success. A process that dies before
//! the commit leaves nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::time::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement};
use tokio::sync::{MutexGuard, OwnedSemaphorePermit};

use crate::config::Backend;
use crate::error::{Error, Fault, classify};
use crate::pool::Inner;

/// A begun transaction and the slot of the pool that it fills. The order of the fields is that of
/// their drop.
pub(crate) struct Live {
    transaction: DatabaseTransaction,
    _slot: OwnedSemaphorePermit,
}

impl Live {
    pub(crate) const fn new(transaction: DatabaseTransaction, slot: OwnedSemaphorePermit) -> Self {
        Self { transaction, _slot: slot }
    }
}

/// The transaction of one unit.
pub(crate) struct TxCore {
    pub(crate) inner: Arc<Inner>,
    now: Timestamp,
    live: tokio::sync::Mutex<Option<Live>>,
    published: AtomicBool,
    fault: Mutex<Option<Fault>>,
}

/// How a unit ended.
pub(crate) enum Ending {
    Committed,
    RolledBack(Option<Fault>),
}

impl TxCore {
    pub(crate) fn new(inner: Arc<Inner>, live: Live) -> Arc<Self> {
        let now = inner.clock.now();
        Arc::new(Self {
            inner,
            now,
            live: tokio::sync::Mutex::new(Some(live)),
            published: AtomicBool::new(false),
            fault: Mutex::new(None),
        })
    }

    /// Business time, one value a transaction.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn backend(&self) -> Backend {
        self.inner.backend()
    }

    pub(crate) fn dialect(&self) -> DbBackend {
        match self.backend() {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
        }
    }

    /// An event stands in this transaction: its commit wakes the relay.
    pub(crate) fn published(&self) {
        self.published.store(true, Ordering::Relaxed);
    }

    pub(crate) fn mark(&self, fault: Fault) {
        let mut kept = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        // The first one that asks for another run is the one that says why.
        if matches!(*kept, None | Some(Fault::Failed)) {
            *kept = Some(fault);
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a rollback to a savepoint what failed inside it no longer counts.
    pub(crate) fn forgive(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, error: &DbErr) -> Error {
        let (error, fault) = classify(error);
        self.mark(fault);
        error
    }

    async fn open(&self) -> Result<(MutexGuard<'_, Option<Live>>, &Self), Error> {
        let guard = self.live.lock().await;
        if guard.is_none() {
            return Err(Error::internal("use a handle after its unit has ended"));
        }
        self.inner.count_statement();
        Ok((guard, self))
    }

    /// Runs a statement and answers the number of its rows.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, Error> {
        let (guard, _) = self.open().await?;
        let Some(live) = guard.as_ref() else { return Ok(0) };
        match live.transaction.execute_raw(statement).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(self.note(&error)),
        }
    }

    /// Runs a statement and answers its rows.
    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        let (guard, _) = self.open().await?;
        let Some(live) = guard.as_ref() else { return Ok(Vec::new()) };
        live.transaction.query_all_raw(statement).await.map_err(|error| self.note(&error))
    }

    /// Runs text without binds: savepoints.
    pub(crate) async fn plain(&self, text: &str) -> Result<(), Error> {
        let (guard, _) = self.open().await?;
        let Some(live) = guard.as_ref() else { return Ok(()) };
        match live.transaction.execute_unprepared(text).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.note(&error)),
        }
    }

    /// Rolls back ahead of the end, where nothing in it is to be kept and that is no failure.
    pub(crate) async fn roll_back(&self) {
        if let Some(live) = self.live.lock().await.take() {
            drop(live.transaction.rollback().await);
        }
        self.forgive();
    }

    /// Moves the transaction to a core of its own, for one sub-batch of a group commit.
    pub(crate) async fn lend(&self) -> Result<Arc<Self>, Error> {
        let live = self.live.lock().await.take();
        let live = live.ok_or_else(|| Error::internal("lend a transaction that has ended"))?;
        Ok(Arc::new(Self {
            inner: Arc::clone(&self.inner),
            now: self.now,
            live: tokio::sync::Mutex::new(Some(live)),
            published: AtomicBool::new(false),
            fault: Mutex::new(None),
        }))
    }

    /// Takes it back; answers what failed in the sub-batch, and errs when a handle outlived it.
    pub(crate) async fn take_back(&self, lent: Arc<Self>) -> Result<Option<Fault>, Error> {
        let live = lent.live.lock().await.take();
        *self.live.lock().await = live;
        if lent.published.load(Ordering::Relaxed) {
            self.published();
        }
        let fault = lent.fault();
        if Arc::strong_count(&lent) > 1 {
            return Err(handle_kept());
        }
        Ok(fault)
    }

    /// Commits when the unit answered Ok and may; rolls back else.
    pub(crate) async fn end(self: Arc<Self>, ok: bool) -> Result<Ending, Error> {
        let Some(live) = self.live.lock().await.take() else {
            // Rolled back ahead of its end.
            return Ok(Ending::Committed);
        };
        let kept = Arc::strong_count(&self) > 1;
        let fault = self.fault();
        if !ok || kept || fault.is_some() {
            // A failed rollback closes the connection, which rolls back as well.
            drop(live.transaction.rollback().await);
        } else {
            match live.transaction.commit().await {
                Ok(()) => {
                    self.inner.count_commit();
                    if self.published.load(Ordering::Relaxed) {
                        self.inner.outbox.notify_one();
                    }
                    return Ok(Ending::Committed);
                }
                Err(error) => {
                    let (error, fault) = classify(&error);
                    return match fault {
                        Fault::Retry => Ok(Ending::RolledBack(Some(Fault::Retry))),
                        Fault::Failed | Fault::Partition { .. } => Err(error),
                    };
                }
            }
        }
        if ok && kept {
            return Err(handle_kept());
        }
        if ok && fault == Some(Fault::Failed) {
            return Err(Error::internal("commit a unit that went on after a failed statement"));
        }
        Ok(Ending::RolledBack(fault))
    }
}

fn handle_kept() -> Error {
    Error::internal("commit a unit whose handle was kept beyond its end")
}
