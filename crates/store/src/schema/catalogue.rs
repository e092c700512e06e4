//! Holds a migrated database to the rules of isolation (ISO-4, ISO-28 to ISO-30, ISO-33).
//!
//! Reads the catalogue of PostgreSQL and names every deviation in a sentence. Policies are compared
//! with the template as the server itself prints it: a copy of the template is made on a throw-away
//! table in a transaction that is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use kernel::secret::ExposeSecret;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement,
    TransactionTrait,
};

use super::names::Names;
use super::policy::{APPEND_ONLY, Guarded, fixed, system};
use crate::error::{Error, classify};
use crate::migrate::{MigrateConfig, as_owner, single};

/// Tables without a tenant, or beyond its reach: the list of ISO-4 by name.
const SYSTEM_TABLES: &[&str] = &[
    "inbound_raw",
    "outbox",
    "inbox",
    "lease",
    "job",
    "poison",
    "dead_letter",
    "quarantine",
    "data_key",
    "readmodel",
    "bus_log",
    "person",
    "factor",
    "session",
    "refresh_token",
    "signing_key",
    "operator",
    "place_link",
    "throttle",
    "used_jti",
    "partner",
    "rate_card",
];
/// One that other services have too, as a table of their tenants: identity's holds passwords.
const IDENTITYS: (&str, &str) = ("identity", "credential");
/// What a role may be granted on a table; never TRUNCATE, REFERENCES or TRIGGER.
const ROWS: [&str; 4] = ["DELETE", "INSERT", "SELECT", "UPDATE"];

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: DbErr) -> Error {
    classify(&error).0
}

#[derive(FromQueryResult)]
#[expect(clippy::struct_excessive_bools, reason = "a row of the catalogue")]
struct Table {
    name: String,
    kind: String,
    partition: bool,
    guarded: bool,
    forced: bool,
    owner: String,
    tenant: bool,
    tenant_required: bool,
    waba: bool,
    partner: bool,
}

#[derive(FromQueryResult)]
struct Policy {
    name: String,
    command: String,
    permissive: bool,
    roles: String,
    using: Option<String>,
    check: Option<String>,
}

#[derive(FromQueryResult)]
struct Named {
    subject: String,
    detail: String,
}

type Policies = BTreeMap<String, String>;

struct Catalogue<'a> {
    db: &'a DatabaseTransaction,
    names: &'a Names,
    faults: Vec<String>,
}

/// Every deviation of a service's schema from the rules, in sentences; empty is what it should be,
/// and on SQLite what it always is.
pub async fn catalogue_faults(config: &MigrateConfig, service: &str) -> Result<Vec<String>, Error> {
    let MigrateConfig::Postgres { url, roles } = config else { return Ok(Vec::new()) };
    let names = Names::new(&roles.prefix, service)?;
    let first = as_owner(&names, &roles.prefix);
    let connection = single(url.expose_secret(), first).await?;
    let db = connection.begin().await.map_err(failed)?;
    let mut catalogue = Catalogue { db: &db, names: &names, faults: Vec::new() };
    let looked = catalogue.look().await;
    let faults = catalogue.faults;
    db.rollback().await.map_err(failed)?;
    connection.close_by_ref().await.map_err(failed)?;
    looked.map(|()| faults)
}

