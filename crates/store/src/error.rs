//! What can go wrong between a unit of work and its database, told apart by what the caller can do.
//!
//! Promises that no variant's text carries a value of a row: SQL and its binds stay in the source
//! chain, which a service logs once and never answers with. Which gRPC code belongs to which
//! [`Class`] is the service's to say.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};
use sqlx::Error as Driver;
use uuid::Uuid;

/// A failure's cause, shared because the items of a group commit all get the same one.
pub type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a unit of work, or one statement in it, did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The database is away, or the answer to a commit was lost.
    #[error("the database cannot be reached; try again")]
    Unavailable(#[source] Source),
    /// No connection, or no lock, became free in time.
    #[error("the database is busy ({0}); try again")]
    Busy(&'static str),
    /// A lane holds as many items as it may.
    #[error("too much is waiting to be written by {0}; try again later")]
    QueueFull(&'static str),
    /// A unique key is taken. PostgreSQL names the constraint, SQLite its columns.
    #[error("such a row exists already ({0})")]
    Conflict(String),
    /// A row to be written names a tenant or a WABA outside the caller's reach.
    #[error("a row of {table} lies outside the caller's reach")]
    ForeignRow {
        /// The table that it was for.
        table: String,
    },
    /// The scope has no tenant: an operator's or a partner's.
    #[error("this needs the scope of a tenant")]
    NoTenant,
    /// The desk was asked by somebody who is neither operator nor partner.
    #[error("the desk is for operators and partners")]
    NotDesk,
    /// System work touched a table that its purpose does not list.
    #[error("purpose {purpose} may not touch table {table}; its list stands in store::purpose")]
    Purpose {
        /// The purpose's name.
        purpose: &'static str,
        /// The table that it wanted.
        table: String,
    },
    /// The idempotency key came before, with another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The same request is being worked on.
    #[error("a request with this idempotency key is under way; try again")]
    KeyInProgress,
    /// A stored row does not read as what it should be.
    #[error("a row of {table} cannot be read: {reason}")]
    BadRow {
        /// Its table.
        table: String,
        /// What does not fit.
        reason: String,
    },
    /// A statement that breaks a rule of this crate, a database that refuses it, or a defect.
    #[error("the store cannot do this: {what}")]
    Internal {
        /// What was attempted.
        what: String,
        /// The database's own words, where it was asked.
        #[source]
        source: Option<Source>,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Repeat the whole request.
    Unavailable,
    /// Repeat later.
    Exhausted,
    /// The key's first request is under way: repeat in a moment.
    KeyInProgress,
    /// The key belongs to another request: change the key.
    KeyReused,
    /// Such a row exists.
    Conflict,
    /// Nothing: a defect.
    Internal,
}

impl Class {
    /// The gRPC code that a caller gets, by its number.
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::Unavailable => 14,
            Self::Exhausted => 8,
            Self::KeyInProgress => 10,
            Self::KeyReused => 3,
            Self::Conflict => 6,
            Self::Internal => 13,
        }
    }

    /// The stable reason that goes with it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unavailable => "DATABASE_UNAVAILABLE",
            Self::Exhausted => "QUEUE_FULL",
            Self::KeyInProgress => "IDEMPOTENCY_KEY_IN_PROGRESS",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::Conflict => "ALREADY_EXISTS",
            Self::Internal => "INTERNAL",
        }
    }
}

impl Error {
    /// A defect or a broken rule, in words.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into(), source: None }
    }

    /// The database is away, in words.
    pub(crate) fn unavailable(why: &'static str) -> Self {
        Self::Unavailable(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(why)))
    }

    /// A row of `table` that does not read.
    pub fn bad_row(table: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::BadRow { table: table.into(), reason: reason.into() }
    }

    /// Whether the same unit may succeed a moment later.
    pub const fn is_transient(&self) -> bool {
        matches!(self.class(), Class::Unavailable | Class::Exhausted | Class::KeyInProgress)
    }

    /// What a caller can do about it.
    pub const fn class(&self) -> Class {
        match self {
            Self::Unavailable(_) | Self::Busy(_) => Class::Unavailable,
            Self::QueueFull(_) => Class::Exhausted,
            Self::KeyInProgress => Class::KeyInProgress,
            Self::KeyReused => Class::KeyReused,
            Self::Conflict(_) => Class::Conflict,
            Self::ForeignRow { .. }
            | Self::NoTenant
            | Self::NotDesk
            | Self::Purpose { .. }
            | Self::BadRow { .. }
            | Self::Internal { .. } => Class::Internal,
        }
    }
}

