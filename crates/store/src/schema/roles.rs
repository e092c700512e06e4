//! The roles of a service: made under a lock, or checked (ISO-33).
//!
//! Roles are cluster-wide: two installations or parallel test databases would else meet in "tuple
//! concurrently updated". The advisory lock is taken in one fixed database, because such locks
//! count per database. Without the right to create roles, what is missing is told as SQL for a DBA.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kernel::secret::{ExposeSecret, SecretString};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::names::{DEFAULT_PREFIX, Names};
use crate::error::{Error, classify};
use crate::pool::Connection;

/// Who sees to the roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolesMode {
    /// `migrate` makes what is missing.
    Create,
    /// A DBA has made them; `migrate` checks, and says what is missing.
    Existing,
}

/// The roles of an installation.
#[derive(Debug, Clone)]
pub struct Roles {
    /// What their names start with.
    pub prefix: String,
    /// Who sees to them.
    pub mode: RolesMode,
    /// The database in which the lock over all roles is taken.
    pub lock_database: String,
    /// Passwords by role, where logging in needs one. `migrate` sets them each time that it makes roles itself, so a
    /// password that was changed in the configuration is the role's from then on.
    pub passwords: BTreeMap<String, SecretString>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            prefix: DEFAULT_PREFIX.to_owned(),
            mode: RolesMode::Create,
            lock_database: "postgres".to_owned(),
            passwords: BTreeMap::new(),
        }
    }
}

/// Any number that nobody else locks.
const ROLES_LOCK: i64 = 0x5377_6974_6368;

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: DbErr) -> Error {
    classify(&error).0
}

/// Statements at the level of one database for the roles' own connections.
fn settings(names: &Names, database: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for role in names.logins() {
        let each = [
            ("search_path", names.schema().to_owned()),
            ("statement_timeout", "5s".to_owned()),
            ("lock_timeout", "2s".to_owned()),
            ("idle_in_transaction_session_timeout", "10s".to_owned()),
        ];
        for (setting, value) in each {
            let quoted = if setting == "search_path" { value } else { format!("'{value}'") };
            let text = format!(
                "ALTER ROLE {role} IN DATABASE {} SET {setting} = {quoted}",
                quote(database)
            );
            all.push((format!("{role} {setting}"), text));
        }
    }
    all
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn create(names: &Names, role: &str) -> String {
    if role == names.owner() {
        return format!("CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS");
    }
    format!("CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT")
}

/// Gives the service's roles their passwords. Nothing of such a statement may come into an error (SEC-6).
async fn set_passwords(lock: &Connection, names: &Names, roles: &Roles) -> Result<(), Error> {
    for role in names.logins() {
        let Some(password) = roles.passwords.get(&role) else { continue };
        let quoted = password.expose_secret().replace('\'', "''");
        let text = format!("ALTER ROLE {role} PASSWORD '{quoted}'");
        lock.execute_unprepared(&text).await.map_err(|_| {
            Error::internal(format!(
                "migrate cannot set the password of {role}: its user needs ADMIN OPTION on that role, or `--roles existing` leaves passwords alone"
            ))
        })?;
    }
    Ok(())
}

async fn text_column(db: &Connection, text: &str, column: &str) -> Result<Vec<String>, Error> {
    let statement = Statement::from_string(DbBackend::Postgres, text);
    let rows = db.query_all_raw(statement).await.map_err(failed)?;
    rows.iter().map(|row| row.try_get("", column).map_err(failed)).collect()
}

/// What of roles and their settings is not there, as SQL.
async fn missing(db: &Connection, names: &Names, database: &str) -> Result<Vec<String>, Error> {
    let known: BTreeSet<String> =
        text_column(db, "SELECT rolname::text AS name FROM pg_roles", "name")
            .await?
            .into_iter()
            .collect();
    let mut wanted = vec![names.owner()];
    wanted.extend(names.logins());
    let absent = wanted.iter().filter(|role| !known.contains(*role));
    let mut sql: Vec<String> = absent.map(|role| create(names, role)).collect();
    let text = format!(
        "SELECT r.rolname::text || ' ' || split_part(item, '=', 1) AS name \
         FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole \
         JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) item \
         WHERE d.datname = '{}'",
        database.replace('\'', "''")
    );
    let set: BTreeSet<String> = text_column(db, &text, "name").await?.into_iter().collect();
    let unset = settings(names, database).into_iter().filter(|(name, _)| !set.contains(name));
    sql.extend(unset.map(|(_, text)| text));
    Ok(sql)
}

/// Makes or checks roles and settings, over a connection to the lock's database.
pub(crate) async fn prepare(
    lock: &Connection,
    names: &Names,
    roles: &Roles,
    database: &str,
) -> Result<(), Error> {
    let run = |text: String| async move { lock.execute_unprepared(&text).await.map_err(failed) };
    run(format!("SELECT pg_advisory_lock({ROLES_LOCK})")).await?;
    let done = async {
        let sql = missing(lock, names, database).await?;
        match roles.mode {
            RolesMode::Create => {
                for text in sql {
                    run(text).await?;
                }
                set_passwords(lock, names, roles).await
            }
            RolesMode::Existing if sql.is_empty() => Ok(()),
            RolesMode::Existing => Err(Error::internal(format!(
                "migrate with the roles that there are; run this first, and give each role that logs in its service's password:\n{};",
                sql.join(";\n")
            ))),
        }
    }
    .await;
    // The connection ends after this in any case, and its lock with it.
    drop(run(format!("SELECT pg_advisory_unlock({ROLES_LOCK})")).await);
    done
}

/// What the migrator needs in the service's own database before it becomes the owner.
pub(crate) async fn on_database(
    db: &Connection,
    names: &Names,
    database: &str,
    mode: RolesMode,
) -> Result<(), Error> {
    let (owner, schema) = (names.owner(), names.schema());
    let flags = "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)::text \
        || ' ' || current_setting('server_version_num') AS flags";
    let flags = text_column(db, flags, "flags").await?.pop().unwrap_or_default();
    let superuser = flags.starts_with("true");
    let version: u32 = flags.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
    warn_below_minimum(version);
    let mut text = String::new();
    if !superuser && mode == RolesMode::Create {
        // From 16 on being able to create a role is not yet being able to become it.
        let with = if version >= 160_000 { " WITH SET TRUE" } else { "" };
        write!(text, "GRANT {owner} TO CURRENT_USER{with};").ok();
    }
    if mode == RolesMode::Create {
        write!(
            text,
            "REVOKE ALL ON SCHEMA public FROM PUBLIC; \
             GRANT CREATE ON DATABASE {} TO {owner};",
            quote(database)
        )
        .ok();
    }
    write!(text, "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};").ok();
    let exists =
        format!("SELECT nspname::text AS name FROM pg_namespace WHERE nspname = '{schema}'");
    if mode == RolesMode::Existing && !text_column(db, &exists, "name").await?.is_empty() {
        return Ok(());
    }
    db.execute_unprepared(&text).await.map_err(failed).map(drop)
}

/// Older minors have holes in row-level security (ISO-31).
fn warn_below_minimum(version: u32) {
    let least = match version / 10_000 {
        15 => 150_016,
        16 => 160_012,
        17 => 170_008,
        18 => 180_002,
        _ => 0,
    };
    if version < least {
        tracing::warn!(
            version,
            least,
            "this PostgreSQL minor has known holes in row-level security"
        );
    }
}
