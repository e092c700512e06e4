//! What onboarding hears from the others: the first webhook of a WABA, numbers that were imported, and Meta's word on an
//! account.
//!
//! Each event is looked up by what it names and worked by that row's right; nothing is taken from the event but ids,
//! times and Meta's words. All of it may come twice and in any order: versions and times only grow.

use async_trait::async_trait;
use auth::Acting;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{NumberId, TenantId, WabaId};
use proto::common::v1::MetaError;
use proto::events::v1::{ElementRouted, NumberChanged, WabaHeard, WabaRefused};
use store::{Error, ScopedTx, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::App;
use crate::{
    domain::{
        account::{self, Word},
        step::Step,
    },
    events::KeptMetaError,
    rows::{imported, onboarding, saga, waba},
};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "onboarding.heard";

/// The consumer of what others tell.
pub(crate) struct Heard(pub(crate) App);

/// What an event tells.
enum Told {
    Imported(imported::Model),
    First { tenant: Uuid, waba: Uuid, received_us: i64 },
    Refused { tenant: Uuid, waba: Uuid, refused: Refused },
    Account { tenant: Uuid, waba: Uuid, field: String, element: String, said_us: i64 },
}

/// What Meta refused, and how.
struct Refused {
    generation: i64,
    error: MetaError,
    at_us: i64,
}

#[async_trait]
impl Consumer for Heard {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        [
            "webhooks.waba.heard",
            "webhooks.element.account_update",
            "webhooks.element.account_review_update",
            "assets.number.changed",
            "messaging.waba.refused",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts = Vec::with_capacity(batch.len());
        // Rare events, each with an effect of its own: one by one.
        for envelope in batch {
            verdicts.push(match told(envelope) {
                Ok(Told::Imported(row)) => self.imported(envelope, row).await?,
                Ok(Told::First { tenant, waba, received_us }) => {
                    match self.find(tenant, waba).await? {
                        Ok((acting, row)) => {
                            self.proven(envelope, &acting, row.onboarding_id, received_us).await?
                        }
                        Err(verdict) => verdict,
                    }
                }
                Ok(Told::Refused { tenant, waba, refused }) => {
                    match self.find(tenant, waba).await? {
                        Ok((acting, _)) => {
                            self.changed(envelope, &acting, waba, |row| refuse(row, &refused))
                                .await?
                        }
                        Err(verdict) => verdict,
                    }
                }
                Ok(Told::Account { tenant, waba, field, element, said_us }) => {
                    match self.find(tenant, waba).await? {
                        Ok((acting, row)) => match account::word(&field, &element, &row.app_id) {
                            Some(word) => {
                                let hear = |row| hear(row, (&word, said_us));
                                self.changed(envelope, &acting, waba, hear).await?
                            }
                            None => Verdict::Done,
                        },
                        Err(verdict) => verdict,
                    }
                }
                Err(why) => Verdict::Poison(why),
            });
        }
        Ok(verdicts)
    }
}

impl Heard {
    async fn imported(
        &self,
        envelope: &Envelope,
        row: imported::Model,
    ) -> Result<Verdict, Failure> {
        let (id, row) = (envelope.id, &row);
        self.0
            .store
            .system(purpose::onboarding::HEARD, Shard::ONLY, |tx: SystemTx| async move {
                tx.first_time(GROUP, &[id]).await?;
                imported::keep(&tx, row.clone()).await?;
                onboarding::wake_import(&tx, row.tenant_id, row.waba_id).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        self.0.wake.notify_one();
        Ok(Verdict::Done)
    }

    /// The WABA that an event names, if it is the named tenant's (ISO-41).
    async fn find(
        &self,
        tenant: Uuid,
        waba: Uuid,
    ) -> Result<Result<(Acting, waba::Model), Verdict>, Failure> {
        let found = self
            .0
            .store
            .system_read(purpose::onboarding::HEARD, Shard::ONLY, |tx: SystemTx| async move {
                let row = waba::find(&tx, waba).await?;
                Ok(row.map(|row| (tx.acting::<waba::Entity>(&row), row)))
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        Ok(match found {
            None => Err(Verdict::Wait("the WABA is not there yet".to_owned())),
            Some((_, row)) if row.tenant_id != tenant => Err(Verdict::ScopeMismatch),
            Some(found) => Ok(found),
        })
    }

    /// The first delivery after the subscription is the proof that webhooks come; an earlier one proves nothing.
    async fn proven(
        &self,
        envelope: &Envelope,
        acting: &Acting,
        saga: Uuid,
        received_us: i64,
    ) -> Result<Verdict, Failure> {
        let id = envelope.id;
        self.0
            .store
            .write(acting, |tx: ScopedTx| async move {
                if !first(&tx, id).await? {
                    return Ok(());
                }
                let Some(before) = saga::lock(&tx, saga).await? else { return Ok(()) };
                let subscribed_us =
                    before.step(Step::WebhooksSubscribed).and_then(|row| row.finished_us);
                let after_it = subscribed_us.is_some_and(|subscribed| subscribed <= received_us);
                if !after_it
                    || before.row.webhooks_proven_us.is_some_and(|known| known <= received_us)
                {
                    return Ok(());
                }
                let mut after = before.clone();
                after.row.webhooks_proven_us = Some(received_us);
                saga::save(&tx, &before, after).await.map(drop)
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        Ok(Verdict::Done)
    }

    /// Changes the WABA, once for the event.
    async fn changed(
        &self,
        envelope: &Envelope,
        acting: &Acting,
        waba: Uuid,
        change: impl Fn(waba::Model) -> waba::Model + Send + Sync,
    ) -> Result<Verdict, Failure> {
        let (id, change) = (envelope.id, &change);
        self.0
            .store
            .write(acting, |tx: ScopedTx| async move {
                if !first(&tx, id).await? {
                    return Ok(());
                }
                let Some(before) = waba::lock(&tx, waba).await? else { return Ok(()) };
                let after = change(before.clone());
                waba::save(&tx, &before, after).await.map(drop)
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        Ok(Verdict::Done)
    }
}

async fn first(tx: &ScopedTx, id: kernel::id::EventId) -> Result<bool, Error> {
    Ok(tx.first_time(GROUP, &[id]).await?.into_iter().any(|first| first))
}

/// A WABA after Meta refused a credential of it: an older one than the present says nothing.
fn refuse(mut row: waba::Model, refused: &Refused) -> waba::Model {
    if refused.generation == row.credential_generation {
        // Whatever the two clocks say, the refusal came after the connection that it is about.
        row.disconnected_us = refused.at_us.max(row.connected_us + 1).max(row.disconnected_us);
        row.refusal = KeptMetaError::keep(refused.error.clone());
    }
    row
}

/// A WABA after a word: the newest of each kind counts.
fn hear(mut row: waba::Model, (word, said_us): (&Word, i64)) -> waba::Model {
    let newest = |known: &mut i64| {
        let newer = said_us > *known;
        *known = said_us.max(*known);
        newer
    };
    match word {
        Word::Reviewed(status) => {
            if newest(&mut row.reviewed_us) {
                row.account_review_status.clone_from(status);
            }
        }
        Word::Verified(status) => {
            if newest(&mut row.verified_us) {
                row.business_verification_status.clone_from(status);
            }
        }
        Word::Disconnected => drop(newest(&mut row.disconnected_us)),
        Word::Blocked => drop(newest(&mut row.blocked_us)),
        Word::Reinstated => drop(newest(&mut row.reinstated_us)),
    }
    row
}

fn told(envelope: &Envelope) -> Result<Told, String> {
    let undecoded = |error: bus::DecodeError| error.to_string();
    if bus::is::<NumberChanged>(envelope) {
        let event = bus::decode::<NumberChanged>(envelope).map_err(undecoded)?;
        return number(event).map(Told::Imported);
    }
    if bus::is::<WabaHeard>(envelope) {
        let event = bus::decode::<WabaHeard>(envelope).map_err(undecoded)?;
        let (tenant, waba) = (tenant(&event.tenant_id)?, waba_id(&event.waba_id)?);
        return Ok(Told::First { tenant, waba, received_us: event.received_us });
    }
    if bus::is::<WabaRefused>(envelope) {
        let event = bus::decode::<WabaRefused>(envelope).map_err(undecoded)?;
        return Ok(Told::Refused {
            tenant: tenant(&event.tenant_id)?,
            waba: waba_id(&event.waba_id)?,
            refused: Refused {
                generation: event.credential_generation,
                error: event.meta_error.unwrap_or_default(),
                at_us: event.at_us,
            },
        });
    }
    let event = bus::decode::<ElementRouted>(envelope).map_err(undecoded)?;
    let element =
        String::from_utf8(event.element).map_err(|_| "the element is not text".to_owned())?;
    Ok(Told::Account {
        tenant: tenant(&event.tenant_id)?,
        waba: waba_id(&event.waba_id)?,
        field: event.field,
        element,
        said_us: account::said_us(event.entry_time_s, event.received_us),
    })
}

fn number(event: NumberChanged) -> Result<imported::Model, String> {
    let number = event.number.ok_or("no number in its own event")?;
    Ok(imported::Model {
        tenant_id: tenant(&number.tenant_id)?,
        number_id: number.id.parse::<NumberId>().map_err(words)?.uuid(),
        waba_id: waba_id(&number.waba_id)?,
        meta_id: number.meta_id,
        version: number.version,
    })
}

fn tenant(text: &str) -> Result<Uuid, String> {
    text.parse::<TenantId>().map(|id| id.uuid()).map_err(words)
}

fn waba_id(text: &str) -> Result<Uuid, String> {
    text.parse::<WabaId>().map(|id| id.uuid()).map_err(words)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn words(error: kernel::id::IdError) -> String {
    error.to_string()
}
