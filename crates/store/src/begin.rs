//! How a transaction starts (ISO-22 to ISO-25).
//!
//! `BEGIN` and the settings of row-level security run in a task of their own, which hands over the
//! ready transaction: a caller that is cancelled drops the result, never the `BEGIN`. sqlx 0.9 else
//! leaves the session inside a transaction that its pool does not know of, and the next borrower's
//! writes vanish. The answer of the settings statement shows whether that happened all the same.

use std::sync::Arc;

use auth::Wabas;
use kernel::id::{PartnerId, TenantId};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::config::Backend;
use crate::error::{Error, classify};
use crate::pool::{Inner, Which};
use crate::purpose::Purpose;
use crate::tx::{Live, TxCore};

/// What row-level security and the code's own predicates hold a transaction to.
#[derive(Debug, Clone)]
pub(crate) enum Settings {
    /// A tenant and those of its WABAs that the caller reaches.
    Tenant { tenant: TenantId, wabas: Wabas },
    /// Nobody yet: a group commit sets each sub-batch's own (ISO-32).
    Nobody,
    /// System work of one purpose.
    System(Purpose),
    /// The desk of the operator.
    Operator,
    /// The desk of one partner.
    Partner(PartnerId),
}

/// A transaction whose start was more than this before its first statement is another's, in ms.
const STALE_MS: i64 = 5_000;

const SCOPED: &str = "SELECT current_setting('app.tx', true) AS tx, \
    (extract(epoch FROM clock_timestamp() - now()) * 1000)::bigint AS age_ms, \
    set_config('app.tx', '1', true), set_config('app.tenant', $1, true), \
    set_config('app.all_wabas', $2, true), set_config('app.wabas', $3, true)";
const SYSTEM: &str = "SELECT current_setting('app.tx', true) AS tx, \
    (extract(epoch FROM clock_timestamp() - now()) * 1000)::bigint AS age_ms, \
    set_config('app.tx', '1', true), set_config('app.purpose', $1, true)";
const DESK: &str = "SELECT current_setting('app.tx', true) AS tx, \
    (extract(epoch FROM clock_timestamp() - now()) * 1000)::bigint AS age_ms, \
    set_config('app.tx', '1', true), set_config('app.desk', $1, true), \
    set_config('app.partner', $2, true)";
/// The settings of one sub-batch of a group commit.
const SUB_BATCH: &str = "SELECT set_config('app.tenant', $1, true), \
    set_config('app.all_wabas', $2, true), set_config('app.wabas', $3, true)";
/// Also forbids writes, before the first of them.
const READ_ONLY: &str = ", set_config('transaction_read_only', 'on', true)";

impl Settings {
    fn values(&self) -> (&'static str, Vec<sea_orm::Value>) {
        match self {
            Self::Tenant { tenant, wabas } => (SCOPED, scoped_values(*tenant, wabas)),
            Self::Nobody => (SCOPED, vec!["".into(), "off".into(), "".into()]),
            Self::System(purpose) => (SYSTEM, vec![purpose.name().into()]),
            Self::Operator => (DESK, vec!["operator".into(), "".into()]),
            Self::Partner(partner) => {
                (DESK, vec!["partner".into(), partner.uuid().to_string().into()])
            }
        }
    }
}

fn scoped_values(tenant: TenantId, wabas: &Wabas) -> Vec<sea_orm::Value> {
    let (all, list) = match wabas {
        Wabas::All => ("on", String::new()),
        Wabas::Only(few) => {
            let few: Vec<String> = few.iter().map(|waba| waba.uuid().to_string()).collect();
            ("off", format!("{{{}}}", few.join(",")))
        }
    };
    vec![tenant.uuid().to_string().into(), all.into(), list.into()]
}

/// The statement that gives a sub-batch its tenant and WABAs; `None` takes the last one's away.
pub(crate) fn sub_batch(of: Option<(TenantId, &Wabas)>) -> Statement {
    let values = match of {
        Some((tenant, wabas)) => scoped_values(tenant, wabas),
        None => vec!["".into(), "off".into(), "".into()],
    };
    Statement::from_sql_and_values(DbBackend::Postgres, SUB_BATCH, values)
}

/// A ready transaction, or the reason why there is none.
pub(crate) async fn begin(
    inner: &Arc<Inner>,
    which: Which,
    settings: Settings,
) -> Result<Arc<TxCore>, Error> {
    let pool = inner.pool(which);
    let waiting = Arc::clone(&pool.slots).acquire_owned();
    let slot = match tokio::time::timeout(pool.wait, waiting).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(_)) => return Err(Error::unavailable("the store is closed")),
        Err(_) => return Err(Error::Busy("no connection became free")),
    };
    let (ready, hand_over) = oneshot::channel();
    let owner = Arc::clone(inner);
    inner.tasks.spawn(async move {
        let begun = start(&owner, which, &settings, slot).await;
        // Nobody waits any more: the transaction is dropped here and rolls back whole.
        drop(ready.send(begun));
    });
    match hand_over.await {
        Ok(Ok(live)) => Ok(TxCore::new(Arc::clone(inner), live)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::unavailable("the task that begins a transaction ended early")),
    }
}

async fn start(
    inner: &Inner,
    which: Which,
    settings: &Settings,
    slot: OwnedSemaphorePermit,
) -> Result<Live, Error> {
    let options = TransactionOptions {
        sqlite_transaction_mode: which.writes().then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    for _ in 0..2 {
        let pool = inner.pool(which);
        let transaction = pool
            .connection
            .begin_with_options(options)
            .await
            .map_err(|error| classify(&error).0)?;
        inner.count_statement();
        if inner.backend() == Backend::Sqlite || fresh(&transaction, which, settings).await? {
            return Ok(Live::new(transaction, slot));
        }
        inner.metrics.stale();
        tracing::warn!("a connection was inside a transaction of somebody else; closing it");
        end_session(transaction).await;
    }
    Err(Error::unavailable("connections are inside transactions of somebody else"))
}

/// Applies the settings; false when the answer shows another's transaction (ISO-25).
async fn fresh(
    transaction: &DatabaseTransaction,
    which: Which,
    settings: &Settings,
) -> Result<bool, Error> {
    let (text, values) = settings.values();
    let text = if which.writes() { text.to_owned() } else { format!("{text}{READ_ONLY}") };
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
    let answer = transaction.query_one_raw(statement).await.map_err(|error| classify(&error).0)?;
    let Some(answer) = answer else {
        return Err(Error::internal("read the answer of the settings"));
    };
    let read = || -> Result<(Option<String>, i64), sea_orm::DbErr> {
        Ok((answer.try_get("", "tx")?, answer.try_get("", "age_ms")?))
    };
    let (earlier, age_ms) = read().map_err(|error| classify(&error).0)?;
    Ok(earlier.unwrap_or_default().is_empty() && age_ms <= STALE_MS)
}

/// The driver offers no way to close a connection that a transaction holds, so the server does.
async fn end_session(transaction: DatabaseTransaction) {
    let text = "SELECT pg_terminate_backend(pg_backend_pid())";
    // Its answer is the loss of the connection, which is what is wanted.
    drop(transaction.execute_unprepared(text).await);
    drop(transaction);
}