impl Catalogue<'_> {
    async fn rows<M: FromQueryResult>(&self, text: &str) -> Result<Vec<M>, Error> {
        let statement = Statement::from_string(DbBackend::Postgres, text);
        let rows = self.db.query_all_raw(statement).await.map_err(failed)?;
        crate::raw::read(&rows)
    }

    /// Whether the list of ISO-4 names this table of this service.
    fn is_system(&self, table: &str) -> bool {
        SYSTEM_TABLES.contains(&table) || (self.names.schema(), table) == IDENTITYS
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    async fn look(&mut self) -> Result<(), Error> {
        for table in self.tables().await? {
            if table.kind == "v" || table.kind == "m" {
                self.view(&table).await?;
            } else {
                self.table(&table).await?;
            }
        }
        self.keys().await?;
        self.roles().await?;
        self.grants().await?;
        self.functions().await
    }

    async fn tables(&self) -> Result<Vec<Table>, Error> {
        let column = |name: &str, and: &str| {
            format!(
                "EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid \
                 AND a.attname = '{name}' AND NOT a.attisdropped {and})"
            )
        };
        let text = format!(
            "SELECT c.relname::text AS name, c.relkind::text AS kind, c.relispartition AS partition, \
                c.relrowsecurity AS guarded, c.relforcerowsecurity AS forced, \
                pg_get_userbyid(c.relowner)::text AS owner, {} AS tenant, \
                {} AS tenant_required, {} AS waba, {} AS partner \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = '{}' AND c.relkind IN ('r', 'p', 'v', 'm') \
                AND c.relname <> 'seaql_migrations' ORDER BY c.relname",
            column("tenant_id", ""),
            column("tenant_id", "AND a.attnotnull"),
            column("waba_id", ""),
            column("partner_id", ""),
            self.names.schema(),
        );
        self.rows(&text).await
    }

    async fn view(&mut self, view: &Table) -> Result<(), Error> {
        if view.kind == "m" {
            self.fault(format!("{} is a materialised view", view.name));
            return Ok(());
        }
        let text = format!(
            "SELECT c.relname::text AS subject, coalesce(array_to_string(c.reloptions, ','), '') \
                AS detail FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = '{}' AND c.relname = '{}'",
            self.names.schema(),
            view.name
        );
        let options = self.rows::<Named>(&text).await?.pop().map(|row| row.detail);
        if !options.unwrap_or_default().contains("security_invoker=true") {
            self.fault(format!("view {} lacks security_invoker (ISO-29)", view.name));
        }
        Ok(())
    }

    async fn table(&mut self, table: &Table) -> Result<(), Error> {
        let name = &table.name;
        if table.owner != self.names.owner() {
            self.fault(format!("{name} belongs to {}, not to {}", table.owner, self.names.owner()));
        }
        if table.partition {
            return Ok(());
        }
        if !table.guarded || !table.forced {
            self.fault(format!("{name} lacks FORCE ROW LEVEL SECURITY"));
        }
        let listed = self.is_system(name);
        if !table.tenant && !listed {
            self.fault(format!("{name} has no tenant_id and ISO-4 does not name it"));
        }
        let of_tenants = table.tenant && !listed;
        if of_tenants && !table.tenant_required {
            self.fault(format!("{name} allows rows without tenant_id"));
        }
        let found = self.policies(name).await?;
        let desk = found.contains_key("desk");
        if desk && !table.partner {
            self.fault(format!("{name} is a desk table without partner_id"));
        }
        let guarded = Guarded { tenant: of_tenants, waba: of_tenants && table.waba, desk };
        let expected = self.template(name, guarded).await?;
        for (policy, text) in &expected {
            match found.get(policy) {
                None => self.fault(format!("{name} lacks policy {policy}")),
                Some(other) if other != text => {
                    self.fault(format!("policy {policy} of {name} is not the template's: {other}"));
                }
                Some(_) => {}
            }
        }
        for policy in found.keys().filter(|policy| !expected.contains_key(*policy)) {
            self.fault(format!("{name} has a policy {policy} that the template does not"));
        }
        Ok(())
    }

    async fn policies(&self, table: &str) -> Result<Policies, Error> {
        let text = format!(
            "SELECT p.polname::text AS name, p.polcmd::text AS command, \
                p.polpermissive AS permissive, \
                array_to_string(ARRAY(SELECT pg_get_userbyid(role) FROM unnest(p.polroles) role \
                    ORDER BY 1), ',') AS roles, \
                pg_get_expr(p.polqual, p.polrelid) AS using, \
                pg_get_expr(p.polwithcheck, p.polrelid) AS check \
             FROM pg_policy p WHERE p.polrelid = '{}.{table}'::regclass",
            self.names.schema()
        );
        let text_of = |policy: &Policy| {
            let kind = if policy.permissive { "permissive" } else { "restrictive" };
            let (using, check) = (&policy.using, &policy.check);
            format!("{kind} {} to {} {using:?} {check:?}", policy.command, policy.roles)
        };
        let all = self.rows::<Policy>(&text).await?;
        Ok(all.into_iter().map(|policy| (policy.name.clone(), text_of(&policy))).collect())
    }

    /// The template's policies as the server prints them.
    async fn template(&self, like: &str, guarded: Guarded) -> Result<Policies, Error> {
        let copy = "zz_template";
        let schema = self.names.schema();
        let mut text = format!(
            "DROP TABLE IF EXISTS {schema}.{copy}; \
             CREATE TABLE {schema}.{copy} (tenant_id uuid, waba_id uuid, partner_id uuid);"
        );
        let target = format!("{schema}.{copy}");
        let policies = fixed(self.names, &target, like, guarded)
            .into_iter()
            .chain(system(self.names, &target, like));
        for policy in policies {
            text.push_str(&policy);
            text.push(';');
        }
        self.db.execute_unprepared(&text).await.map_err(failed)?;
        let found = self.policies(copy).await;
        let drop = format!("DROP TABLE {target}");
        self.db.execute_unprepared(&drop).await.map_err(failed)?;
        found
    }

    /// Unique and foreign keys ignore row-level security, so they start with the tenant.
    async fn keys(&mut self) -> Result<(), Error> {
        let schema = self.names.schema();
        let text = format!(
            "SELECT t.relname::text || ' ' || i.relname::text AS subject, \
                array_to_string(ARRAY(SELECT coalesce(a.attname::text, '(expression)') \
                    FROM unnest(x.indkey) WITH ORDINALITY k(attnum, at) \
                    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum \
                        AND k.attnum > 0 \
                    WHERE k.at <= x.indnkeyatts ORDER BY k.at), ',') AS detail \
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
             JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
             WHERE n.nspname = '{schema}' AND x.indisunique AND NOT t.relispartition \
                AND t.relname <> 'seaql_migrations' \
                AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = t.oid \
                    AND a.attname = 'tenant_id' AND NOT a.attisdropped)"
        );
        for key in self.rows::<Named>(&text).await? {
            let (table, index) = key.subject.split_once(' ').unwrap_or_default();
            let lawful = key.detail.split(',').next() == Some("tenant_id")
                || key.detail == "id"
                || index.starts_with("iso5_")
                || self.is_system(table);
            if !lawful {
                self.fault(format!("unique key {index} of {table} starts with ({})", key.detail));
            }
        }
        let text = format!(
            "SELECT t.relname::text || ' ' || k.conname::text AS subject, \
                (SELECT a.attname::text FROM pg_attribute a \
                    WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]) || ',' || \
                (SELECT a.attname::text FROM pg_attribute a \
                    WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1]) AS detail \
             FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid \
             JOIN pg_namespace n ON n.oid = t.relnamespace \
             WHERE n.nspname = '{schema}' AND k.contype = 'f' AND k.conparentid = 0"
        );
        for key in self.rows::<Named>(&text).await? {
            let (table, name) = key.subject.split_once(' ').unwrap_or_default();
            if key.detail != "tenant_id,tenant_id" && !self.is_system(table) {
                self.fault(format!("foreign key {name} of {table} does not start with tenant_id"));
            }
        }
        Ok(())
    }

    async fn roles(&mut self) -> Result<(), Error> {
        let mut ours = self.names.logins().to_vec();
        ours.push(self.names.owner());
        let quoted: Vec<String> = ours.iter().map(|role| format!("'{role}'")).collect();
        let text = format!(
            "SELECT rolname::text AS subject, concat_ws(' ', \
                CASE WHEN rolsuper THEN 'is a superuser' END, \
                CASE WHEN rolbypassrls THEN 'bypasses row-level security' END, \
                CASE WHEN rolinherit AND rolcanlogin THEN 'inherits' END) AS detail \
             FROM pg_roles WHERE rolname IN ({})",
            quoted.join(", ")
        );
        let found = self.rows::<Named>(&text).await?;
        for role in &found {
            if !role.detail.is_empty() {
                self.fault(format!("role {} {}", role.subject, role.detail));
            }
        }
        let known: BTreeSet<&String> = found.iter().map(|role| &role.subject).collect();
        let absent: Vec<String> =
            ours.iter().filter(|role| !known.contains(role)).cloned().collect();
        for role in absent {
            self.fault(format!("role {role} is missing"));
        }
        Ok(())
    }

    async fn grants(&mut self) -> Result<(), Error> {
        let text = format!(
            "SELECT c.relname::text || ' ' || CASE WHEN g.grantee = 0 THEN 'PUBLIC' \
                    ELSE pg_get_userbyid(g.grantee)::text END AS subject, \
                CASE WHEN c.relispartition THEN 'partition ' ELSE '' END || \
                string_agg(g.privilege_type, ',' ORDER BY g.privilege_type) AS detail \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, \
                aclexplode(c.relacl) g \
             WHERE n.nspname = '{}' AND c.relkind IN ('r', 'p', 'v', 'm') \
                AND g.grantee <> c.relowner GROUP BY c.relname, c.relispartition, g.grantee",
            self.names.schema()
        );
        let tables = self.tables().await?;
        for grant in self.rows::<Named>(&text).await? {
            let (name, role) = grant.subject.split_once(' ').unwrap_or_default();
            let table = tables.iter().find(|table| table.name == name);
            let of_tenants = table.is_some_and(|table| table.tenant && !self.is_system(name));
            let allowed: &[&str] = if role == self.names.scoped() && of_tenants {
                &ROWS
            } else if role == self.names.scoped() && APPEND_ONLY.contains(&name) {
                &["INSERT"]
            } else if role == self.names.system() {
                &ROWS
            } else if role == self.names.desk() && self.policies(name).await?.contains_key("desk") {
                &["SELECT"]
            } else {
                &[]
            };
            if !grant.detail.split(',').all(|one| allowed.contains(&one)) {
                self.fault(format!("{role} has {} on {name}", grant.detail));
            }
        }
        Ok(())
    }

    async fn functions(&mut self) -> Result<(), Error> {
        let text = format!(
            "SELECT p.proname::text AS subject, \
                coalesce(array_to_string(p.proconfig, ','), '') || ' ' || \
                coalesce((SELECT string_agg(CASE WHEN g.grantee = 0 THEN 'PUBLIC' \
                    ELSE pg_get_userbyid(g.grantee)::text END, ',') FROM aclexplode(p.proacl) g \
                    WHERE g.grantee <> p.proowner), 'PUBLIC') AS detail \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = '{}' AND p.prosecdef",
            self.names.schema()
        );
        let expected = format!("search_path=pg_catalog {}", self.names.system());
        for function in self.rows::<Named>(&text).await? {
            let listed = ["partition_make", "partition_drop"].contains(&function.subject.as_str());
            if !listed || function.detail != expected {
                let (name, detail) = (function.subject, function.detail);
                self.fault(format!("function {name} runs as its owner ({detail})"));
            }
        }
        Ok(())
    }
}
