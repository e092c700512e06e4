//! Rows of the read models, written in batches: a higher version replaces, everything else is skipped.
//! One statement a table and batch, whatever its size.

use std::collections::BTreeMap;

use sea_orm::FromQueryResult;
use serde::Serialize;
use store::{Bind, Error, RawSql, SystemTx};
use uuid::Uuid;

use super::json;

/// A tenant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TenantRow {
    /// Its id.
    pub(crate) tenant_id: Uuid,
    /// Whether it may act.
    pub(crate) active: bool,
    /// Categories for which it asks for an opt-in, with spaces between them.
    pub(crate) require_opt_in: String,
    /// Its quota.
    pub(crate) messages_per_day: Option<i64>,
    /// Of its state.
    pub(crate) version: i64,
}

/// A WABA.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WabaRow {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Its id.
    pub(crate) waba_id: Uuid,
    /// Meta's.
    pub(crate) meta_id: String,
    /// `live` or `sandbox`.
    pub(crate) environment: String,
    /// `claimed`, `live`, `needs_reconnect`, `blocked`, `released`.
    pub(crate) state: String,
    /// Nil where none is known.
    pub(crate) portfolio_id: Uuid,
    /// Our name of its Meta app.
    pub(crate) app_id: String,
    /// Of its credential.
    pub(crate) generation: i64,
    /// When we last acted for it no more.
    pub(crate) not_live_us: Option<i64>,
    /// Of its state.
    pub(crate) version: i64,
}

/// A number.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NumberRow {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Its id.
    pub(crate) id: Uuid,
    /// Of which WABA.
    pub(crate) waba_id: Uuid,
    /// Meta's.
    pub(crate) meta_id: String,
    /// E.164.
    pub(crate) e164: String,
    /// Meta's word.
    pub(crate) status: String,
    /// For the Cloud API.
    pub(crate) registered: bool,
    /// Meta lists it no more.
    pub(crate) removed: bool,
    /// Messages a second.
    pub(crate) throughput_mps: i64,
    /// `live` or `sandbox`.
    pub(crate) environment: String,
    /// Of its state.
    pub(crate) version: i64,
}

/// A template.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TemplateRow {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Its id.
    pub(crate) id: Uuid,
    /// Of which WABA.
    pub(crate) waba_id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// Its language.
    pub(crate) language: String,
    /// Meta's word.
    pub(crate) category: String,
    /// Meta's word, or ours before Meta knows it.
    pub(crate) status: String,
    /// What a send must fill, as JSON.
    pub(crate) shape: Option<String>,
    /// How long Meta tries to deliver, in seconds, where the template says it; -1: 30 days.
    pub(crate) ttl_s: Option<i64>,
    /// Gone.
    pub(crate) deleted: bool,
    /// Of its state.
    pub(crate) version: i64,
}

/// The newest of each thing: a statement may write a row once.
fn newest<T: Clone>(rows: &[T], key: impl Fn(&T) -> (Uuid, Uuid, i64)) -> Vec<T> {
    let mut newest: BTreeMap<(Uuid, Uuid), (i64, T)> = BTreeMap::new();
    for row in rows {
        let (tenant, id, version) = key(row);
        let known = newest.get(&(tenant, id)).map(|(version, _)| *version);
        if known.is_none_or(|known| known < version) {
            newest.insert((tenant, id), (version, row.clone()));
        }
    }
    newest.into_values().map(|(_, row)| row).collect()
}

async fn write<T: Serialize>(
    tx: &SystemTx,
    rows: Vec<T>,
    postgres: &'static str,
    sqlite: &'static str,
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let binds = vec![json(&rows)?.into()];
    tx.raw(RawSql { postgres, sqlite, binds }).exec().await.map(drop)
}

