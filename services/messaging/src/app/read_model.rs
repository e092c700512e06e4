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

    /// Reads one event into what it says; a verdict where it says nothing that may be used.
    fn read(&mut self, envelope: &Envelope) -> Result<(), Verdict> {
        let unknown = |error: bus::DecodeError| Verdict::Unknown(error.to_string());
        let absent = || Verdict::Poison("the event names no tenant or carries no state".to_owned());
        let tenant = match envelope.key.as_str() {
            "onboarding.tenant.changed" => {
                let event = bus::decode::<events::TenantChanged>(envelope).map_err(unknown)?;
                let row = turn::tenant(event.tenant.as_ref()).ok_or_else(absent)?;
                let tenant = row.tenant_id;
                self.tenants.push(row);
                tenant
            }
            "onboarding.waba.changed" => {
                let event = bus::decode::<events::WabaChanged>(envelope).map_err(unknown)?;
                let row = turn::waba(event.waba.as_ref(), envelope.time()).ok_or_else(absent)?;
                let tenant = row.tenant_id;
                self.wabas.push(row);
                tenant
            }
            "assets.number.changed" => {
                let event = bus::decode::<events::NumberChanged>(envelope).map_err(unknown)?;
                let row = turn::number(event.number.as_ref()).ok_or_else(absent)?;
                let tenant = row.tenant_id;
                self.numbers.push(row);
                tenant
            }
            "assets.template.changed" => {
                let event = bus::decode::<events::TemplateChanged>(envelope).map_err(unknown)?;
                let shape = Some(event.shape_json.as_str()).filter(|shape| !shape.is_empty());
                let row = turn::template(event.template.as_ref(), shape).ok_or_else(absent)?;
                let tenant = row.tenant_id;
                self.templates.push(row);
                tenant
            }
            other => return Err(Verdict::Unknown(format!("no read model of `{other}`"))),
        };
        // The body names the tenant that the envelope does, or nobody vouches for it (T10).
        if envelope.tenant == Some(tenant) { Ok(()) } else { Err(Verdict::ScopeMismatch) }
    }
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
            match news.read(envelope) {
                Ok(()) => {
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
                let foreign = state::foreign(&tx, &news.wabas, &news.numbers).await?;
                if foreign {
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
