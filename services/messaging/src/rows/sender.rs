//! Senders out of their five tables: for the units of one tenant, and for the dispatcher.

use std::collections::BTreeMap;

use kernel::id::{NumberId, TenantId, WabaId};
use sea_orm::entity::prelude::*;
use store::{Error, ScopedTx, SystemTx};

use super::{maybe_time, number_health, number_state, tenant_state, waba_state, waba_stop};
use crate::domain::contact::OptInRule;
use crate::domain::conversation::Hearing;
use crate::domain::sender::{Listing, Sender, Stop};

/// States in which we act for a WABA.
const ACTING: [&str; 2] = ["claimed", "live"];

#[derive(Default)]
struct Around {
    wabas: BTreeMap<(Uuid, Uuid), waba_state::Model>,
    stops: BTreeMap<(Uuid, Uuid), waba_stop::Model>,
    health: BTreeMap<(Uuid, Uuid), number_health::Model>,
    tenants: BTreeMap<Uuid, tenant_state::Model>,
}

fn sender(row: number_state::Model, around: &Around) -> Sender {
    let place = (row.tenant_id, row.waba_id);
    let waba = around.wabas.get(&place);
    let health = around.health.get(&(row.tenant_id, row.id));
    let tenant = around.tenants.get(&row.tenant_id);
    Sender {
        tenant: TenantId::from_uuid(row.tenant_id),
        number: NumberId::from_uuid(row.id),
        waba: WabaId::from_uuid(row.waba_id),
        digits: row.e164.chars().filter(char::is_ascii_digit).collect(),
        meta_id: row.meta_id,
        app: waba.map(|waba| waba.app_id.clone()).unwrap_or_default(),
        status: row.status,
        listing: match (row.removed, row.registered) {
            (true, _) => Listing::Removed,
            (false, true) => Listing::Registered,
            (false, false) => Listing::Listed,
        },
        throughput: u32::try_from(row.throughput_mps).unwrap_or(0),
        environment: waba.map_or(row.environment, |waba| waba.environment.clone()),
        tenant_active: tenant.is_some_and(|tenant| tenant.active),
        opt_in: tenant.map(|tenant| OptInRule::parse(&tenant.require_opt_in)).unwrap_or_default(),
        messages_per_day: tenant.and_then(|tenant| tenant.messages_per_day),
        waba_live: waba.is_some_and(|waba| ACTING.contains(&waba.state.as_str())),
        portfolio: waba.map(|waba| waba.portfolio_id).unwrap_or_default(),
        generation: waba.map_or(0, |waba| waba.generation),
        stop: around.stops.get(&place).map(|stop| Stop {
            code: stop.code,
            generation: stop.generation,
            until: maybe_time(stop.until_us),
        }),
        hearing: Hearing {
            first: maybe_time(health.and_then(|health| health.heard_first_us)),
            broken: maybe_time(health.and_then(|health| health.heard_broken_us)),
        },
        not_live: maybe_time(waba.and_then(|waba| waba.not_live_us)),
        marketing_held_until: maybe_time(health.and_then(|health| health.marketing_held_us)),
    }
}

impl Around {
    fn fill(
        wabas: Vec<waba_state::Model>,
        stops: Vec<waba_stop::Model>,
        health: Vec<number_health::Model>,
        tenants: Vec<tenant_state::Model>,
    ) -> Self {
        Self {
            wabas: wabas.into_iter().map(|row| ((row.tenant_id, row.waba_id), row)).collect(),
            stops: stops.into_iter().map(|row| ((row.tenant_id, row.waba_id), row)).collect(),
            health: health.into_iter().map(|row| ((row.tenant_id, row.number_id), row)).collect(),
            tenants: tenants.into_iter().map(|row| (row.tenant_id, row)).collect(),
        }
    }
}

/// The senders among these numbers that the caller reaches.
pub(crate) async fn load(
    tx: &ScopedTx,
    numbers: &[NumberId],
) -> Result<BTreeMap<NumberId, Sender>, Error> {
    let ids: Vec<Uuid> = numbers.iter().map(NumberId::uuid).collect();
    let rows = tx
        .find::<number_state::Entity>()
        .filter(number_state::Column::Id.is_in(ids.clone()))
        .all()
        .await?;
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let of: Vec<Uuid> = rows.iter().map(|row| row.waba_id).collect();
    let wabas = tx.find::<waba_state::Entity>();
    let wabas = wabas.filter(waba_state::Column::WabaId.is_in(of.clone())).all().await?;
    let stops = tx.find::<waba_stop::Entity>();
    let stops = stops.filter(waba_stop::Column::WabaId.is_in(of)).all().await?;
    let health = tx.find::<number_health::Entity>();
    let health = health.filter(number_health::Column::NumberId.is_in(ids)).all().await?;
    let tenants = tx.find::<tenant_state::Entity>().all().await?;
    let around = Around::fill(wabas, stops, health, tenants);
    Ok(rows.into_iter().map(|row| (NumberId::from_uuid(row.id), sender(row, &around))).collect())
}

