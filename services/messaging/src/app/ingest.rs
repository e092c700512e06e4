//! What Meta tells: the consumer of routed webhook elements. Messages of customers, statuses of ours,
//! what the business wrote from its phone, and what customers want to hear.
//!
//! An element is applied once, however often it comes: the inbox knows the event, and Meta's own ids are
//! unique in side tables. Dies in the middle: the unit was not committed, and the batch comes again.

mod inbound;
mod preference;
mod tidings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use auth::Acting;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{NumberId, TenantId, WabaId};
use proto::events::v1::ElementRouted;
use store::purpose::messaging::INGEST;
use store::{ScopedTx, Shard, Store};
use uuid::Uuid;

use self::tidings::Tidings;
pub(crate) use self::tidings::Unreadable;
use crate::app::status;
use crate::config::Config;
use crate::domain::conversation::Hearing;
use crate::error::Error;
use crate::failpoint::failpoint;
use crate::rows::{number_state, sender};

/// The group.
const GROUP: &str = "messages";
/// The fields that this service hears.
const FIELDS: [&str; 5] =
    ["messages", "smb_message_echoes", "message_echoes", "standby", "user_preferences"];

/// The consumer.
#[derive(Clone)]
pub(crate) struct Ingest {
    store: Store,
    config: Config,
}

impl Ingest {
    /// A consumer over `store`.
    pub(crate) const fn new(store: Store, config: Config) -> Self {
        Self { store, config }
    }

    /// Finds the numbers that elements name, under whichever tenant they are (ISO-41).
    async fn numbers(
        &self,
        named: &[Option<Arc<ElementRouted>>],
    ) -> Result<Vec<(number_state::Model, Acting)>, Failure> {
        let metas: BTreeSet<String> = named
            .iter()
            .flatten()
            .map(|routed| routed.phone_number_meta_id.clone())
            .filter(|id| !id.is_empty())
            .collect();
        let ids: BTreeSet<Uuid> = named
            .iter()
            .flatten()
            .filter_map(|routed| routed.number_id.parse::<NumberId>().ok())
            .map(|id| id.uuid())
            .collect();
        let (metas, ids) = (&metas, &ids);
        let found = self
            .store
            .system_read(INGEST, Shard::ONLY, |tx| async move {
                let rows = number_state::named(&tx, ids, metas).await?;
                let acting = |row: number_state::Model| {
                    let acting = tx.acting::<number_state::Entity>(&row);
                    (row, acting)
                };
                Ok::<_, store::Error>(rows.into_iter().map(acting).collect())
            })
            .await?;
        Ok(found)
    }

    /// Applies the elements of one tenant and WABA in one unit.
    async fn apply(&self, acting: &Acting, elements: &[(Envelope, Tidings)]) -> Result<(), Error> {
        let config = &self.config;
        self.store
            .write(acting, |tx| async move {
                let ids: Vec<_> = elements.iter().map(|(envelope, _)| envelope.id).collect();
                let new = tx.first_time(GROUP, &ids).await?;
                let fresh: Vec<&Tidings> = elements
                    .iter()
                    .zip(new)
                    .filter(|(_, new)| *new)
                    .map(|((_, tidings), _)| tidings)
                    .collect();
                if fresh.is_empty() {
                    return Ok(());
                }
                unit(&tx, config, &fresh).await
            })
            .await
    }
}

async fn unit(tx: &ScopedTx, config: &Config, fresh: &[&Tidings]) -> Result<(), Error> {
    let numbers: BTreeSet<NumberId> = fresh.iter().map(|tidings| tidings.number).collect();
    let senders = sender::load(tx, &numbers.into_iter().collect::<Vec<_>>()).await?;
    let (mut heard, mut told, mut preferences) = (Vec::new(), Vec::new(), Vec::new());
    let mut hearing: BTreeMap<NumberId, Hearing> = BTreeMap::new();
    for tidings in fresh {
        let Some(sender) = senders.get(&tidings.number) else { continue };
        heard.extend(tidings.heard.iter().cloned());
        told.extend(tidings.told.iter().cloned());
        preferences.extend(tidings.preferences.iter().cloned());
        let known = hearing.entry(tidings.number).or_insert(sender.hearing);
        *known = known.heard(tidings.received, tidings.at);
    }
    for (number, hearing) in hearing {
        if let Some(sender) = senders.get(&number)
            && sender.hearing != hearing
        {
            sender::heard(tx, number, sender.waba, hearing).await?;
        }
    }
    inbound::store(tx, &senders, heard).await?;
    if !told.is_empty() {
        status::apply(tx, config, told).await?;
    }
    preference::apply(tx, &senders, preferences).await?;
    failpoint!("ingest.before_commit");
    Ok(())
}

