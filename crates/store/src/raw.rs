//! Raw SQL where a builder would hide the plan: claims, roll-ups, upserts.
//!
//! The text names its holes and the store fills them, so a statement that forgets its tenant does
//! not run at all, on either database:
//!
//! | hole | stands for |
//! |---|---|
//! | `{1}`, `{2}` … | a bind by its place; a list of values becomes `v, v, v`, an empty one `NULL` |
//! | `{tenant}` | the caller's tenant; mandatory on a [`crate::ScopedTx`] |
//! | `{wabas}`, `{wabas:m.waba_id}` | a condition: that column (else `waba_id`) is within reach |
//! | `{tenant_wide}` | the condition TRUE, said by a statement whose table has no WABA |
//! | `{purpose}` | a condition that holds in this purpose; mandatory on a [`crate::SystemTx`] |
//! | `{partners}`, `{partners:t.partner_id}` | a condition: the partner is the desk's |
//! | `{skip_locked}` | `FOR UPDATE SKIP LOCKED` on PostgreSQL, nothing on SQLite (one writer) |
//! | `{db_now}` | the database's clock in microseconds since 1970, for leases and claims |
//!
//! Bound values only: no value is ever written into the text.

use std::sync::Arc;

use auth::Wabas;
use kernel::id::TenantId;
use sea_orm::{DbBackend, FromQueryResult, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::error::{Error, classify};
use crate::purpose::Purpose;
use crate::tx::TxCore;

/// One statement in the words of both databases.
#[derive(Debug, Clone)]
pub struct RawSql {
    /// For PostgreSQL.
    pub postgres: &'static str,
    /// For SQLite; often the same text.
    pub sqlite: &'static str,
    /// What `{1}`, `{2}` … stand for.
    pub binds: Vec<Bind>,
}

impl RawSql {
    /// One text that both databases read.
    pub const fn both(text: &'static str, binds: Vec<Bind>) -> Self {
        Self { postgres: text, sqlite: text, binds }
    }
}

/// What a numbered hole stands for.
#[derive(Debug, Clone)]
pub enum Bind {
    /// One value.
    One(Value),
    /// Several, written as `v, v, v` for `IN ({1})`.
    List(Vec<Value>),
}

impl<T: Into<Value>> From<T> for Bind {
    fn from(value: T) -> Self {
        Self::One(value.into())
    }
}

impl Bind {
    /// Several values for one `IN ({n})`.
    pub fn list<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Whose rows a raw statement may reach.
#[derive(Clone)]
pub(crate) enum RawReach {
    Tenant { tenant: TenantId, wabas: Wabas, blind: bool },
    System(Purpose),
    Desk { partner: Option<Uuid> },
}

/// A raw statement that waits to be run.
#[must_use]
pub struct Raw {
    core: Arc<TxCore>,
    statement: Result<Statement, Error>,
}

impl Raw {
    pub(crate) fn new(core: Arc<TxCore>, sql: RawSql, reach: &RawReach) -> Self {
        let statement = render(core.dialect(), sql, Some(reach));
        Self { core, statement }
    }

    /// All rows, read by column name.
    pub async fn all<M: FromQueryResult>(self) -> Result<Vec<M>, Error> {
        read(&self.core.rows(self.statement?).await?)
    }

    /// The first row, where there is one.
    pub async fn one<M: FromQueryResult>(self) -> Result<Option<M>, Error> {
        Ok(self.all().await?.into_iter().next())
    }

    /// Runs it and answers the number of rows that it touched.
    pub async fn exec(self) -> Result<u64, Error> {
        self.core.execute(self.statement?).await
    }
}

/// Rows as `M`, by column name.
pub(crate) fn read<M: FromQueryResult>(rows: &[QueryResult]) -> Result<Vec<M>, Error> {
    let read = |row| M::from_query_result(row, "");
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| classify(&error).0)
}

/// This crate's own statements over its own tables.
pub(crate) fn own(core: &TxCore, text: &str, binds: Vec<Bind>) -> Result<Statement, Error> {
    Renderer::new(core.dialect(), binds, None).render(text)
}

/// The text for the database at hand with every hole filled.
pub(crate) fn render(
    dialect: DbBackend,
    sql: RawSql,
    reach: Option<&RawReach>,
) -> Result<Statement, Error> {
    let text = if dialect == DbBackend::Postgres { sql.postgres } else { sql.sqlite };
    match reach {
        Some(RawReach::Tenant { .. }) => {
            need(text, "{tenant}")?;
            if !text.contains("{wabas") && !text.contains("{tenant_wide}") {
                return Err(Error::internal(
                    "run raw SQL that says neither {wabas} nor {tenant_wide}",
                ));
            }
        }
        Some(RawReach::System(purpose)) => {
            need(text, "{purpose}")?;
            for table in tables(text) {
                purpose.check(&table)?;
            }
        }
        Some(RawReach::Desk { .. }) => need(text, "{partners")?,
        None => {}
    }
    Renderer::new(dialect, sql.binds, reach).render(text)
}

fn need(text: &str, hole: &str) -> Result<(), Error> {
    if text.contains(hole) {
        return Ok(());
    }
    Err(Error::internal(format!("run raw SQL without its {hole} (ISO-23)")))
}

struct Renderer<'a> {
    dialect: DbBackend,
    binds: Vec<Bind>,
    reach: Option<&'a RawReach>,
    text: String,
    values: Vec<Value>,
    /// Where a single bind stands already, so that it is sent once.
    placed: Vec<Option<usize>>,
}