/// The same for the dispatcher, over all tenants.
pub(crate) async fn load_all(tx: &SystemTx, numbers: &[Uuid]) -> Result<Vec<Sender>, Error> {
    let rows = tx
        .find::<number_state::Entity>()
        .filter(number_state::Column::Id.is_in(numbers.iter().copied()))
        .all()
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let of: Vec<Uuid> = rows.iter().map(|row| row.waba_id).collect();
    let owners: Vec<Uuid> = rows.iter().map(|row| row.tenant_id).collect();
    let wabas = tx.find::<waba_state::Entity>();
    let wabas = wabas.filter(waba_state::Column::WabaId.is_in(of.clone())).all().await?;
    let stops = tx.find::<waba_stop::Entity>();
    let stops = stops.filter(waba_stop::Column::WabaId.is_in(of)).all().await?;
    let health = tx.find::<number_health::Entity>();
    let health =
        health.filter(number_health::Column::NumberId.is_in(numbers.iter().copied())).all().await?;
    let tenants = tx.find::<tenant_state::Entity>();
    let tenants = tenants.filter(tenant_state::Column::TenantId.is_in(owners)).all().await?;
    let around = Around::fill(wabas, stops, health, tenants);
    Ok(rows.into_iter().map(|row| sender(row, &around)).collect())
}

/// Writes what was heard of a number's webhooks: first by minimum, broken by maximum.
pub(crate) async fn heard(
    tx: &ScopedTx,
    number: NumberId,
    waba: WabaId,
    hearing: Hearing,
) -> Result<(), Error> {
    let sql = "INSERT INTO number_health (tenant_id, number_id, waba_id, heard_first_us, \
            heard_broken_us) \
        SELECT {tenant}, {1}, {2}, {3}, {4} WHERE {tenant_wide} \
        ON CONFLICT (tenant_id, number_id) DO UPDATE SET \
            heard_first_us = CASE \
                WHEN excluded.heard_first_us < coalesce(number_health.heard_first_us, \
                    excluded.heard_first_us + 1) THEN excluded.heard_first_us \
                ELSE number_health.heard_first_us END, \
            heard_broken_us = CASE \
                WHEN excluded.heard_broken_us > coalesce(number_health.heard_broken_us, 0) \
                    THEN excluded.heard_broken_us \
                ELSE number_health.heard_broken_us END";
    let binds = vec![
        number.uuid().into(),
        waba.uuid().into(),
        crate::rows::micros(hearing.first).into(),
        crate::rows::micros(hearing.broken).into(),
    ];
    tx.raw(store::RawSql::both(sql, binds)).exec().await.map(drop)
}

/// Holds a number's marketing back.
pub(crate) async fn hold_marketing(
    tx: &ScopedTx,
    number: NumberId,
    waba: WabaId,
    until: kernel::time::Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO number_health (tenant_id, number_id, waba_id, marketing_held_us) \
        SELECT {tenant}, {1}, {2}, {3} WHERE {tenant_wide} \
        ON CONFLICT (tenant_id, number_id) DO UPDATE SET \
            marketing_held_us = excluded.marketing_held_us";
    let binds = vec![number.uuid().into(), waba.uuid().into(), until.as_micros().into()];
    tx.raw(store::RawSql::both(sql, binds)).exec().await.map(drop)
}

/// Stops a WABA.
pub(crate) async fn stop(
    tx: &ScopedTx,
    waba: WabaId,
    stop: Stop,
    since: kernel::time::Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO waba_stop (tenant_id, waba_id, code, generation, since_us, until_us) \
        SELECT {tenant}, {1}, {2}, {3}, {4}, {5} WHERE {tenant_wide} \
        ON CONFLICT (tenant_id, waba_id) DO UPDATE SET code = excluded.code, \
            generation = excluded.generation, since_us = excluded.since_us, \
            until_us = excluded.until_us WHERE waba_stop.generation <= excluded.generation";
    let binds = vec![
        waba.uuid().into(),
        stop.code.into(),
        stop.generation.into(),
        since.as_micros().into(),
        crate::rows::micros(stop.until).into(),
    ];
    tx.raw(store::RawSql::both(sql, binds)).exec().await.map(drop)
}
