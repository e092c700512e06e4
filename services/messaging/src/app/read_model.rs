//! The copies of what a send must know: tenants, WABAs, numbers, templates. Fed by events that carry the
//! whole state and a version that only grows, and at the beginning by the owners' snapshots; versions
//! make the overlap safe (DEL-12, I7).
//!
//! Dies in the middle: an event comes again, a snapshot goes on behind its last page.

mod fill;
mod turn;

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use proto::events::v1 as events;
use store::purpose::messaging::READ_MODEL;
use store::{Shard, Store, SystemTx};
use uuid::Uuid;

use crate::error::Error;
use crate::rows::state;

pub(crate) use fill::fill;

/// The group.
const GROUP: &str = "read_model";
/// The keys that it hears.
pub(crate) const KEYS: [&str; 4] = [
    "onboarding.tenant.changed",
    "onboarding.waba.changed",
    "assets.number.changed",
    "assets.template.changed",
];

/// The consumer.
#[derive(Clone)]
pub(crate) struct ReadModel {
    store: Store,
}

impl ReadModel {
    /// A consumer over `store`.
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }
}

/// What one event says.
enum Row {
    Tenant(state::TenantRow),
    Waba(state::WabaRow),
    Number(state::NumberRow),
    Template(state::TemplateRow),
}

impl Row {
    const fn tenant(&self) -> Uuid {
        match self {
            Self::Tenant(row) => row.tenant_id,
            Self::Waba(row) => row.tenant_id,
            Self::Number(row) => row.tenant_id,
            Self::Template(row) => row.tenant_id,
        }
    }
}

/// What a batch says, by table.
#[derive(Debug, Default, Clone)]
struct News {
    tenants: Vec<state::TenantRow>,
    wabas: Vec<state::WabaRow>,
    numbers: Vec<state::NumberRow>,
    templates: Vec<state::TemplateRow>,
}

impl News {
    async fn write(&self, tx: &SystemTx) -> Result<(), store::Error> {
        state::tenants(tx, &self.tenants).await?;
        state::wabas(tx, &self.wabas).await?;
        state::numbers(tx, &self.numbers).await?;
        state::templates(tx, &self.templates).await
    }

    fn take(&mut self, row: Row) {
        match row {
            Row::Tenant(row) => self.tenants.push(row),
            Row::Waba(row) => self.wabas.push(row),
            Row::Number(row) => self.numbers.push(row),
            Row::Template(row) => self.templates.push(row),
        }
    }
}

/// What one event says; a verdict where it says nothing that may be used.
fn read(envelope: &Envelope) -> Result<Row, Verdict> {
    let unknown = |error: bus::DecodeError| Verdict::Unknown(error.to_string());
    let row = match envelope.key.as_str() {
        "onboarding.tenant.changed" => {
            let event = bus::decode::<events::TenantChanged>(envelope).map_err(unknown)?;
            turn::tenant(event.tenant.as_ref()).map(Row::Tenant)
        }
        "onboarding.waba.changed" => {
            let event = bus::decode::<events::WabaChanged>(envelope).map_err(unknown)?;
            turn::waba(event.waba.as_ref(), envelope.time()).map(Row::Waba)
        }
        "assets.number.changed" => {
            let event = bus::decode::<events::NumberChanged>(envelope).map_err(unknown)?;
            turn::number(event.number.as_ref()).map(Row::Number)
        }
        "assets.template.changed" => {
            let event = bus::decode::<events::TemplateChanged>(envelope).map_err(unknown)?;
            let shape = Some(event.shape_json.as_str()).filter(|shape| !shape.is_empty());
            turn::template(event.template.as_ref(), shape).map(Row::Template)
        }
        other => return Err(Verdict::Unknown(format!("no read model of `{other}`"))),
    };
    let absent = || Verdict::Poison("the event names no tenant or carries no state".to_owned());
    let row = row.ok_or_else(absent)?;
    // The body names the tenant that the envelope does, or nobody vouches for it (T10).
    if envelope.tenant == Some(row.tenant()) { Ok(row) } else { Err(Verdict::ScopeMismatch) }
}

#[async_trait]
impl Consumer for ReadModel {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        KEYS.map(str::to_owned).to_vec()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let mut news = News::default();
        let (mut verdicts, mut ids) = (Vec::with_capacity(batch.len()), Vec::new());
        for envelope in batch {
            match read(envelope) {
                Ok(row) => {
                    news.take(row);
                    verdicts.push(Verdict::Done);
                    ids.push(envelope.id);
                }
                Err(verdict) => verdicts.push(verdict),
            }
        }
        let (news, ids) = (&news, &ids);
        let foreign = self
            .store
            .system(READ_MODEL, Shard::ONLY, |tx| async move {
                tx.first_time(GROUP, ids).await?;
                // Versions decide: an event that comes again changes nothing.
                if state::foreign(&tx, &news.wabas, &news.numbers, &news.templates).await? {
                    return Err(Error::NotFound(crate::error::Thing::Number));
                }
                news.write(&tx).await?;
                Ok::<_, Error>(())
            })
            .await;
        match foreign {
            Ok(()) => Ok(verdicts),
            Err(Error::Store(error)) => Err(error.into()),
            // One of them names what another tenant has: by itself it is told apart.
            Err(_) if batch.len() > 1 => {
                Err(Failure::deterministic("an event names what another tenant has"))
            }
            Err(_) => Ok(vec![Verdict::ScopeMismatch]),
        }
    }
}