/// Writes tenants.
pub(crate) async fn tenants(tx: &SystemTx, rows: &[TenantRow]) -> Result<(), Error> {
    let rows = newest(rows, |row| (row.tenant_id, row.tenant_id, row.version));
    write(
        tx,
        rows,
        "INSERT INTO tenant_state (tenant_id, active, require_opt_in, messages_per_day, version) \
        SELECT v.tenant_id, v.active, v.require_opt_in, v.messages_per_day, v.version \
        FROM json_to_recordset({1}::json) AS v(tenant_id uuid, active boolean, \
            require_opt_in text, messages_per_day bigint, version bigint) \
        WHERE {purpose} ON CONFLICT (tenant_id) DO UPDATE SET active = excluded.active, \
            require_opt_in = excluded.require_opt_in, \
            messages_per_day = excluded.messages_per_day, version = excluded.version \
            WHERE tenant_state.version < excluded.version",
        "INSERT INTO tenant_state (tenant_id, active, require_opt_in, messages_per_day, version) \
        SELECT unhex(replace(value ->> 'tenant_id', '-', '')), value ->> 'active', \
            value ->> 'require_opt_in', value ->> 'messages_per_day', value ->> 'version' \
        FROM json_each({1}) \
        WHERE {purpose} ON CONFLICT (tenant_id) DO UPDATE SET active = excluded.active, \
            require_opt_in = excluded.require_opt_in, \
            messages_per_day = excluded.messages_per_day, version = excluded.version \
            WHERE tenant_state.version < excluded.version",
    )
    .await
}

/// Writes WABAs. When we last acted for one no more is no part of the newest state: whichever version tells the latest
/// time, and whenever it comes, that stands (I7).
pub(crate) async fn wabas(tx: &SystemTx, rows: &[WabaRow]) -> Result<(), Error> {
    let mut not_live: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
    for row in rows {
        if let Some(at_us) = row.not_live_us {
            let latest = not_live.entry((row.tenant_id, row.waba_id)).or_insert(at_us);
            *latest = at_us.max(*latest);
        }
    }
    let mut rows = newest(rows, |row| (row.tenant_id, row.waba_id, row.version));
    for row in &mut rows {
        row.not_live_us = not_live.get(&(row.tenant_id, row.waba_id)).copied();
    }
    let stopped = rows.iter().filter(|row| row.not_live_us.is_some()).cloned().collect();
    write(
        tx,
        rows,
        "INSERT INTO waba_state (tenant_id, waba_id, meta_id, environment, state, portfolio_id, \
            app_id, generation, not_live_us, version) \
        SELECT v.tenant_id, v.waba_id, v.meta_id, v.environment, v.state, v.portfolio_id, \
            v.app_id, v.generation, v.not_live_us, v.version \
        FROM json_to_recordset({1}::json) AS v(tenant_id uuid, waba_id uuid, meta_id text, \
            environment text, state text, portfolio_id uuid, app_id text, generation bigint, \
            not_live_us bigint, version bigint) \
        WHERE {purpose} ON CONFLICT (tenant_id, waba_id) DO UPDATE SET \
            meta_id = excluded.meta_id, environment = excluded.environment, \
            state = excluded.state, portfolio_id = excluded.portfolio_id, \
            app_id = excluded.app_id, generation = excluded.generation, \
            version = excluded.version WHERE waba_state.version < excluded.version",
        "INSERT INTO waba_state (tenant_id, waba_id, meta_id, environment, state, portfolio_id, \
            app_id, generation, not_live_us, version) \
        SELECT unhex(replace(value ->> 'tenant_id', '-', '')), \
            unhex(replace(value ->> 'waba_id', '-', '')), value ->> 'meta_id', \
            value ->> 'environment', value ->> 'state', \
            unhex(replace(value ->> 'portfolio_id', '-', '')), value ->> 'app_id', \
            value ->> 'generation', value ->> 'not_live_us', value ->> 'version' \
        FROM json_each({1}) \
        WHERE {purpose} ON CONFLICT (tenant_id, waba_id) DO UPDATE SET \
            meta_id = excluded.meta_id, environment = excluded.environment, \
            state = excluded.state, portfolio_id = excluded.portfolio_id, \
            app_id = excluded.app_id, generation = excluded.generation, \
            version = excluded.version WHERE waba_state.version < excluded.version",
    )
    .await?;
    write(
        tx,
        stopped,
        "UPDATE waba_state SET not_live_us = v.not_live_us \
        FROM json_to_recordset({1}::json) AS v(tenant_id uuid, waba_id uuid, not_live_us bigint) \
        WHERE {purpose} AND waba_state.tenant_id = v.tenant_id \
            AND waba_state.waba_id = v.waba_id \
            AND coalesce(waba_state.not_live_us < v.not_live_us, true)",
        "UPDATE waba_state SET not_live_us = v.not_live_us \
        FROM (SELECT unhex(replace(value ->> 'tenant_id', '-', '')) AS tenant_id, \
            unhex(replace(value ->> 'waba_id', '-', '')) AS waba_id, \
            value ->> 'not_live_us' AS not_live_us FROM json_each({1})) AS v \
        WHERE {purpose} AND waba_state.tenant_id = v.tenant_id \
            AND waba_state.waba_id = v.waba_id \
            AND coalesce(waba_state.not_live_us < v.not_live_us, true)",
    )
    .await
}

