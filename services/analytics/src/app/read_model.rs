//! Read models of tenants and WABAs, kept from state events: an older version is skipped (I7).

use std::collections::HashMap;

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{PartnerId, TenantId, WabaId};
use proto::{
    events::v1::{TenantChanged, WabaChanged},
    onboarding::v1::{Tenant, Waba},
};
use store::{Error, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::App;
use crate::rows::{account, figure};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "analytics.readmodel";

/// The consumer of state events.
pub(crate) struct ReadModel(pub(crate) App);

/// A row to keep.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    Tenant(figure::Model),
    Waba(account::Model),
}

#[async_trait]
impl Consumer for ReadModel {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        ["onboarding.tenant.changed", "onboarding.waba.changed"].map(str::to_owned).to_vec()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let read: Vec<Result<Row, Verdict>> = batch.iter().map(row).collect();
        let holders = self.holders(&read).await?;
        let judge = |row| under_its_tenant(&holders, row);
        let rows: Vec<Result<Row, Verdict>> =
            read.into_iter().map(|row| row.and_then(judge)).collect();
        let usable = batch.iter().zip(&rows);
        let usable = usable.filter_map(|(envelope, row)| Some((envelope.id, row.as_ref().ok()?)));
        let (ids, good): (Vec<_>, Vec<Row>) = usable.map(|(id, row)| (id, row.clone())).unzip();
        let (ids, good) = (&ids, &good);
        self.0
            .store
            .system(purpose::analytics::READ_MODEL, Shard::ONLY, |tx| async move {
                tx.first_time(GROUP, ids).await?;
                keep(&tx, good).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        let verdict = |row: Result<Row, Verdict>| row.map_or_else(|not| not, |_| Verdict::Done);
        Ok(rows.into_iter().map(verdict).collect())
    }
}

impl ReadModel {
    /// Under which tenants the WABAs of a batch stand already (ISO-41).
    async fn holders(&self, rows: &[Result<Row, Verdict>]) -> Result<HashMap<Uuid, Uuid>, Failure> {
        let waba = |row: &Row| match row {
            Row::Waba(row) => Some(row.waba_id),
            Row::Tenant(_) => None,
        };
        let wabas: &Vec<Uuid> = &rows.iter().flatten().filter_map(waba).collect();
        self.0
            .store
            .system_read(purpose::analytics::READ_MODEL, Shard::ONLY, |tx| async move {
                Ok(account::holders(&tx, wabas).await?.into_iter().collect())
            })
            .await
            .map_err(|error: Error| Failure::from(error))
    }
}

fn under_its_tenant(holders: &HashMap<Uuid, Uuid>, row: Row) -> Result<Row, Verdict> {
    match &row {
        Row::Waba(waba) if holders.get(&waba.waba_id).is_some_and(|of| *of != waba.tenant_id) => {
            Err(Verdict::ScopeMismatch)
        }
        Row::Waba(_) | Row::Tenant(_) => Ok(row),
    }
}

/// Keeps rows in the order of their keys. Versions make doubles and any order safe.
pub(crate) async fn keep(tx: &SystemTx, rows: &[Row]) -> Result<(), Error> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| match row {
        Row::Tenant(row) => (0, row.tenant_id, row.tenant_id, row.version),
        Row::Waba(row) => (1, row.tenant_id, row.waba_id, row.version),
    });
    for row in rows {
        match row {
            Row::Tenant(row) => figure::keep(tx, row).await?,
            Row::Waba(row) => account::keep(tx, row).await?,
        }
    }
    Ok(())
}

fn row(envelope: &Envelope) -> Result<Row, Verdict> {
    let poison = |error: bus::DecodeError| Verdict::Poison(error.to_string());
    let row = if bus::is::<TenantChanged>(envelope) {
        let event = bus::decode::<TenantChanged>(envelope).map_err(poison)?;
        event.tenant.ok_or_else(|| "no tenant in its own event".to_owned()).and_then(tenant)
    } else if bus::is::<WabaChanged>(envelope) {
        let event = bus::decode::<WabaChanged>(envelope).map_err(poison)?;
        event.waba.ok_or_else(|| "no WABA in its own event".to_owned()).and_then(waba)
    } else {
        return Err(Verdict::Unknown("a kind that this build does not know".to_owned()));
    };
    let row = row.map_err(Verdict::Poison)?;
    let of = match &row {
        Row::Tenant(row) => row.tenant_id,
        Row::Waba(row) => row.tenant_id,
    };
    if envelope.tenant == Some(of) { Ok(row) } else { Err(Verdict::ScopeMismatch) }
}

/// The row of a tenant's state.
pub(crate) fn tenant(tenant: Tenant) -> Result<Row, String> {
    let words = |error: kernel::id::IdError| error.to_string();
    let partner = match tenant.partner_id.as_str() {
        "" => None,
        id => Some(id.parse::<PartnerId>().map_err(words)?.uuid()),
    };
    Ok(Row::Tenant(figure::Model {
        tenant_id: tenant.id.parse::<TenantId>().map_err(words)?.uuid(),
        partner_id: partner,
        name: tenant.name,
        registered_us: tenant.created_us,
        version: tenant.version,
        sent: 0,
        received: 0,
        failed: 0,
    }))
}

/// The row of a WABA's state.
pub(crate) fn waba(waba: Waba) -> Result<Row, String> {
    let words = |error: kernel::id::IdError| error.to_string();
    Ok(Row::Waba(account::Model {
        tenant_id: waba.tenant_id.parse::<TenantId>().map_err(words)?.uuid(),
        waba_id: waba.id.parse::<WabaId>().map_err(words)?.uuid(),
        timezone: waba.timezone,
        environment: waba.environment,
        version: waba.version,
    }))
}
