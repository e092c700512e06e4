//! What Meta tells of templates and numbers, applied to the rows.
//!
//! An element is placed under the WABA that it names, whose row says whose it is; then it is applied once, with its entry of
//! history, in any order. One about a thing that is not known yet waits, and has its WABA read.

use async_trait::async_trait;
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{TenantId, WabaId};
use meta::webhook::{Change, parse_change};
use proto::events::v1::ElementRouted;
use store::{Error, ScopedTx, Shard, SystemTx, Uuid, purpose};

use super::{App, change, settle::Wish};
use crate::{
    domain::{heard::Stamp, number, template},
    rows,
};

/// Name of the consumer group.
pub(crate) const GROUP: &str = "assets.elements";

/// Meta's fields that say something of a number or a template.
const FIELDS: [&str; 7] = [
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "business_capability_update",
];

/// An import that ended so soon after an element came may have begun before it, and missed what the element is about.
const SLACK_US: i64 = 30_000_000;

/// The consumer of elements.
pub(crate) struct Elements(pub(crate) App);

/// A word, by what it is about.
enum Word {
    Template(template::Word),
    Number(number::Word),
}

/// Why a unit is rolled back.
enum Halt {
    Store(Error),
    /// What it is about is not there (yet).
    Missing,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// An element that was read and placed.
struct Placed {
    tenant: Uuid,
    waba: Uuid,
    /// Meta's id of the number, where the element names one.
    number: String,
    stamp: Stamp,
    word: Word,
}

#[async_trait]
impl Consumer for Elements {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        FIELDS.iter().map(|field| format!("webhooks.element.{field}")).collect()
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts = Vec::with_capacity(batch.len());
        // Rare events, each with an effect of its own: one by one.
        for envelope in batch {
            verdicts.push(self.one(envelope).await?);
        }
        Ok(verdicts)
    }
}

fn read(envelope: &Envelope) -> Result<Option<Placed>, String> {
    let event = bus::decode::<ElementRouted>(envelope).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&event.element).map_err(|_| "the element is not text")?;
    let change = parse_change(&event.field, text)
        .map_err(|error| format!("the element does not read (column {})", error.column()))?;
    let word = match change {
        Change::TemplateStatus(told) => Word::Template(template::Word::Status(told)),
        Change::TemplateQuality(told) => Word::Template(template::Word::Quality(told)),
        Change::TemplateComponents(told) => Word::Template(template::Word::Components(told)),
        Change::TemplateCategory(told) => Word::Template(template::Word::Category(told)),
        Change::NumberQuality(told) => Word::Number(number::Word::Quality(told)),
        Change::NumberName(told) => Word::Number(number::Word::Name(told)),
        Change::BusinessCapability(told) => Word::Number(number::Word::Capability(told)),
        Change::Account(_)
        | Change::AccountReview(_)
        | Change::AccountAlert(_)
        | Change::Security(_)
        | Change::Unknown { .. } => return Ok(None),
    };
    let ids = |error: kernel::id::IdError| error.to_string();
    let told_us = match event.entry_time_s {
        0 => event.received_us,
        seconds => seconds.saturating_mul(1_000_000),
    };
    Ok(Some(Placed {
        tenant: event.tenant_id.parse::<TenantId>().map_err(ids)?.uuid(),
        waba: event.waba_id.parse::<WabaId>().map_err(ids)?.uuid(),
        number: event.phone_number_meta_id,
        stamp: Stamp { told_us, heard_us: event.received_us, place: event.index },
        word,
    }))
}