/// Writes numbers.
pub(crate) async fn numbers(tx: &SystemTx, rows: &[NumberRow]) -> Result<(), Error> {
    let rows = newest(rows, |row| (row.tenant_id, row.id, row.version));
    write(
        tx,
        rows,
        "INSERT INTO number_state (tenant_id, id, waba_id, meta_id, e164, status, registered, \
            removed, throughput_mps, environment, version) \
        SELECT v.tenant_id, v.id, v.waba_id, v.meta_id, v.e164, v.status, v.registered, \
            v.removed, v.throughput_mps, v.environment, v.version \
        FROM json_to_recordset({1}::json) AS v(tenant_id uuid, id uuid, waba_id uuid, \
            meta_id text, e164 text, status text, registered boolean, removed boolean, \
            throughput_mps bigint, environment text, version bigint) \
        WHERE {purpose} ON CONFLICT (tenant_id, id) DO UPDATE SET \
            waba_id = excluded.waba_id, meta_id = excluded.meta_id, e164 = excluded.e164, \
            status = excluded.status, registered = excluded.registered, \
            removed = excluded.removed, throughput_mps = excluded.throughput_mps, \
            environment = excluded.environment, version = excluded.version \
            WHERE number_state.version < excluded.version",
        "INSERT INTO number_state (tenant_id, id, waba_id, meta_id, e164, status, registered, \
            removed, throughput_mps, environment, version) \
        SELECT unhex(replace(value ->> 'tenant_id', '-', '')), \
            unhex(replace(value ->> 'id', '-', '')), \
            unhex(replace(value ->> 'waba_id', '-', '')), value ->> 'meta_id', \
            value ->> 'e164', value ->> 'status', value ->> 'registered', value ->> 'removed', \
            value ->> 'throughput_mps', value ->> 'environment', value ->> 'version' \
        FROM json_each({1}) \
        WHERE {purpose} ON CONFLICT (tenant_id, id) DO UPDATE SET \
            waba_id = excluded.waba_id, meta_id = excluded.meta_id, e164 = excluded.e164, \
            status = excluded.status, registered = excluded.registered, \
            removed = excluded.removed, throughput_mps = excluded.throughput_mps, \
            environment = excluded.environment, version = excluded.version \
            WHERE number_state.version < excluded.version",
    )
    .await
}

