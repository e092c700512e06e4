//! Read models of WABAs and numbers, kept from state events: an older version is skipped (I7).
//!
//! A batch is one transaction with its inbox rows. After it the quarantine is looked through; where the process dies in
//! between, the placer's poll does it.

use std::collections::HashMap;

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{NumberId, TenantId, WabaId};
use proto::{
    assets::v1::Number,
    events::v1::{NumberChanged, WabaChanged},
    onboarding::v1::{Waba, WabaState},
};
use store::{Error, Shard, SystemTx, Uuid, purpose};

use super::App;
use crate::rows::{number, waba};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "webhooks.readmodel";

/// The consumer of state events.
pub(crate) struct ReadModel(pub(crate) App);

/// A row to keep.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    Waba(waba::Model),
    Number(number::Model),
}

impl Row {
    fn tenant(&self) -> Uuid {
        match self {
            Self::Waba(row) => row.tenant_id,
            Self::Number(row) => row.tenant_id,
        }
    }

    fn thing(&self) -> Uuid {
        match self {
            Self::Waba(row) => row.waba_id,
            Self::Number(row) => row.number_id,
        }
    }

    /// One order for all writers.
    fn order(&self) -> (u8, Uuid, Uuid, i64) {
        match self {
            Self::Waba(row) => (0, row.tenant_id, row.waba_id, row.version),
            Self::Number(row) => (1, row.tenant_id, row.number_id, row.version),
        }
    }
}

#[async_trait]
impl Consumer for ReadModel {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        ["onboarding.waba.changed", "assets.number.changed"].map(str::to_owned).to_vec()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let read: Vec<Result<Row, Verdict>> = batch.iter().map(row).collect();
        let holders = self.holders(&read).await?;
        let judged: Vec<Result<Row, Verdict>> = read
            .into_iter()
            .map(|row| row.and_then(|row| under_its_tenant(&holders, row)))
            .collect();
        let usable = batch.iter().zip(&judged);
        let usable = usable.filter_map(|(envelope, row)| Some((envelope.id, row.as_ref().ok()?)));
        let (ids, rows): (Vec<_>, Vec<Row>) = usable.map(|(id, row)| (id, row.clone())).unzip();
        let (ids, rows) = (&ids, &rows);
        self.0
            .store
            .system(purpose::webhooks::READ_MODEL, Shard::ONLY, |tx| async move {
                tx.first_time(GROUP, ids).await?;
                keep(&tx, rows).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        self.0.known.notify_one();
        let verdict =
            |row: Result<Row, Verdict>| row.map_or_else(|verdict| verdict, |_| Verdict::Done);
        Ok(judged.into_iter().map(verdict).collect())
    }
}

impl ReadModel {
    /// Under which tenants the things of a batch stand already (ISO-41).
    async fn holders(&self, rows: &[Result<Row, Verdict>]) -> Result<HashMap<Uuid, Uuid>, Failure> {
        let (mut wabas, mut numbers) = (Vec::new(), Vec::new());
        for row in rows.iter().flatten() {
            match row {
                Row::Waba(row) => wabas.push(row.waba_id),
                Row::Number(row) => numbers.push(row.number_id),
            }
        }
        let (wabas, numbers) = (&wabas, &numbers);
        self.0
            .store
            .system_read(purpose::webhooks::READ_MODEL, Shard::ONLY, |tx| async move {
                let mut holders = waba::holders(&tx, wabas).await?;
                holders.append(&mut number::holders(&tx, numbers).await?);
                Ok(holders.into_iter().collect())
            })
            .await
            .map_err(|error: Error| Failure::from(error))
    }
}

fn under_its_tenant(holders: &HashMap<Uuid, Uuid>, row: Row) -> Result<Row, Verdict> {
    match holders.get(&row.thing()) {
        Some(holder) if *holder != row.tenant() => Err(Verdict::ScopeMismatch),
        Some(_) | None => Ok(row),
    }
}

/// Keeps rows in the order of their keys. Versions make doubles and any order safe.
pub(crate) async fn keep(tx: &SystemTx, rows: &[Row]) -> Result<(), Error> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(Row::order);
    for row in rows {
        match row {
            Row::Waba(row) => waba::keep(tx, row).await?,
            Row::Number(row) => number::keep(tx, row).await?,
        }
    }
    Ok(())
}

fn row(envelope: &Envelope) -> Result<Row, Verdict> {
    let poison = |error: bus::DecodeError| Verdict::Poison(error.to_string());
    let row = if bus::is::<WabaChanged>(envelope) {
        let event = bus::decode::<WabaChanged>(envelope).map_err(poison)?;
        event.waba.ok_or_else(|| "no WABA in its own event".to_owned()).and_then(of_waba)
    } else if bus::is::<NumberChanged>(envelope) {
        let event = bus::decode::<NumberChanged>(envelope).map_err(poison)?;
        event.number.ok_or_else(|| "no number in its own event".to_owned()).and_then(of_number)
    } else {
        return Err(Verdict::Unknown("a kind that this build does not know".to_owned()));
    };
    let row = row.map_err(Verdict::Poison)?;
    if envelope.tenant == Some(row.tenant()) { Ok(row) } else { Err(Verdict::ScopeMismatch) }
}

fn id<T: std::str::FromStr<Err = kernel::id::IdError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: kernel::id::IdError| error.to_string())
}

/// The row of a WABA's state.
pub(crate) fn of_waba(waba: Waba) -> Result<Row, String> {
    let state = match waba.state() {
        WabaState::Released => waba::RELEASED,
        WabaState::Unspecified
        | WabaState::Claimed
        | WabaState::Live
        | WabaState::NeedsReconnect
        | WabaState::Blocked => waba::HELD,
    };
    Ok(Row::Waba(waba::Model {
        tenant_id: id::<TenantId>(&waba.tenant_id)?.uuid(),
        waba_id: id::<WabaId>(&waba.id)?.uuid(),
        meta_id: waba.meta_id,
        app_id: waba.app_id,
        environment: waba.environment,
        state: state.to_owned(),
        claimed_us: waba.created_us,
        generation: waba.credential_generation,
        heard_generation: -1,
        version: waba.version,
    }))
}

/// The row of a number's state.
pub(crate) fn of_number(number: Number) -> Result<Row, String> {
    Ok(Row::Number(number::Model {
        tenant_id: id::<TenantId>(&number.tenant_id)?.uuid(),
        number_id: id::<NumberId>(&number.id)?.uuid(),
        waba_id: id::<WabaId>(&number.waba_id)?.uuid(),
        meta_id: number.meta_id,
        version: number.version,
    }))
}
