//! Counts messages: each step once, however late or often it is told, and in the same way whatever came first.
//!
//! A batch is one transaction: inbox, fact keys, facts, buckets, figures. A process that dies before the commit has
//! counted nothing and is given the batch again; one that dies after it finds its inbox rows.

use std::collections::{BTreeMap, btree_map::Entry};

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::{
    id::{IdError, MessageId, NumberId, TenantId, WabaId},
    time::Timestamp,
};
use proto::{
    events::v1::{MessageReceived, MessageStepped},
    messaging::v1::{Message, Origin},
};
use store::{Error, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::App;
use crate::{
    domain::count::{Fact, META, Measure, add_up},
    rows::{bucket, fact, figure},
};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "analytics.facts";

/// The consumer of message facts.
pub(crate) struct Facts(pub(crate) App);

/// One envelope, read.
enum Read {
    Counted(Box<Fact>),
    /// A step that nobody counts.
    Passed,
    Unusable(Verdict),
}

#[async_trait]
impl Consumer for Facts {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        ["messaging.message.stepped", "messaging.message.received"].map(str::to_owned).to_vec()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let read: Vec<(&Envelope, Read)> =
            batch.iter().map(|envelope| (envelope, read(envelope))).collect();
        let usable: Vec<_> =
            read.iter().filter(|(_, read)| !matches!(read, Read::Unusable(_))).collect();
        let ids: Vec<_> = usable.iter().map(|(envelope, _)| envelope.id).collect();
        let facts: Vec<Option<Fact>> = usable
            .iter()
            .map(|(_, read)| match read {
                Read::Counted(fact) => Some((**fact).clone()),
                Read::Passed | Read::Unusable(_) => None,
            })
            .collect();
        let (ids, facts) = (&ids, &facts);
        self.0
            .store
            .system(purpose::analytics::INGEST, Shard::ONLY, |tx| async move {
                let first = tx.first_time(GROUP, ids).await?;
                let new = facts
                    .iter()
                    .zip(first)
                    .filter(|(_, first)| *first)
                    .filter_map(|(fact, _)| fact.clone());
                count(&tx, new.collect()).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        Ok(read
            .into_iter()
            .map(|(_, read)| match read {
                Read::Counted(_) | Read::Passed => Verdict::Done,
                Read::Unusable(verdict) => verdict,
            })
            .collect())
    }
}

/// Keeps facts and adds the new ones up.
async fn count(tx: &SystemTx, facts: Vec<Fact>) -> Result<(), Error> {
    // In the order of their keys, one for all writers: two batches that share keys never wait for each other in a ring.
    let mut surest: BTreeMap<fact::Key, Fact> = BTreeMap::new();
    for fact in facts {
        match surest.entry(fact::key_of(&fact)) {
            Entry::Vacant(place) => drop(place.insert(fact)),
            Entry::Occupied(mut place) => {
                if fact.is_surer_than(place.get()) {
                    place.insert(fact);
                }
            }
        }
    }
    if surest.is_empty() {
        return Ok(());
    }
    let kept = fact::keep(tx, surest.into_values().collect()).await?;
    let mut cells = add_up(kept.new.iter().chain(&kept.surer));
    for (cell, count) in add_up(&kept.displaced) {
        *cells.entry(cell).or_default() -= count;
    }
    bucket::add(tx, cells).await?;
    figure::add(tx, figures(&kept.new)).await
}

fn figures(facts: &[Fact]) -> BTreeMap<Uuid, figure::Added> {
    let mut added: BTreeMap<Uuid, figure::Added> = BTreeMap::new();
    for fact in facts {
        match fact.measure {
            Measure::Sent => added.entry(fact.tenant).or_default().sent += 1,
            Measure::Received => added.entry(fact.tenant).or_default().received += 1,
            Measure::Failed => added.entry(fact.tenant).or_default().failed += 1,
            Measure::Accepted | Measure::Delivered | Measure::Read => {}
        }
    }
    added
}

fn read(envelope: &Envelope) -> Read {
    let poison = |error: bus::DecodeError| Verdict::Poison(error.to_string());
    let parsed = if bus::is::<MessageReceived>(envelope) {
        bus::decode::<MessageReceived>(envelope).map_err(poison).and_then(|event| {
            fact_of(envelope, event.message, Some(Measure::Received), event.at_us)
        })
    } else if bus::is::<MessageStepped>(envelope) {
        bus::decode::<MessageStepped>(envelope).map_err(poison).and_then(|event| {
            fact_of(envelope, event.message, Measure::of_step(&event.step), event.at_us)
        })
    } else {
        Err(Verdict::Unknown("a kind that this build does not know".to_owned()))
    };
    match parsed {
        Ok(Some(fact)) => Read::Counted(Box::new(fact)),
        Ok(None) => Read::Passed,
        Err(verdict) => Read::Unusable(verdict),
    }
}

fn fact_of(
    envelope: &Envelope,
    message: Option<Message>,
    measure: Option<Measure>,
    at_us: i64,
) -> Result<Option<Fact>, Verdict> {
    let Some(measure) = measure else { return Ok(None) };
    let message =
        message.ok_or_else(|| Verdict::Poison("an event without its message".to_owned()))?;
    let tenant = id::<TenantId>(&message.tenant_id)?;
    // A fact is stored under the tenant that it names (ISO-41): it must name one.
    if envelope.tenant != Some(tenant.uuid()) {
        return Err(Verdict::ScopeMismatch);
    }
    let reason = match (measure, &message.meta_error) {
        (Measure::Failed, Some(error)) => format!("{META}{}", error.code),
        (Measure::Failed, None) => message.failure_reason.clone(),
        (
            Measure::Accepted
            | Measure::Sent
            | Measure::Delivered
            | Measure::Read
            | Measure::Received,
            _,
        ) => String::new(),
    };
    Ok(Some(Fact {
        id: envelope.id.uuid(),
        tenant: tenant.uuid(),
        waba: id::<WabaId>(&message.waba_id)?.uuid(),
        number: id::<NumberId>(&message.number_id)?.uuid(),
        message: id::<MessageId>(&message.id)?.uuid(),
        measure,
        category: message.category.to_ascii_lowercase(),
        origin: origin(message.origin()).to_owned(),
        reason,
        at: Timestamp::from_micros(at_us),
    }))
}

fn id<T: std::str::FromStr<Err = IdError>>(text: &str) -> Result<T, Verdict> {
    text.parse().map_err(|error: IdError| Verdict::Poison(error.to_string()))
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Unspecified => "",
        Origin::Api => "api",
        Origin::Edge => "edge",
        Origin::Console => "console",
        Origin::Campaign => "campaign",
        Origin::Automation => "automation",
        Origin::PhoneApp => "phone_app",
    }
}
