//! The store of one service: units of work by closure, and nothing else.
//!
//! `read` and `write` take the scope of a tenant, `system` a purpose, `desk` an operator or a
//! partner. A unit may run twice (serialization failure, deadlock, BUSY, a partition that had to be
//! made), so it touches nothing outside its handle. Ok means committed; an error means that nothing
//! happened, except `Unavailable` at a commit whose answer was lost: that is what idempotency keys
//! are for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use auth::{Reach, Scope, TenantReach};
use futures::future::BoxFuture;
use kernel::clock::Clock;
use kernel::ids::Ids;
use kernel::time::Timestamp;
use uuid::Uuid;

use crate::begin::{Settings, begin};
use crate::config::{Backend, Shard, StoreConfig};
use crate::desk::DeskTx;
use crate::error::{Error, Fault};
use crate::pool::{Inner, Which};
use crate::purpose::Purpose;
use crate::scoped::{Reached, ScopedTx};
use crate::system::SystemTx;
use crate::tx::{Ending, TxCore};

/// A unit that met this many conflicts in a row gives up.
const MOST_RUNS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The store of one service; clones share its connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    pub(crate) blind: bool,
}

/// How much a store has done, for tests that count statements and commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Statements, BEGIN and settings included, COMMIT not.
    pub statements: u64,
    /// Transactions that were committed.
    pub commits: u64,
}

