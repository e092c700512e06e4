//! The connections of one service: on PostgreSQL three lazily opened pools (scoped, system, desk),
//! on SQLite a pool of readers and one writer.
//!
//! Promises that nothing outside this crate holds a connection, that statements are never logged
//! by the driver, and that a caller who waits for a slot and goes away costs nothing. A process
//! that dies leaves its transactions to the database, which rolls them back.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::clock::Clock;
use kernel::ids::Ids;
use kernel::secret::{ExposeSecret, SecretString};
use sea_orm::ConnectOptions;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Backend, Database, StoreConfig};
use crate::error::{Error, classify};
use crate::metrics::Metrics;
use crate::partition::Known;

#[expect(clippy::disallowed_types, reason = "the one place that holds connections")]
pub(crate) type Connection = sea_orm::DatabaseConnection;

/// Readers of a SQLite file that may work at once.
const READERS: u32 = 4;
/// How long a connection may lie unused before it is closed.
const IDLE: Duration = Duration::from_mins(1);
/// A connection that lay unused for longer is tried before it is lent.
const TRUSTED: Duration = Duration::from_secs(1);

/// One pool and the slots that guard it: a caller waits for a slot, which it may stop doing at any
/// await, and never inside the pool (ISO-24).
pub(crate) struct Pool {
    pub(crate) connection: Connection,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) wait: Duration,
}

impl Pool {
    fn new(connection: Connection, size: u32, wait: Duration) -> Self {
        let size = usize::try_from(size.max(1)).unwrap_or(1);
        Self { connection, slots: Arc::new(Semaphore::new(size)), wait }
    }
}

/// Which pool a unit works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    ScopedRead,
    ScopedWrite,
    SystemRead,
    SystemWrite,
    Desk,
}

impl Which {
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::ScopedWrite | Self::SystemWrite)
    }
}

pub(crate) enum PoolSet {
    Sqlite { reader: Pool, writer: Pool },
    Postgres { scoped: Pool, system: Pool, desk: Pool },
}

/// What all clones of a [`crate::Store`] share.
pub(crate) struct Inner {
    pub(crate) service: &'static str,
    pub(crate) pools: PoolSet,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    /// Woken when a transaction that published an event has been committed.
    pub(crate) outbox: Notify,
    pub(crate) known: Known,
    pub(crate) metrics: Metrics,
    pub(crate) statements: AtomicU64,
    pub(crate) commits: AtomicU64,
    /// Begins under way and the owners of lanes.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    lanes: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

impl Inner {
    pub(crate) async fn open(
        config: StoreConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, Error> {
        let pools = match &config.database {
            Database::Sqlite { path } => sqlite(path).await?,
            Database::Postgres { scoped_url, system_url, desk_url, pools } => {
                let name = config.service;
                let open = |url, size| postgres(url, name, size, pools.wait);
                PoolSet::Postgres {
                    scoped: open(scoped_url, pools.scoped).await?,
                    system: open(system_url, pools.system).await?,
                    desk: open(desk_url, pools.desk).await?,
                }
            }
        };
        Ok(Self {
            service: config.service,
            pools,
            clock,
            ids,
            outbox: Notify::new(),
            known: Known::default(),
            metrics: Metrics::new(config.service),
            statements: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            lanes: Mutex::new(HashMap::new()),
        })
    }

    pub(crate) const fn backend(&self) -> Backend {
        match self.pools {
            PoolSet::Sqlite { .. } => Backend::Sqlite,
            PoolSet::Postgres { .. } => Backend::Postgres,
        }
    }

    pub(crate) const fn pool(&self, which: Which) -> &Pool {
        match (&self.pools, which) {
            (
                PoolSet::Sqlite { reader, .. },
                Which::ScopedRead | Which::SystemRead | Which::Desk,
            ) => reader,
            (PoolSet::Sqlite { writer, .. }, Which::ScopedWrite | Which::SystemWrite) => writer,
            (PoolSet::Postgres { scoped, .. }, Which::ScopedRead | Which::ScopedWrite) => scoped,
            (PoolSet::Postgres { system, .. }, Which::SystemRead | Which::SystemWrite) => system,
            (PoolSet::Postgres { desk, .. }, Which::Desk) => desk,
        }
    }

    pub(crate) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the sending end of a lane under its type.
    pub(crate) fn keep_lane<H: Any + Send + Sync>(&self, lane: TypeId, handle: H) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(lane, Box::new(handle));
    }

    pub(crate) fn find_lane<H: Any + Clone>(&self, lane: TypeId) -> Option<H> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(&lane).and_then(|handle| handle.downcast_ref::<H>()).cloned()
    }

    /// Ends lanes, waits for what they hold, then closes the connections.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let pools: [&Pool; 3] = match &self.pools {
            PoolSet::Sqlite { reader, writer } => [reader, writer, writer],
            PoolSet::Postgres { scoped, system, desk } => [scoped, system, desk],
        };
        for pool in pools {
            if let Err(error) = pool.connection.close_by_ref().await {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "a pool did not close cleanly");
            }
        }
    }
}

async fn connect(options: ConnectOptions) -> Result<Connection, Error> {
    sea_orm::Database::connect(options).await.map_err(|error| classify(&error).0)
}

/// Lazily: a service starts while its database is away and says so in its readiness.
async fn postgres(
    url: &SecretString,
    service: &'static str,
    size: u32,
    wait: Duration,
) -> Result<Pool, Error> {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .connect_lazy(true)
        .min_connections(0)
        .max_connections(size.max(1))
        .idle_timeout(IDLE)
        .acquire_timeout(wait)
        .set_application_name(format!("switchboard-{service}"))
        .test_before_acquire_if_idle_for(TRUSTED);
    Ok(Pool::new(connect(options).await?, size, wait))
}

/// Makes the file where it is not there, and makes it ours alone (SUP-6). SQLite gives its journals the same mode.
pub(crate) fn own_file(path: &Path) -> Result<(), Error> {
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o600))).map_err(
        |error| Error::internal(format!("the database file cannot be made or owned: {error}")),
    )
}

async fn sqlite(path: &Path) -> Result<PoolSet, Error> {
    let wait = Duration::from_secs(5);
    own_file(path)?;
    // The writer first: it makes the file and turns it to WAL, which a reader may not.
    let writer = sqlite_pool(path, 1, wait, false).await?;
    let reader = sqlite_pool(path, READERS, wait, true).await?;
    Ok(PoolSet::Sqlite { reader, writer })
}

async fn sqlite_pool(
    path: &Path,
    size: u32,
    wait: Duration,
    read_only: bool,
) -> Result<Pool, Error> {
    let file = path.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .min_connections(0)
        .max_connections(size)
        // The last connection that closes deletes the log that readers open: the writer stays.
        .idle_timeout(read_only.then_some(IDLE))
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |options| {
            let options = options
                .in_memory(false)
                .shared_cache(false)
                .filename(&file)
                .busy_timeout(wait)
                .foreign_keys(true);
            if read_only {
                return options.read_only(true).pragma("query_only", "on");
            }
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // What was answered for must outlive a power cut.
                .synchronous(SqliteSynchronous::Full)
        });
    Ok(Pool::new(connect(options).await?, size, wait))
}
