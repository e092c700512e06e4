//! Copies of tenants and partners, kept from state events: an older version is skipped (I7). A tenant
//! that may no longer act loses its tokens with the row.

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{IdError, PartnerId, TenantId};
use proto::events::v1::{PartnerChanged, TenantChanged};
use proto::onboarding::v1 as onboarding;
use store::{Error, Shard, SystemTx, purpose};

use super::App;
use crate::domain::tenant::State;
use crate::rows::{partner, tenant};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "identity.readmodel";

/// The routing keys that it wants.
pub(crate) fn bindings() -> Vec<String> {
    ["onboarding.tenant.changed", "onboarding.partner.changed"].map(str::to_owned).to_vec()
}

/// A row to keep.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    Tenant(tenant::Model),
    Partner(partner::Model),
}

/// The consumer of state events.
pub(crate) struct ReadModel(pub(crate) App);

#[async_trait]
impl Consumer for ReadModel {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        bindings()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let rows: Vec<_> = batch.iter().map(read).collect();
        let usable = batch
            .iter()
            .zip(&rows)
            .filter_map(|(envelope, row)| Some((envelope.id, row.as_ref().ok()?.clone())));
        let (ids, good): (Vec<_>, Vec<_>) = usable.unzip();
        let (app, ids, good) = (&self.0, &ids, &good);
        app.store
            .system(purpose::identity::READ_MODEL, Shard::ONLY, |tx| async move {
                tx.first_time(GROUP, ids).await?;
                app.keep_rows(&tx, good).await
            })
            .await
            .map_err(Failure::from)?;
        app.hub.wake();
        let verdict =
            |row: Result<Row, String>| row.map_or_else(Verdict::Poison, |_| Verdict::Done);
        Ok(rows.into_iter().map(verdict).collect())
    }
}

impl App {
    /// Keeps rows in the order of their keys. Versions make doubles and any order safe.
    pub(crate) async fn keep_rows(&self, tx: &SystemTx, rows: &[Row]) -> Result<(), Error> {
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by_key(|row| match row {
            Row::Partner(row) => (0, row.id, row.version),
            Row::Tenant(row) => (1, row.tenant_id, row.version),
        });
        for row in rows {
            match row {
                Row::Partner(row) => partner::keep(tx, row).await?,
                Row::Tenant(row) => {
                    tenant::keep(tx, row, || self.now().as_micros()).await?;
                }
            }
        }
        Ok(())
    }
}

fn read(envelope: &Envelope) -> Result<Row, String> {
    if bus::is::<TenantChanged>(envelope) {
        let event = bus::decode::<TenantChanged>(envelope).map_err(|error| error.to_string())?;
        let row = of_tenant(event.tenant.ok_or("no tenant in its own event")?)?;
        match &row {
            Row::Tenant(row) if envelope.tenant.is_none_or(|named| named == row.tenant_id) => {}
            Row::Tenant(_) | Row::Partner(_) => {
                return Err("the tenant is not the event's".to_owned());
            }
        }
        Ok(row)
    } else {
        let event = bus::decode::<PartnerChanged>(envelope).map_err(|error| error.to_string())?;
        of_partner(event.partner.ok_or("no partner in its own event")?)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn said(error: IdError) -> String {
    error.to_string()
}

/// The row of a tenant's state.
pub(crate) fn of_tenant(tenant: onboarding::Tenant) -> Result<Row, String> {
    let partner_id = match tenant.partner_id.as_str() {
        "" => None,
        id => Some(id.parse::<PartnerId>().map_err(said)?.uuid()),
    };
    let state = match tenant.state() {
        onboarding::TenantState::Active => State::Active,
        onboarding::TenantState::Suspended => State::Suspended,
        onboarding::TenantState::Offboarded => State::Offboarded,
        onboarding::TenantState::Unspecified => State::Unknown,
    };
    Ok(Row::Tenant(tenant::Model {
        tenant_id: tenant.id.parse::<TenantId>().map_err(said)?.uuid(),
        partner_id,
        name: tenant.name,
        state: state.as_str().to_owned(),
        not_before_us: 0,
        version: tenant.version,
    }))
}

/// The row of a partner's state.
pub(crate) fn of_partner(partner: onboarding::Partner) -> Result<Row, String> {
    Ok(Row::Partner(partner::Model {
        id: partner.id.parse::<PartnerId>().map_err(said)?.uuid(),
        name: partner.name,
        version: partner.version,
    }))
}
