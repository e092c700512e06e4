//! Read models of tenants and WABAs, kept from state events: an older version is skipped (I7). A WABA that was claimed,
//! went live, got another token or was released asks for its import in the same transaction.

use std::collections::HashMap;

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use graph::TokenSource as _;
use kernel::id::{PartnerId, TenantId, WabaId};
use proto::{
    events::v1::{TenantChanged, WabaChanged},
    onboarding::v1::{Tenant, TenantState, Waba, WabaState},
};
use store::{Error, Shard, SystemTx, Uuid, purpose};

use super::App;
use crate::{
    domain::turn::{Seen, Standing, asks_for_import},
    rows::{import, tenant, waba},
};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "assets.readmodel";

/// The consumer of state events.
pub(crate) struct ReadModel(pub(crate) App);

/// A row to keep.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    Tenant(tenant::Model),
    Waba(waba::Model),
}

#[async_trait]
impl Consumer for ReadModel {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        bindings()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let read: Vec<Result<Row, Verdict>> = batch.iter().map(row).collect();
        let holders = self.holders(&read).await?;
        let judge = |row| under_its_tenant(&holders, row);
        let rows: Vec<Result<Row, Verdict>> =
            read.into_iter().map(|row| row.and_then(judge)).collect();
        let usable = batch
            .iter()
            .zip(&rows)
            .filter_map(|(envelope, row)| Some((envelope.id, row.as_ref().ok()?.clone())));
        let (ids, good): (Vec<_>, Vec<_>) = usable.unzip();
        let (ids, kept) = (&ids, &good);
        self.0
            .store
            .system(purpose::assets::READ_MODEL, Shard::ONLY, |tx| async move {
                tx.first_time(GROUP, ids).await?;
                keep(&tx, kept).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        self.0.changed(&good).await;
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
            .system_read(purpose::assets::READ_MODEL, Shard::ONLY, |tx| async move {
                Ok(waba::holders(&tx, wabas).await?.into_iter().collect())
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

/// The routing keys of the group.
pub(crate) fn bindings() -> Vec<String> {
    ["onboarding.tenant.changed", "onboarding.waba.changed"].map(str::to_owned).to_vec()
}

impl App {
    /// Forgets the tokens of WABAs that changed and wakes the importer: an import that follows at once must not use the
    /// token from before.
    pub(crate) async fn changed(&self, rows: &[Row]) {
        for row in rows {
            if let Row::Waba(waba) = row {
                self.tokens.invalidate(waba.tenant_id, waba.waba_id).await;
            }
        }
        self.imports.notify_one();
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
            Row::Tenant(row) => {
                let id = row.tenant_id;
                // Its numbers show whose partner they are.
                if tenant::keep(tx, row).await? {
                    import::ask_tenant(tx, id).await?;
                }
            }
            Row::Waba(row) => keep_waba(tx, row).await?,
        }
    }
    Ok(())
}

async fn keep_waba(tx: &SystemTx, row: waba::Model) -> Result<(), Error> {
    let now = row.clone();
    let waba::Kept::Taken(before) = waba::keep(tx, row).await? else { return Ok(()) };
    let before = before.as_ref().map(seen).transpose()?;
    if asks_for_import(before, seen(&now)?) {
        import::ask(tx, now.tenant_id, now.waba_id).await?;
    }
    Ok(())
}

fn seen(row: &waba::Model) -> Result<Seen<'_>, Error> {
    let standing = Standing::parse(&row.state).ok_or_else(|| Error::bad_row("waba", &row.state))?;
    Ok(Seen { standing, app_id: &row.app_id, generation: row.credential_generation })
}

fn row(envelope: &Envelope) -> Result<Row, Verdict> {
    let poison = |error: bus::DecodeError| Verdict::Poison(error.to_string());
    let row = if bus::is::<TenantChanged>(envelope) {
        let event = bus::decode::<TenantChanged>(envelope).map_err(poison)?;
        let told = event.tenant.ok_or_else(|| "no tenant in its own event".to_owned());
        told.and_then(|told| tenant(&told))
    } else {
        let event = bus::decode::<WabaChanged>(envelope).map_err(poison)?;
        event.waba.ok_or_else(|| "no WABA in its own event".to_owned()).and_then(waba)
    };
    let row = row.map_err(Verdict::Poison)?;
    let of = match &row {
        Row::Tenant(row) => row.tenant_id,
        Row::Waba(row) => row.tenant_id,
    };
    // The body names the tenant that the envelope does, or nobody vouches for it (T10).
    if envelope.tenant == Some(of) { Ok(row) } else { Err(Verdict::ScopeMismatch) }
}

/// The row of a tenant's state.
pub(crate) fn tenant(tenant: &Tenant) -> Result<Row, String> {
    let partner = match tenant.partner_id.as_str() {
        "" => None,
        id => Some(id.parse::<PartnerId>().map_err(|error| error.to_string())?.uuid()),
    };
    let state = match tenant.state() {
        TenantState::Active | TenantState::Unspecified => "active",
        TenantState::Suspended => "suspended",
        TenantState::Offboarded => "offboarded",
    };
    Ok(Row::Tenant(tenant::Model {
        tenant_id: tenant.id.parse::<TenantId>().map_err(|error| error.to_string())?.uuid(),
        partner_id: partner,
        state: state.to_owned(),
        version: tenant.version,
    }))
}

/// The row of a WABA's state.
pub(crate) fn waba(waba: Waba) -> Result<Row, String> {
    let standing = match waba.state() {
        WabaState::Unspecified => return Err("a WABA without a state".to_owned()),
        WabaState::Claimed => Standing::Claimed,
        WabaState::Live => Standing::Live,
        WabaState::NeedsReconnect => Standing::NeedsReconnect,
        WabaState::Blocked => Standing::Blocked,
        WabaState::Released => Standing::Released,
    };
    Ok(Row::Waba(waba::Model {
        tenant_id: waba.tenant_id.parse::<TenantId>().map_err(|error| error.to_string())?.uuid(),
        waba_id: waba.id.parse::<WabaId>().map_err(|error| error.to_string())?.uuid(),
        meta_id: waba.meta_id,
        environment: waba.environment,
        app_id: waba.app_id,
        state: standing.as_str().to_owned(),
        credential_generation: waba.credential_generation,
        version: waba.version,
    }))
}