impl Store {
    /// Opens a store. PostgreSQL is not asked before the first unit.
    pub async fn open(
        config: StoreConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, Error> {
        let inner = Inner::open(config, clock, ids).await?;
        Ok(Self { inner: Arc::new(inner), blind: false })
    }

    /// Reads the rows of one tenant.
    pub fn read<R, T, E, F, Fut>(
        &self,
        who: &R,
        unit: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        R: TenantReach + ?Sized,
        F: Fn(ScopedTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        let reach = self.reach(who);
        async move { self.scoped(Which::ScopedRead, reach?, unit).await }
    }

    /// Reads and writes the rows of one tenant in one transaction.
    pub fn write<R, T, E, F, Fut>(
        &self,
        who: &R,
        unit: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        R: TenantReach + ?Sized,
        F: Fn(ScopedTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        let reach = self.reach(who);
        async move { self.scoped(Which::ScopedWrite, reach?, unit).await }
    }

    /// System work of one purpose in one transaction.
    pub async fn system<T, E, F, Fut>(
        &self,
        purpose: Purpose,
        shard: Shard,
        unit: F,
    ) -> Result<T, E>
    where
        F: Fn(SystemTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        self.system_on(Which::SystemWrite, purpose, shard, unit).await
    }

    /// The same, reading alone.
    pub async fn system_read<T, E, F, Fut>(
        &self,
        purpose: Purpose,
        shard: Shard,
        unit: F,
    ) -> Result<T, E>
    where
        F: Fn(SystemTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        self.system_on(Which::SystemRead, purpose, shard, unit).await
    }

    /// Reads desk tables for an operator, or a partner's rows of them for a partner.
    pub async fn desk<T, E, F, Fut>(&self, scope: &Scope, unit: F) -> Result<T, E>
    where
        F: Fn(DeskTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        let (settings, partner) = match scope.reach() {
            Reach::Operator { .. } => (Settings::Operator, None),
            Reach::Partner { partner } => (Settings::Partner(*partner), Some(*partner)),
            Reach::Tenant { .. } => return Err(Error::NotDesk.into()),
        };
        self.run(Which::Desk, settings, |core| unit(DeskTx::new(core, partner))).await
    }

    fn reach<R: TenantReach + ?Sized>(&self, who: &R) -> Result<Reached, Error> {
        let (tenant, wabas) = who.tenant_reach().map_err(|_| Error::NoTenant)?;
        Ok(Reached { tenant, wabas, blind: self.blind })
    }

    pub(crate) fn reached<R: TenantReach + ?Sized>(&self, who: &R) -> Result<Reached, Error> {
        self.reach(who)
    }

    pub(crate) async fn scoped<T, E, F, Fut>(
        &self,
        which: Which,
        reach: Reached,
        unit: F,
    ) -> Result<T, E>
    where
        F: Fn(ScopedTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        let settings = Settings::Tenant { tenant: reach.tenant, wabas: reach.wabas.clone() };
        let reach = Arc::new(reach);
        self.run(which, settings, |core| unit(ScopedTx::new(core, Arc::clone(&reach)))).await
    }

    async fn system_on<T, E, F, Fut>(
        &self,
        which: Which,
        purpose: Purpose,
        shard: Shard,
        unit: F,
    ) -> Result<T, E>
    where
        F: Fn(SystemTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        if shard != Shard::ONLY {
            return Err(Error::internal("work on a shard that there is not").into());
        }
        let settings = Settings::System(purpose);
        self.run(which, settings, |core| unit(SystemTx::new(core, purpose))).await
    }

    async fn run<T, E, F, Fut>(&self, which: Which, settings: Settings, unit: F) -> Result<T, E>
    where
        F: Fn(Arc<TxCore>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: From<Error> + Send,
        T: Send,
    {
        if which == Which::ScopedWrite || which == Which::SystemWrite {
            self.know_partitions().await?;
        }
        let mut runs = 0;
        loop {
            runs += 1;
            let core = begin(&self.inner, which, settings.clone()).await?;
            let outcome = unit(Arc::clone(&core)).await;
            match core.end(outcome.is_ok()).await? {
                Ending::Committed => return outcome,
                Ending::RolledBack(fault) => {
                    if runs >= MOST_RUNS || !self.may_run_again(fault, runs).await? {
                        let gave_up = || Error::unavailable("conflicts with other transactions");
                        return outcome.and_then(|_| Err(gave_up().into()));
                    }
                }
            }
        }
    }

    /// Prepares another run of a unit, where its fault is one that another run can mend.
    ///
    /// Boxed, since making a partition is a unit too.
    pub(crate) fn may_run_again(
        &self,
        fault: Option<Fault>,
        runs: u32,
    ) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            match fault {
                None | Some(Fault::Failed) => Ok(false),
                Some(Fault::Retry) => {
                    self.inner.metrics.retry();
                    tokio::time::sleep(self.pause(runs)).await;
                    Ok(true)
                }
                Some(Fault::Partition { table, id }) => {
                    self.make_partition(&table, id).await?;
                    Ok(true)
                }
            }
        })
    }

    /// Grows with each run, and differs between those that met.
    fn pause(&self, runs: u32) -> Duration {
        let full = FIRST_PAUSE.saturating_mul(1 << runs.min(10)).min(LONGEST_PAUSE);
        let mut random = [0_u8; 1];
        self.inner.ids.fill(&mut random);
        full.mul_f32(0.5 + f32::from(random[0]) / 512.0)
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.inner.backend()
    }

    /// The service, which is the schema's name too.
    pub fn service(&self) -> &'static str {
        self.inner.service
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let which = Which::ScopedRead;
        self.run(which, Settings::Nobody, |core| async move {
            let statement = sea_orm::Statement::from_string(core.dialect(), "SELECT 1");
            core.rows(statement).await.map(drop)
        })
        .await
    }

    /// All shards; what works over all tenants goes through them one by one.
    pub const fn shards(&self) -> &'static [Shard] {
        &[Shard::ONLY]
    }

    /// Where a tenant's rows are.
    pub const fn shard_of(&self, _tenant: Uuid) -> Shard {
        Shard::ONLY
    }

    /// Business time.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The business clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Where ids and randomness come from.
    pub fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.inner.ids)
    }

    /// Returns when a transaction of this process that published an event has been committed since
    /// the last call: the relay's wake-up. One waiter a store; safe to drop at any await.
    pub async fn outbox_committed(&self) {
        self.inner.outbox.notified().await;
    }

    /// What this store has done so far.
    pub fn counts(&self) -> Counts {
        Counts {
            statements: self.inner.statements.load(Ordering::Relaxed),
            commits: self.inner.commits.load(Ordering::Relaxed),
        }
    }

    /// Ends the lanes once they have committed what they hold, then closes the connections.
    pub async fn close(&self) {
        self.inner.close().await;
    }

    /// A store that leaves out the predicates of tenant and WABA, so that a test sees row-level
    /// security work alone (ISO-21). Not in release builds.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn test_blind(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), blind: true }
    }
}