impl<'a> Renderer<'a> {
    fn new(dialect: DbBackend, binds: Vec<Bind>, reach: Option<&'a RawReach>) -> Self {
        let placed = vec![None; binds.len()];
        Self { dialect, binds, reach, text: String::new(), values: Vec::new(), placed }
    }

    fn render(mut self, text: &str) -> Result<Statement, Error> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((hole, behind)) = after.split_once('}') else {
                return Err(Error::internal("run raw SQL with an open brace"));
            };
            self.text.push_str(before);
            self.fill(hole)?;
            rest = behind;
        }
        self.text.push_str(rest);
        Ok(Statement::from_sql_and_values(self.dialect, self.text, self.values))
    }

    fn fill(&mut self, hole: &str) -> Result<(), Error> {
        let (name, column) = hole.split_once(':').unwrap_or((hole, ""));
        if let Ok(place) = name.parse::<usize>() {
            return self.fill_bind(place);
        }
        let postgres = self.dialect == DbBackend::Postgres;
        match (name, self.reach) {
            ("tenant", Some(RawReach::Tenant { tenant, .. })) => {
                self.push_value(tenant.uuid().into());
            }
            ("wabas", Some(RawReach::Tenant { wabas: Wabas::Only(few), blind: false, .. })) => {
                let column = if column.is_empty() { "waba_id" } else { column };
                self.text.push_str(column);
                self.text.push_str(" IN (");
                let few: Vec<Value> = few.iter().map(|waba| waba.uuid().into()).collect();
                self.push_list(&few);
                self.text.push(')');
            }
            ("partners", Some(RawReach::Desk { partner: Some(partner) })) => {
                let column = if column.is_empty() { "partner_id" } else { column };
                self.text.push_str(column);
                self.text.push_str(" = ");
                self.push_value((*partner).into());
            }
            ("purpose", Some(RawReach::System(purpose))) if postgres => {
                self.text.push_str("current_setting('app.purpose', true) = ");
                self.push_value(purpose.name().into());
            }
            ("wabas" | "tenant_wide", Some(RawReach::Tenant { .. }))
            | ("partners", Some(RawReach::Desk { partner: None }))
            | ("purpose", Some(RawReach::System(_))) => self.text.push_str("1 = 1"),
            ("skip_locked", _) if postgres => self.text.push_str("FOR UPDATE SKIP LOCKED"),
            ("skip_locked", _) => {}
            ("db_now", _) => self.text.push_str(db_now(self.dialect)),
            _ => return Err(Error::internal(format!("fill the hole {{{hole}}} of raw SQL"))),
        }
        Ok(())
    }

    fn fill_bind(&mut self, place: usize) -> Result<(), Error> {
        let missing = || Error::internal(format!("run raw SQL without its bind {{{place}}}"));
        let index = place.checked_sub(1).ok_or_else(missing)?;
        if let Some(at) = self.placed.get(index).copied().flatten() {
            self.push_number(at);
            return Ok(());
        }
        match self.binds.get(index).cloned().ok_or_else(missing)? {
            Bind::List(values) => self.push_list(&values),
            Bind::One(value) => {
                self.push_value(value);
                if let Some(placed) = self.placed.get_mut(index) {
                    *placed = Some(self.values.len());
                }
            }
        }
        Ok(())
    }

    fn push_value(&mut self, value: Value) {
        self.values.push(value);
        self.push_number(self.values.len());
    }

    fn push_list(&mut self, values: &[Value]) {
        if values.is_empty() {
            self.text.push_str("NULL");
        }
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.push_value(value.clone());
        }
    }

    fn push_number(&mut self, at: usize) {
        self.text.push(if self.dialect == DbBackend::Postgres { '$' } else { '?' });
        self.text.push_str(&at.to_string());
    }
}

/// The database's clock in microseconds: leases and claims are judged by nothing else (DEL-8).
pub(crate) const fn db_now(dialect: DbBackend) -> &'static str {
    match dialect {
        DbBackend::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        _ => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    }
}