#[async_trait]
impl Consumer for Ingest {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        FIELDS.iter().map(|field| format!("webhooks.element.{field}")).collect()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(batch.len());
        let mut named = Vec::with_capacity(batch.len());
        for envelope in batch {
            match bus::decode::<ElementRouted>(envelope) {
                Ok(routed) => {
                    verdicts.push(Verdict::Done);
                    named.push(Some(Arc::new(routed)));
                }
                Err(error) => {
                    verdicts.push(Verdict::Unknown(error.to_string()));
                    named.push(None);
                }
            }
        }
        let numbers = self.numbers(&named).await?;
        let mut groups: BTreeMap<(Uuid, Uuid), (Acting, Vec<usize>, Vec<(Envelope, Tidings)>)> =
            BTreeMap::new();
        for (index, routed) in named.iter().enumerate() {
            let Some(routed) = routed else { continue };
            let (Some(envelope), Some(verdict)) = (batch.get(index), verdicts.get_mut(index))
            else {
                continue;
            };
            match place(routed, envelope, &numbers) {
                Ok((row, acting)) => {
                    let (number, waba) =
                        (NumberId::from_uuid(row.id), WabaId::from_uuid(row.waba_id));
                    // Before the inbox hears of it: what is not read is kept, for a build that reads it.
                    match Tidings::read(number, waba, routed) {
                        Ok(tidings) => {
                            let group = groups
                                .entry((row.tenant_id, row.waba_id))
                                .or_insert_with(|| (acting.clone(), Vec::new(), Vec::new()));
                            group.1.push(index);
                            group.2.push((envelope.clone(), tidings));
                        }
                        Err(unreadable) => *verdict = Verdict::Unknown(unreadable.to_string()),
                    }
                }
                Err(other) => *verdict = other,
            }
        }
        for (acting, places, elements) in groups.into_values() {
            match self.apply(&acting, &elements).await {
                Ok(()) => {
                    failpoint!("ingest.after_commit");
                }
                Err(Error::Store(error)) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "webhook elements could not be applied"
                    );
                    for index in places {
                        if let Some(verdict) = verdicts.get_mut(index) {
                            *verdict = Verdict::Poison(error.to_string());
                        }
                    }
                }
            }
        }
        Ok(verdicts)
    }
}

/// The number that an element names, under the tenant that it names.
fn place<'a>(
    routed: &ElementRouted,
    envelope: &Envelope,
    numbers: &'a [(number_state::Model, Acting)],
) -> Result<&'a (number_state::Model, Acting), Verdict> {
    let tenant = routed.tenant_id.parse::<TenantId>().ok().map(|id| id.uuid());
    let waba = routed.waba_id.parse::<WabaId>().ok().map(|id| id.uuid());
    let number = routed.number_id.parse::<NumberId>().ok().map(|id| id.uuid());
    let is_named = |row: &number_state::Model| match number {
        Some(id) => row.id == id,
        None => {
            !routed.phone_number_meta_id.is_empty() && row.meta_id == routed.phone_number_meta_id
        }
    };
    let named = || numbers.iter().filter(|(row, _)| is_named(row));
    let consistent = envelope.tenant == tenant && envelope.waba == waba;
    let lawful = named()
        .find(|(row, _)| consistent && Some(row.tenant_id) == tenant && Some(row.waba_id) == waba);
    match lawful {
        Some(found) => Ok(found),
        // Not there yet, or not of this service's concern: it waits an hour for the number.
        None if named().next().is_none() => Err(Verdict::Wait("number".to_owned())),
        None => Err(Verdict::ScopeMismatch),
    }
}
