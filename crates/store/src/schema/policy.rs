//! The text of every policy, in one place: migrations run it, the catalogue test compares with it.
//!
//! No sentinel inside a value that is cast, and NULLIF around every setting: it reads '' after the
//! first transaction of a session (ISO-20, ISO-22). System access is another role, never a second
//! permissive policy on the same one (ISO-21).

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::names::{self, Names};
use crate::purpose::{self, Purpose};

/// Tables that scoped and system roles may add to and, but for purposes that list them, not read.
pub(crate) const APPEND_ONLY: [&str; 2] = ["outbox", "inbox"];

/// Never ALL: no TRUNCATE, REFERENCES or TRIGGER.
const ROWS: &str = "SELECT, INSERT, UPDATE, DELETE";
const TENANT: &str = "tenant_id = NULLIF(current_setting('app.tenant', true), '')::uuid";
const WABA: &str = "current_setting('app.all_wabas', true) = 'on' \
    OR waba_id = ANY (NULLIF(current_setting('app.wabas', true), '')::uuid[])";
const DESK: &str = "current_setting('app.desk', true) = 'operator' \
    OR partner_id = NULLIF(current_setting('app.partner', true), '')::uuid";
const ANY_PURPOSE: &str = "NULLIF(current_setting('app.purpose', true), '') IS NOT NULL";
const ANY_TENANT: &str = "NULLIF(current_setting('app.tenant', true), '') IS NOT NULL";

/// What a table is, as far as policies go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guarded {
    pub(crate) tenant: bool,
    pub(crate) waba: bool,
    pub(crate) desk: bool,
}

/// The policies of a table but for the system's, as statements. `table` may be another than
/// `like` where a copy is made for comparison.
pub(crate) fn fixed(names: &Names, table: &str, like: &str, guarded: Guarded) -> Vec<String> {
    let (owner, scoped, system) = (names.owner(), names.scoped(), names.system());
    let mut policies = vec![format!(
        "CREATE POLICY migrate ON {table} TO {owner} \
         USING (current_setting('app.purpose', true) = 'migrate') WITH CHECK (true)"
    )];
    if guarded.tenant {
        policies.push(format!(
            "CREATE POLICY tenant ON {table} AS PERMISSIVE TO {scoped} \
             USING ({TENANT}) WITH CHECK ({TENANT})"
        ));
        if guarded.waba {
            policies.push(format!(
                "CREATE POLICY waba ON {table} AS RESTRICTIVE TO {scoped} USING ({WABA})"
            ));
        }
    }
    if guarded.desk {
        policies.push(format!(
            "CREATE POLICY desk ON {table} AS PERMISSIVE FOR SELECT TO {} USING ({DESK})",
            names.desk()
        ));
    }
    if APPEND_ONLY.contains(&like) {
        let own = if like == "outbox" { TENANT } else { ANY_TENANT };
        policies.push(format!(
            "CREATE POLICY append ON {table} FOR INSERT TO {scoped} WITH CHECK ({own})"
        ));
        policies.push(format!(
            "CREATE POLICY append_system ON {table} FOR INSERT TO {system} \
             WITH CHECK ({ANY_PURPOSE})"
        ));
    }
    policies
}

/// The purposes that may reach `table` in the schema of these names.
pub(crate) fn purposes(names: &Names, table: &str) -> Vec<&'static str> {
    let lists =
        |purpose: &Purpose| purpose.is_of(names.schema()) && purpose.tables().contains(&table);
    let mut found: Vec<_> = purpose::all().filter(lists).map(|purpose| purpose.name()).collect();
    found.sort_unstable();
    found
}

/// The system role's policy, where any purpose lists the table.
pub(crate) fn system(names: &Names, table: &str, like: &str) -> Option<String> {
    let quoted: Vec<String> =
        purposes(names, like).into_iter().map(|name| format!("'{name}'")).collect();
    if quoted.is_empty() {
        return None;
    }
    let among = format!("current_setting('app.purpose', true) IN ({})", quoted.join(", "));
    Some(format!(
        "CREATE POLICY system ON {table} AS PERMISSIVE TO {} USING ({among}) WITH CHECK ({among})",
        names.system()
    ))
}

/// Everything that guards a fresh table.
pub(crate) async fn guard(
    manager: &SchemaManager<'_>,
    names: &Names,
    table: &str,
    guarded: Guarded,
) -> Result<(), DbErr> {
    let mut sql = vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
    ];
    if guarded.tenant {
        sql.push(format!("GRANT {ROWS} ON {table} TO {}", names.scoped()));
    }
    if guarded.desk {
        sql.push(format!("GRANT SELECT ON {table} TO {}", names.desk()));
    }
    if APPEND_ONLY.contains(&table) {
        sql.push(format!("GRANT INSERT ON {table} TO {}", names.scoped()));
    }
    sql.extend(fixed(names, table, table, guarded));
    sql.extend(system_sql(names, table));
    manager.get_connection().execute_unprepared(&sql.join(";")).await.map(drop)
}

fn system_sql(names: &Names, table: &str) -> Vec<String> {
    let role = names.system();
    let mut sql = vec![format!("DROP POLICY IF EXISTS system ON {table}")];
    if let Some(policy) = system(names, table, table) {
        sql.push(format!("GRANT {ROWS} ON {table} TO {role}"));
        sql.push(policy);
    } else {
        sql.push(format!("REVOKE ALL ON {table} FROM {role}"));
    }
    if APPEND_ONLY.contains(&table) {
        sql.push(format!("GRANT INSERT ON {table} TO {role}"));
    }
    sql
}

/// Writes the system role's policies of every table of the schema again, from the purposes of this
/// build. Runs after every migration.
pub async fn refresh_system_policies(
    manager: &SchemaManager<'_>,
    service: &str,
) -> Result<(), DbErr> {
    let Some(names) = names::of(manager, service).await? else { return Ok(()) };
    let db = manager.get_connection();
    let text = "SELECT c.relname::text AS name FROM pg_class c \
        JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') \
        AND NOT c.relispartition AND c.relrowsecurity ORDER BY c.relname";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, text)).await?;
    let mut sql = Vec::new();
    for row in rows {
        let table: String = row.try_get("", "name")?;
        sql.extend(system_sql(&names, &table));
    }
    // One implicit transaction: nobody sees a table between two policies.
    db.execute_unprepared(&sql.join(";")).await.map(drop)
}