/// The tables that a statement names: what follows FROM, USING, JOIN, INTO and UPDATE and the
/// commas behind it, less what it calls or defines itself. Words that it cannot place are taken for
/// tables: an error in development, and row-level security stands behind it.
fn tables(text: &str) -> Vec<String> {
    let separated = text.replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
    let words: Vec<&str> = separated.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let is = |at: usize, what: &str| word(at).eq_ignore_ascii_case(what);
    let defined: Vec<&str> = (0..words.len())
        .filter(|at| is(at + 1, "as") && (word(at + 2) == "(" || is(at + 2, "materialized")))
        .map(word)
        .collect();
    let mut found = Vec::new();
    for at in 0..words.len() {
        let names_table = match word(at).to_ascii_lowercase().as_str() {
            "from" => !(at > 0 && is(at - 1, "distinct")),
            "join" | "into" | "using" => true,
            "update" => !(at > 0 && (is(at - 1, "for") || is(at - 1, "do"))),
            _ => false,
        };
        if !names_table {
            continue;
        }
        let mut place = at + 1;
        loop {
            let lateral = usize::from(is(place, "lateral"));
            let name = word(place + lateral).trim_matches(['"', ';']);
            let called = word(place + lateral + 1) == "(" && !is(at, "into");
            if name == "(" || called {
                break;
            }
            if !defined.contains(&name) {
                found.push(name.to_owned());
            }
            // `a AS x, b`, `a x, b`, `a, b`
            let alias = if is(place + 1, "as") { 2 } else { usize::from(word(place + 1) != ",") };
            if word(place + 1 + alias) != "," || is(at, "into") {
                break;
            }
            place += alias + 2;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &'static str, binds: Vec<Bind>) -> RawSql {
        RawSql::both(text, binds)
    }

    fn reach() -> RawReach {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        RawReach::Tenant { tenant, wabas: Wabas::All, blind: false }
    }

    #[test]
    fn text_without_its_tenant_does_not_run() {
        let refused = render(DbBackend::Sqlite, sql("SELECT 1", vec![]), Some(&reach()));
        assert!(refused.is_err());
        let text = "SELECT * FROM note WHERE tenant_id = {tenant}";
        let refused = render(DbBackend::Sqlite, sql(text, vec![]), Some(&reach()));
        assert!(refused.is_err(), "it says nothing about WABAs");
    }

    #[test]
    fn a_bind_that_is_named_twice_is_sent_once() {
        let text = "UPDATE note SET n = {1} WHERE tenant_id = {tenant} AND n < {1} AND {wabas}";
        let built = render(DbBackend::Postgres, sql(text, vec![5.into()]), Some(&reach()));
        let built = built.unwrap();
        let expected = "UPDATE note SET n = $1 WHERE tenant_id = $2 AND n < $1 AND 1 = 1";
        assert_eq!(built.sql, expected);
        assert_eq!(built.values.unwrap().0.len(), 2);
    }

    #[test]
    fn lists_spread_and_an_empty_one_matches_nothing() {
        let text = "SELECT 1 WHERE tenant_id = {tenant} AND {tenant_wide} AND id IN ({1})";
        let two = sql(text, vec![Bind::list([1, 2])]);
        let built = render(DbBackend::Sqlite, two, Some(&reach())).unwrap();
        assert!(built.sql.ends_with("id IN (?2, ?3)"), "{}", built.sql);
        let none = sql(text, vec![Bind::list(Vec::<i32>::new())]);
        let built = render(DbBackend::Sqlite, none, Some(&reach())).unwrap();
        assert!(built.sql.ends_with("id IN (NULL)"));
    }

    #[test]
    fn a_limited_caller_is_held_to_its_wabas() {
        let waba = kernel::id::WabaId::from_uuid(Uuid::from_u128(9));
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        let wabas = Wabas::Only([waba].into());
        let reach = RawReach::Tenant { tenant, wabas, blind: false };
        let text = "SELECT 1 FROM note m WHERE m.tenant_id = {tenant} AND {wabas:m.waba_id}";
        let built = render(DbBackend::Postgres, sql(text, vec![]), Some(&reach)).unwrap();
        assert!(built.sql.ends_with("m.tenant_id = $1 AND m.waba_id IN ($2)"), "{}", built.sql);
    }

    #[test]
    fn tables_are_found_and_functions_and_common_table_expressions_are_not() {
        let text = "WITH due AS (SELECT id FROM message WHERE a IS DISTINCT FROM b \
            FOR UPDATE SKIP LOCKED) UPDATE message_step SET n = 1 FROM due, unnest(x) \
            JOIN \"contact\" ON true";
        assert_eq!(tables(text), ["message", "message_step", "contact"]);
        let text = "INSERT INTO note (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2";
        assert_eq!(tables(text), ["note"]);
        assert!(tables("SELECT extract(epoch FROM clock_timestamp())").is_empty());
        let text = "DELETE FROM note n USING entry AS e, state s WHERE n.id = e.id";
        assert_eq!(tables(text), ["note", "entry", "state"]);
        let text = "SELECT a, b FROM note, entry JOIN LATERAL (SELECT 1 FROM fact) f USING (id)";
        assert_eq!(tables(text), ["note", "entry", "fact"]);
    }
}