/// What a failed statement means for the transaction around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It failed, and on PostgreSQL nothing after it counts.
    Failed,
    /// Serialization failure, deadlock, BUSY: the whole unit may run again.
    Retry,
    /// An id lies outside every partition: make one, then run the unit again (ISO-34).
    Partition {
        /// The partitioned table.
        table: String,
        /// The id that has no place.
        id: Uuid,
    },
}

/// Reads what the driver says once, in one place, for both databases.
pub(crate) fn classify(error: &DbErr) -> (Error, Fault) {
    let known = driver_error(error).map(|driver| match driver {
        Driver::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let name = database
                .constraint()
                .map_or_else(|| unique_columns(database.message()), str::to_owned);
            by_code(&code, name, error)
        }
        Driver::Io(_)
        | Driver::Tls(_)
        | Driver::Protocol(_)
        | Driver::PoolTimedOut
        | Driver::PoolClosed
        | Driver::WorkerCrashed
        | Driver::BeginFailed => (Error::Unavailable(Arc::new(error.clone())), Fault::Failed),
        _ => (statement_failed(error), Fault::Failed),
    });
    known.unwrap_or_else(|| match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => {
            (Error::Unavailable(Arc::new(error.clone())), Fault::Failed)
        }
        DbErr::Type(reason) | DbErr::Json(reason) => {
            (Error::bad_row("a result", reason.clone()), Fault::Failed)
        }
        _ => (statement_failed(error), Fault::Failed),
    })
}

fn driver_error(error: &DbErr) -> Option<&Driver> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => Some(driver),
        _ => None,
    }
}

/// The driver's words may quote a value, so they stay in the source.
fn statement_failed(error: &DbErr) -> Error {
    Error::Internal { what: "run a statement".to_owned(), source: Some(Arc::new(error.clone())) }
}

fn by_code(code: &str, name: String, error: &DbErr) -> (Error, Fault) {
    let source = || -> Source { Arc::new(error.clone()) };
    match code {
        // PostgreSQL: serialization failure, deadlock. SQLite: BUSY, LOCKED and their kin.
        "40001" | "40P01" | "5" | "6" | "261" | "517" | "262" => {
            (Error::Unavailable(source()), Fault::Retry)
        }
        "23505" | "1555" | "2067" => (Error::Conflict(name), Fault::Failed),
        "55P03" => (Error::Busy("a row is locked"), Fault::Failed),
        "57014" => (Error::Busy("a statement took too long"), Fault::Failed),
        "53300" | "53400" | "25P03" => (Error::Unavailable(source()), Fault::Failed),
        // Row-level security or a missing grant: the second wall did its work (ISO-21).
        "42501" => (
            Error::Internal {
                what: "pass the database's own isolation (a policy or a grant refused)".to_owned(),
                source: Some(source()),
            },
            Fault::Failed,
        ),
        other if other.starts_with("08") || other.starts_with("57P") => {
            (Error::Unavailable(source()), Fault::Failed)
        }
        other => (
            Error::Internal {
                what: format!("run a statement (SQLSTATE {other})"),
                source: Some(source()),
            },
            Fault::Failed,
        ),
    }
}

/// `UNIQUE constraint failed: message.tenant_id, message.id` without the words before the colon.
fn unique_columns(message: &str) -> String {
    message.split_once(": ").map_or(message, |(_, columns)| columns).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_conflict_is_named_by_its_columns() {
        let name = unique_columns("UNIQUE constraint failed: note.tenant_id, note.id");
        assert_eq!(name, "note.tenant_id, note.id");
    }

    #[test]
    fn busy_and_deadlock_may_run_again() {
        let error = DbErr::Custom("x".to_owned());
        for code in ["40001", "40P01", "5", "517"] {
            assert_eq!(by_code(code, String::new(), &error).1, Fault::Retry, "{code}");
        }
        assert_eq!(by_code("23505", "key".to_owned(), &error).1, Fault::Failed);
    }
}
