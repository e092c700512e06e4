//! Running a service's migrations.
//!
//! On PostgreSQL: roles first (made or checked), then the schema, then the migrations as the role
//! that owns everything, then the system policies of this build. Two migrators at once wait for
//! each other by an advisory lock; each migration is a transaction, so a process that dies leaves
//! whole ones, and the next run goes on. On SQLite one file a service, under the lock of its folder.

use std::path::PathBuf;
use std::time::Duration;

use kernel::secret::{ExposeSecret, SecretString};
use sea_orm::{ConnectOptions, ConnectionTrait, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::error::{Error, classify};
use crate::pool::{Connection, own_file};
use crate::schema::{Names, Roles, on_database, prepare, refresh_system_policies};

/// Where migrations run.
#[derive(Debug, Clone)]
pub enum MigrateConfig {
    /// The file of one service.
    Sqlite {
        /// The file; made when absent.
        path: PathBuf,
    },
    /// The database in which the service's schema is.
    Postgres {
        /// Connects as somebody who may create roles and schemas, or become the owner.
        url: SecretString,
        /// The roles of the installation.
        roles: Roles,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: DbErr) -> Error {
    classify(&error).0
}

fn migration_failed(error: DbErr) -> Error {
    match error {
        DbErr::Custom(what) | DbErr::Migration(what) => Error::internal(format!("migrate: {what}")),
        error => failed(error),
    }
}

/// Brings the database of `service` to what this build needs.
pub async fn run<M: MigratorTrait>(config: &MigrateConfig, service: &str) -> Result<(), Error> {
    match config {
        MigrateConfig::Sqlite { path } => {
            let db = sqlite(path.clone()).await?;
            let done = M::up(&db, None).await.map_err(migration_failed);
            db.close_by_ref().await.map_err(failed)?;
            done
        }
        MigrateConfig::Postgres { url, roles } => postgres::<M>(url, roles, service).await,
    }
}

async fn sqlite(path: PathBuf) -> Result<Connection, Error> {
    own_file(&path)?;
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .sqlx_logging(false)
        .max_connections(1)
        .idle_timeout(None::<Duration>)
        .map_sqlx_sqlite_opts(move |options| {
            options
                .in_memory(false)
                .shared_cache(false)
                .filename(&path)
                .create_if_missing(true)
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
        });
    sea_orm::Database::connect(options).await.map_err(failed)
}

/// One connection; `first` runs on it before anything else, also when it has to be opened anew.
pub(crate) async fn single(url: &str, first: String) -> Result<Connection, Error> {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .max_connections(1)
        .min_connections(0)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .map_sqlx_postgres_pool_opts(move |pool| {
            let first = first.clone();
            pool.after_connect(move |connection, _| {
                let first = sqlx::AssertSqlSafe(first.clone());
                Box::pin(async move { sqlx::Executor::execute(connection, first).await.map(drop) })
            })
        });
    sea_orm::Database::connect(options).await.map_err(failed)
}

/// The database that a URL names, and the same URL for another one.
fn split_url(url: &str, other: &str) -> Result<(String, String), Error> {
    let (head, query) = url.split_once('?').map_or((url, ""), |(head, query)| (head, query));
    let after_scheme = head.split_once("://").map(|(_, rest)| rest);
    let slash = after_scheme.and_then(|rest| rest.split_once('/'));
    let Some((_, database)) = slash.filter(|(_, database)| !database.is_empty()) else {
        return Err(Error::internal("migrate: the URL names no database"));
    };
    let head = head.strip_suffix(database).unwrap_or(head);
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Ok((database.to_owned(), format!("{head}{other}{query}")))
}

/// Becomes the owner, with the settings that schema helpers and policies read.
pub(crate) fn as_owner(names: &Names, prefix: &str) -> String {
    format!(
        "SET ROLE {}; SET search_path = {}; SET app.purpose = 'migrate'; \
         SET switchboard.prefix = '{prefix}'; SET client_min_messages = warning",
        names.owner(),
        names.schema()
    )
}

/// Makes or checks the roles of `service` and their settings in this database, and nothing else.
/// For a database that was cloned from a migrated one: such settings are not copied along.
pub async fn roles(config: &MigrateConfig, service: &str) -> Result<(), Error> {
    match config {
        MigrateConfig::Sqlite { .. } => Ok(()),
        MigrateConfig::Postgres { url, roles } => {
            let names = Names::new(&roles.prefix, service)?;
            prepare_roles(url, roles, &names).await.map(drop)
        }
    }
}

fn quiet() -> String {
    "SET client_min_messages = warning".to_owned()
}

/// Answers the name of the database.
async fn prepare_roles(url: &SecretString, roles: &Roles, names: &Names) -> Result<String, Error> {
    let (database, lock_url) = split_url(url.expose_secret(), &roles.lock_database)?;
    let lock = single(&lock_url, quiet()).await?;
    let prepared = prepare(&lock, names, roles, &database).await;
    lock.close_by_ref().await.map_err(failed)?;
    prepared.map(|()| database)
}

async fn postgres<M: MigratorTrait>(
    url: &SecretString,
    roles: &Roles,
    service: &str,
) -> Result<(), Error> {
    let names = Names::new(&roles.prefix, service)?;
    let database = prepare_roles(url, roles, &names).await?;
    let url = url.expose_secret();
    let admin = single(url, quiet()).await?;
    let waited = "SELECT pg_advisory_lock(hashtextextended('switchboard migrate', 0))";
    admin.execute_unprepared(waited).await.map_err(failed)?;
    let done = async {
        on_database(&admin, &names, &database, roles.mode).await?;
        let owner = single(url, as_owner(&names, &roles.prefix)).await?;
        let done = up::<M>(&owner, service).await;
        owner.close_by_ref().await.map_err(failed)?;
        done
    }
    .await;
    // Ends the session, and its lock with it.
    admin.close_by_ref().await.map_err(failed)?;
    done
}

async fn up<M: MigratorTrait>(owner: &Connection, service: &str) -> Result<(), Error> {
    M::up(owner, None).await.map_err(migration_failed)?;
    let manager = SchemaManager::new(owner);
    refresh_system_policies(&manager, service).await.map_err(migration_failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_database_replaces_the_last_part_of_the_url() {
        let split = split_url("postgres://me@127.0.0.1:5432/mine?sslmode=disable", "postgres");
        let (database, lock) = split.unwrap();
        assert_eq!(database, "mine");
        assert_eq!(lock, "postgres://me@127.0.0.1:5432/postgres?sslmode=disable");
        assert!(split_url("postgres://me@127.0.0.1:5432", "postgres").is_err());
    }
}