/// Writes templates; a shape that its owner could not tell leaves the old one.
pub(crate) async fn templates(tx: &SystemTx, rows: &[TemplateRow]) -> Result<(), Error> {
    let rows = newest(rows, |row| (row.tenant_id, row.id, row.version));
    write(
        tx,
        rows,
        "INSERT INTO template_state (tenant_id, id, waba_id, name, language, category, status, \
            shape, ttl_s, deleted, version) \
        SELECT v.tenant_id, v.id, v.waba_id, v.name, v.language, v.category, v.status, v.shape, \
            v.ttl_s, v.deleted, v.version \
        FROM json_to_recordset({1}::json) AS v(tenant_id uuid, id uuid, waba_id uuid, name text, \
            language text, category text, status text, shape text, ttl_s bigint, \
            deleted boolean, version bigint) \
        WHERE {purpose} ON CONFLICT (tenant_id, id) DO UPDATE SET \
            waba_id = excluded.waba_id, name = excluded.name, language = excluded.language, \
            category = excluded.category, status = excluded.status, \
            shape = coalesce(excluded.shape, template_state.shape), \
            ttl_s = excluded.ttl_s, deleted = excluded.deleted, version = excluded.version \
            WHERE template_state.version < excluded.version",
        "INSERT INTO template_state (tenant_id, id, waba_id, name, language, category, status, \
            shape, ttl_s, deleted, version) \
        SELECT unhex(replace(value ->> 'tenant_id', '-', '')), \
            unhex(replace(value ->> 'id', '-', '')), \
            unhex(replace(value ->> 'waba_id', '-', '')), value ->> 'name', \
            value ->> 'language', value ->> 'category', value ->> 'status', value ->> 'shape', \
            value ->> 'ttl_s', value ->> 'deleted', value ->> 'version' \
        FROM json_each({1}) \
        WHERE {purpose} ON CONFLICT (tenant_id, id) DO UPDATE SET \
            waba_id = excluded.waba_id, name = excluded.name, language = excluded.language, \
            category = excluded.category, status = excluded.status, \
            shape = coalesce(excluded.shape, template_state.shape), \
            ttl_s = excluded.ttl_s, deleted = excluded.deleted, version = excluded.version \
            WHERE template_state.version < excluded.version",
    )
    .await
}

#[derive(FromQueryResult)]
struct Found {
    tenant_id: Uuid,
    id: Uuid,
}

/// Whether any of these, or the WABA that it names, is another tenant's (ISO-41). Indexes: `(waba_id)`, `(id)`, `(id)`.
pub(crate) async fn foreign(
    tx: &SystemTx,
    wabas: &[WabaRow],
    numbers: &[NumberRow],
    templates: &[TemplateRow],
) -> Result<bool, Error> {
    let own_wabas = wabas.iter().map(|row| (row.waba_id, row.tenant_id));
    let number_wabas = numbers.iter().map(|row| (row.waba_id, row.tenant_id));
    let template_wabas = templates.iter().map(|row| (row.waba_id, row.tenant_id));
    let named_wabas: Vec<(Uuid, Uuid)> =
        own_wabas.chain(number_wabas).chain(template_wabas).collect();
    let named_numbers = numbers.iter().map(|row| (row.id, row.tenant_id));
    let named_templates = templates.iter().map(|row| (row.id, row.tenant_id));
    let mut owners: BTreeMap<Uuid, Uuid> = BTreeMap::new();
    for (id, owner) in named_wabas.iter().copied().chain(named_numbers).chain(named_templates) {
        // Two events that give one thing to two tenants: one of them is wrong, each is judged by itself.
        if owners.insert(id, owner).is_some_and(|other| other != owner) {
            return Ok(true);
        }
    }
    if owners.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT tenant_id, waba_id AS id FROM waba_state \
            WHERE {purpose} AND waba_id IN ({1}) \
        UNION ALL SELECT tenant_id, id FROM number_state WHERE {purpose} AND id IN ({2}) \
        UNION ALL SELECT tenant_id, id FROM template_state WHERE {purpose} AND id IN ({3})";
    let binds = vec![
        Bind::list(named_wabas.iter().map(|(waba, _)| *waba)),
        Bind::list(numbers.iter().map(|row| row.id)),
        Bind::list(templates.iter().map(|row| row.id)),
    ];
    let found = tx.raw(RawSql::both(sql, binds)).all::<Found>().await?;
    Ok(found.iter().any(|row| owners.get(&row.id).is_some_and(|owner| *owner != row.tenant_id)))
}