impl Elements {
    async fn one(&self, envelope: &Envelope) -> Result<Verdict, Failure> {
        let placed = match read(envelope) {
            Ok(Some(placed)) => placed,
            Ok(None) => return Ok(Verdict::Done),
            Err(why) => return Ok(Verdict::Poison(why)),
        };
        let (tenant, waba) = (placed.tenant, placed.waba);
        let found = self
            .0
            .store
            .system_read(purpose::assets::INGEST, Shard::ONLY, |tx: SystemTx| async move {
                let row = rows::waba::find(&tx, waba).await?;
                Ok(row.map(|row| (tx.acting::<rows::waba::Entity>(&row), row.tenant_id)))
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        let acting = match found {
            None => return Ok(Verdict::Wait("the WABA is not there yet".to_owned())),
            Some((_, owner)) if owner != tenant => return Ok(Verdict::ScopeMismatch),
            Some((acting, _)) => acting,
        };
        let (id, placed) = (envelope.id, &placed);
        let applied = self
            .0
            .store
            .write(&acting, |tx: ScopedTx| async move {
                if !tx.first_time(GROUP, &[id]).await?.into_iter().any(|first| first) {
                    return Ok(());
                }
                match &placed.word {
                    Word::Template(word) => self.template(&tx, placed, word).await,
                    Word::Number(word) => numbers(&tx, placed, word).await,
                }
            })
            .await;
        match applied {
            Ok(()) => {
                self.0.deeds.notify_one();
                Ok(Verdict::Done)
            }
            Err(Halt::Store(error)) => Err(Failure::from(error)),
            Err(Halt::Missing) => {
                self.read_waba(placed).await?;
                Ok(Verdict::Wait("what it is about is not known yet".to_owned()))
            }
        }
    }

    async fn template(
        &self,
        tx: &ScopedTx,
        placed: &Placed,
        word: &template::Word,
    ) -> Result<(), Halt> {
        let found = rows::template::lock_told(tx, placed.waba, word.subject()).await?;
        let Some(before) = found else {
            // What was never known and is gone leaves nothing to do.
            return if word.is_deletion() { Ok(()) } else { Err(Halt::Missing) };
        };
        let mut standing = before.standing();
        let entries = standing.hear(word, placed.stamp);
        let mut after = before.clone().with(standing, tx.now().as_micros());
        if after.meta_id.is_none() {
            after.meta_id = word.subject().0.map(str::to_owned);
        }
        let at_us = placed.stamp.told_us;
        let row = change::save_template(tx, &before, after, at_us, entries).await?;
        let wish = Wish::Read;
        if word.asks_to_read() && !rows::deed::is_under_way(tx, row.id, Some(wish.kind())).await? {
            let now = std::time::Duration::ZERO;
            let deed = self.0.deed(tx, (row.waba_id, row.id), &wish, now)?;
            rows::deed::insert(tx, deed).await?;
        }
        Ok(())
    }

    /// Has the WABA read, unless it was since the element came: Meta knows of something that we do not.
    async fn read_waba(&self, placed: &Placed) -> Result<(), Failure> {
        let asked = self
            .0
            .store
            .system(purpose::assets::IMPORT, Shard::ONLY, |tx: SystemTx| async move {
                let since_us = placed.stamp.heard_us.saturating_add(SLACK_US);
                rows::import::ask_unless_newer(&tx, placed.tenant, placed.waba, since_us).await
            })
            .await
            .map_err(|error: Error| Failure::from(error))?;
        if asked > 0 {
            self.0.imports.notify_one();
        }
        Ok(())
    }
}

async fn numbers(tx: &ScopedTx, placed: &Placed, word: &number::Word) -> Result<(), Halt> {
    let all = rows::number::lock_waba(tx, placed.waba).await?;
    let digits = word.digits();
    let mut found = false;
    for before in all.iter().filter(|row| row.removed_us.is_none()) {
        let own = before.meta_id == placed.number
            || digits.as_deref().is_some_and(|d| before.e164.trim_start_matches('+') == d);
        if !own && !word.is_of_all() {
            continue;
        }
        found = true;
        let mut standing = before.standing();
        let entries = standing.hear(word, placed.stamp);
        let after = before.clone().with(standing);
        change::save_number(tx, before, after, placed.stamp.told_us, entries).await?;
    }
    // Of all numbers: those that are not known yet come with the newest word when they are read.
    if found || word.is_of_all() { Ok(()) } else { Err(Halt::Missing) }
}
