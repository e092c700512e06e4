//! The state file: `sandbox.sqlite`, WAL, `synchronous=FULL`, one writing connection and a pool of
//! readers.
//!
//! Everything that happens in one critical section of the world becomes one `Batch`; the writer
//! takes all batches that gathered while the last commit was on its way and commits them together.
//! A caller is answered only when its batch is on disk. If the process dies in the middle, what
//! was not committed never happened, and nobody was told that it had.

pub(crate) mod read;
pub(crate) mod write;

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::error::Error;

const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS object (kind TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL,
       PRIMARY KEY (kind, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY, received_us INTEGER NOT NULL,
       app_id TEXT, waba_id TEXT, number_id TEXT, recipient TEXT, kind TEXT, callback_data TEXT,
       wamid TEXT, http_status INTEGER NOT NULL, error_code INTEGER, answer_dropped INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY, wamid TEXT NOT NULL UNIQUE,
       app_id TEXT NOT NULL, number_id TEXT NOT NULL, wa_id TEXT NOT NULL, callback_data TEXT,
       status TEXT NOT NULL, error_code INTEGER, pending INTEGER NOT NULL, facts TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS message_pending ON message (seq) WHERE pending = 1",
    "CREATE TABLE IF NOT EXISTS inbound (seq INTEGER PRIMARY KEY, wamid TEXT NOT NULL UNIQUE,
       number_id TEXT NOT NULL, wa_id TEXT NOT NULL, kind TEXT NOT NULL, at_us INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS webhook (seq INTEGER PRIMARY KEY, app_id TEXT NOT NULL,
       entry_id TEXT NOT NULL, number_id TEXT, field TEXT NOT NULL, value TEXT NOT NULL,
       created_us INTEGER NOT NULL, due_us INTEGER NOT NULL, attempts INTEGER NOT NULL,
       state TEXT NOT NULL, last_error TEXT, settled_us INTEGER)",
    "CREATE INDEX IF NOT EXISTS webhook_pending ON webhook (seq) WHERE state = 'pending'",
];

/// One POST to `/messages`, as the proofs of "not lost, not doubled" see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LedgerRow {
    pub(crate) seq: i64,
    pub(crate) received_us: i64,
    pub(crate) app_id: Option<String>,
    pub(crate) waba_id: Option<String>,
    pub(crate) number_id: Option<String>,
    pub(crate) recipient: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) callback_data: Option<String>,
    pub(crate) wamid: Option<String>,
    pub(crate) http_status: u16,
    pub(crate) error_code: Option<i64>,
    pub(crate) answer_dropped: bool,
}

/// An accepted message of a business.
#[derive(Debug, Clone)]
pub(crate) struct MessageRow {
    pub(crate) seq: i64,
    pub(crate) wamid: String,
    pub(crate) app_id: String,
    pub(crate) number_id: String,
    pub(crate) wa_id: String,
    pub(crate) callback_data: Option<String>,
    pub(crate) status: String,
    pub(crate) error_code: Option<i64>,
    /// A step is still to come (`delivered`, `read`).
    pub(crate) pending: bool,
    pub(crate) facts: Facts,
}

/// What later status webhooks of a message need.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) waba_id: String,
    /// The BSUID that it was addressed to, where it was one.
    pub(crate) sent_to_user_id: Option<String>,
    pub(crate) category: String,
    pub(crate) template_id: Option<String>,
    pub(crate) conversation_id: String,
    pub(crate) origin: String,
    pub(crate) pricing: serde_json::Value,
    pub(crate) shows_conversation: bool,
    /// Extra copies of each status webhook.
    pub(crate) duplicates: u32,
    /// A reaction is never delivered or read.
    pub(crate) sent_only: bool,
    pub(crate) sent_us: i64,
}

/// A message of a customer.
#[derive(Debug, Clone)]
pub(crate) struct InboundRow {
    pub(crate) seq: i64,
    pub(crate) wamid: String,
    pub(crate) number_id: String,
    pub(crate) wa_id: String,
    pub(crate) kind: String,
    pub(crate) at_us: i64,
}

/// One change for one app: what goes into `entry[].changes[]`.
#[derive(Debug, Clone)]
pub(crate) struct WebhookRow {
    pub(crate) seq: i64,
    pub(crate) app_id: String,
    pub(crate) entry_id: String,
    pub(crate) number_id: Option<String>,
    pub(crate) field: String,
    /// The `value`, already serialised.
    pub(crate) value: String,
    pub(crate) created_us: i64,
    pub(crate) due_us: i64,
    pub(crate) attempts: u32,
    /// Not before so much of the machine's time; lost with the process, on purpose.
    pub(crate) hold_ms: u64,
}

/// Makes the file where it is not there, and makes it ours alone: it holds tokens. SQLite gives its journals the same mode.
fn own_file(path: &Path) -> std::io::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Takes the folder for this process alone: two would number their messages alike. Held for as long as the file is open;
/// the system lets go of it even after a crash.
pub(crate) fn lock(data: &Path) -> Result<std::fs::File, Error> {
    let path = data.join("lock");
    let failed = |source| Error::Data { path: path.clone(), source };
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: data.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(10))
        .disable_statement_logging()
}

/// Opens the file, making what is missing.
pub(crate) async fn open(data: &Path) -> Result<(SqliteConnection, SqlitePool), Error> {
    let failed = |doing| move |source| Error::Disk { doing, source };
    let path = data.join("sandbox.sqlite");
    own_file(&path).map_err(|source| Error::Data { path: path.clone(), source })?;
    let mut writer = SqliteConnection::connect_with(&options(&path))
        .await
        .map_err(failed("opening it for writing"))?;
    for statement in SCHEMA {
        sqlx::query(*statement).execute(&mut writer).await.map_err(failed("making its tables"))?;
    }
    let readers = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options(&path).create_if_missing(false).read_only(true))
        .await
        .map_err(failed("opening it for reading"))?;
    Ok((writer, readers))
}
