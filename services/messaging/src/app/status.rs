//! Meta's word about messages of ours: found by the id that we gave or by the wamid, merged by the rank
//! table, each step kept once (I4). A status may come before the POST's answer, twice, late, and for
//! messages that we did not send: those are kept until an answer brings their wamid.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kernel::id::{MessageId, NumberId, WabaId};
use kernel::time::Timestamp;
use meta::webhook::{MessageStatus as MetaStatus, StatusUpdate};
use store::ScopedTx;
use tracing::Span;
use uuid::Uuid;

use crate::app::ingest::Unreadable;
use crate::app::pen::{Note, Pen};
use crate::config::Config;
use crate::domain::contact::{ConsentCategory, Wish};
use crate::domain::message::{
    Delay, Dispatch, Failure, Message, MessageStatus, MetaError, Side, StepName, Word,
    after_failed_webhook, side_of,
};
use crate::domain::sender::Stop;
use crate::error::Error;
use crate::events;
use crate::rows::status_seen::Seen;
use crate::rows::{
    attempt, contact, conversation, message, meta_id, orphan_status, sender, status_seen, waba_stop,
};

/// How long a pair is left alone after a `failed` webhook that says it was too fast.
const PAIR_REST: Duration = Duration::from_mins(1);

/// One status, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Of which number.
    pub(crate) number: NumberId,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// What it says.
    pub(crate) status: StatusUpdate,
    /// The element verbatim.
    pub(crate) element: String,
    /// When it reached us.
    pub(crate) received: Timestamp,
    /// Trace of the delivery.
    pub(crate) traceparent: Option<String>,
}

impl Told {
    /// Reads an element of `statuses[]`. `Ok(None)` where it says nothing about a message.
    pub(crate) fn read(
        number: NumberId,
        waba: WabaId,
        element: &str,
        received: Timestamp,
        traceparent: Option<String>,
    ) -> Result<Option<Self>, Unreadable> {
        let status = StatusUpdate::parse(element).map_err(|_| Unreadable("a status's shape"))?;
        // The progress of a customer's payment is another thing under the same name.
        if status.kind.as_deref() == Some("payment") {
            return Ok(None);
        }
        if status.id.is_none() {
            return Err(Unreadable("a status without its message's id"));
        }
        if let MetaStatus::Unknown(_) = status.status {
            return Err(Unreadable("a status's word"));
        }
        let element = element.to_owned();
        Ok(Some(Self { number, waba, status, element, received, traceparent }))
    }

    /// Reads one that was kept, which was read before it was.
    pub(crate) fn of_orphan(row: orphan_status::Model) -> Option<Self> {
        Self::read(
            NumberId::from_uuid(row.number_id),
            WabaId::from_uuid(row.waba_id),
            &row.element,
            Timestamp::from_micros(row.received_us),
            row.traceparent,
        )
        .ok()
        .flatten()
    }

    fn wamid(&self) -> &str {
        self.status.id.as_deref().unwrap_or_default()
    }

    /// When it came about: Meta's second.
    pub(crate) fn at(&self) -> Timestamp {
        self.status.timestamp.map_or(self.received, Timestamp::from_seconds)
    }

    fn ours(&self) -> Option<MessageId> {
        self.status.biz_opaque_callback_data.as_deref()?.parse().ok()
    }

    fn seen(&self) -> Seen {
        let participant = self
            .status
            .recipient_participant_id
            .as_ref()
            .or(self.status.recipient_participant_user_id.as_ref());
        Seen {
            number: self.number,
            meta_id: self.wamid().to_owned(),
            status: self.status.status.as_str().to_owned(),
            participant: participant.cloned().unwrap_or_default(),
        }
    }

    fn error(&self) -> Option<MetaError> {
        let error = self.status.errors.first()?;
        Some(MetaError {
            code: error.code.unwrap_or_default(),
            title: error.title.clone().unwrap_or_default(),
            message: error.message.clone().unwrap_or_default(),
            details: error.details().unwrap_or_default().to_owned(),
            ..MetaError::default()
        })
    }

    fn pricing(&self) -> Option<String> {
        self.status.pricing.as_ref().and_then(|pricing| serde_json::to_string(pricing).ok())
    }

    /// What it says of the message; `None` for a word of older documents, which has no rank.
    fn word(&self) -> Option<MessageStatus> {
        Some(match &self.status.status {
            MetaStatus::Sent => MessageStatus::Sent,
            MetaStatus::Delivered => MessageStatus::Delivered,
            MetaStatus::Read => MessageStatus::Read,
            MetaStatus::Played => MessageStatus::Played,
            MetaStatus::Failed => {
                MessageStatus::Failed(Failure::Meta(self.status.error_code().unwrap_or_default()))
            }
            MetaStatus::Deleted | MetaStatus::Warning | MetaStatus::Unknown(_) => return None,
        })
    }
}

/// Applies statuses of one tenant. Those without a message of ours are kept.
pub(crate) async fn apply(tx: &ScopedTx, config: &Config, told: Vec<Told>) -> Result<(), Error> {
    let by_wamid = find(tx, &told).await?;
    let ids: BTreeSet<MessageId> =
        told.iter().filter_map(Told::ours).chain(by_wamid.values().copied()).collect();
    let ids: Vec<MessageId> = ids.into_iter().collect();
    let mut messages: BTreeMap<MessageId, Message> = message::lock(tx, &ids)
        .await?
        .into_iter()
        .filter(|one| one.outbound().is_some())
        .map(|one| (one.id, one))
        .collect();
    let mut placed: Vec<(MessageId, Told)> = Vec::new();
    let mut orphans = Vec::new();
    for one in told {
        let ours = one
            .ours()
            .filter(|id| messages.get(id).is_some_and(|message| message.number == one.number));
        let id = ours.or_else(|| {
            let id = by_wamid.get(&(one.number, one.wamid().to_owned()))?;
            messages.contains_key(id).then_some(*id)
        });
        match id {
            Some(id) => placed.push((id, one)),
            None => orphans.push(one),
        }
    }
    keep(tx, orphans).await?;
    placed = new_ones(tx, placed).await?;
    // Meta's own order, as far as seconds tell; the merge needs none.
    placed.sort_by_key(|(_, one)| (one.at(), one.word()));
    let attempts = attempts(tx, &messages, &placed).await?;
    let windows = windows(tx, &messages, &placed).await?;
    let mut pen = Pen::new(tx);
    let (mut led, mut sides) = (Vec::new(), Vec::new());
    for (id, one) in &placed {
        let Some(message) = messages.get_mut(id) else { continue };
        let of = attempts.get(&(*id, one.wamid().to_owned())).copied();
        let newest = message.outbound().map_or(0, |outbound| outbound.attempts);
        let refused = message.outbound().is_some_and(|outbound| {
            // Meta's no stands: until the next POST brings its own wamid, this one is of the refused one.
            outbound.refusal().is_some()
                && (outbound.dispatch.is_ours_still()
                    || message.meta_id.as_deref() == Some(one.wamid()))
        });
        let older = refused || of.is_some_and(|attempt| attempt < newest);
        if !older && message.meta_id.as_deref() != Some(one.wamid()) {
            message.meta_id = Some(one.wamid().to_owned());
        }
        if !by_wamid.contains_key(&(one.number, one.wamid().to_owned())) {
            led.push(meta_id::Led {
                waba: message.waba,
                number: message.number,
                direction: message::OUT,
                meta_id: one.wamid().to_owned(),
                message: message.id,
                edge: false,
            });
        }
        let window_open = windows
            .get(&message.conversation.uuid())
            .and_then(conversation::Model::window_ends)
            .is_some_and(|ends| ends > tx.now());
        settling(one, message).in_scope(|| hear(message, one, older, window_open, &mut pen));
        // A status without an error has no code; 0 is one of Meta's own.
        if let Some(code) = one.status.error_code()
            && side_of(code) != Side::Nothing
        {
            let error = one.error().unwrap_or(MetaError { code, ..MetaError::default() });
            sides.push((message.clone(), error));
        }
    }
    meta_id::insert_new(tx, led).await?;
    let touched: BTreeSet<MessageId> = placed.iter().map(|(id, _)| *id).collect();
    let mut changed: Vec<Message> =
        touched.into_iter().filter_map(|id| messages.remove(&id)).collect();
    message::change(tx, &mut changed).await?;
    pen.write().await?;
    for (message, error) in sides {
        consequence(tx, config, &message, &error, None).await?;
    }
    Ok(())
}

/// Takes one status in.
fn hear(message: &mut Message, told: &Told, older: bool, window_open: bool, pen: &mut Pen<'_>) {
    let at = told.at();
    let Some(status) = told.word() else {
        tracing::debug!(message.id = %message.id, "a status without a rank was left out");
        return;
    };
    let error = told.error();
    let Some(outbound) = message.outbound_mut() else { return };
    if let MessageStatus::Failed(Failure::Meta(code)) = status {
        // A no about an older attempt says nothing about the one under way.
        if older {
            let note = Note::plain(StepName::Requeued, at).with_detail("an earlier attempt failed");
            pen.note(message, note.with_error(error));
            return;
        }
        let again = after_failed_webhook(code, outbound.tries, window_open)
            .filter(|_| outbound.expires > told.received)
            .filter(|_| {
                let untold = !matches!(
                    outbound.status,
                    MessageStatus::Delivered | MessageStatus::Read | MessageStatus::Played
                );
                untold && matches!(outbound.dispatch, Dispatch::Sending | Dispatch::Settled)
            });
        if let Some(delay) = again {
            let wait = match delay {
                Delay::For(wait) => wait,
                Delay::Pair => PAIR_REST,
            };
            outbound.try_again(error.clone().unwrap_or_default(), told.received + wait);
            let note = Note::plain(StepName::Requeued, at).with_detail("Meta's no is tried again");
            pen.note(message, note.with_error(error));
            return;
        }
    }
    if older && status.is_on_its_way() {
        outbound.hear_late(status);
    } else {
        outbound.hear(&Word { status, at, error: error.clone() });
    }
    let note = Note::plain(StepName::of(status), at).with_error(error);
    pen.note(message, Note { pricing: told.pricing(), ..note });
}

/// One trace from the accept to here: the span has the message's as its parent, and links to the
/// webhook's own.
fn settling(told: &Told, message: &Message) -> Span {
    let status = told.status.status.as_str();
    let span = tracing::info_span!("messaging.settle_status", message.id = %message.id, status);
    let trace = message.outbound().and_then(|outbound| outbound.traceparent.as_deref());
    if let Some(trace) = trace {
        telemetry::propagation::set_parent(&span, telemetry::propagation::parent_from(trace));
    }
    if let Some(webhook) = &told.traceparent {
        telemetry::propagation::link(&span, webhook);
    }
    span
}

async fn find(
    tx: &ScopedTx,
    told: &[Told],
) -> Result<BTreeMap<(NumberId, String), MessageId>, Error> {
    let wamids: BTreeSet<String> = told.iter().map(|one| one.wamid().to_owned()).collect();
    let found = meta_id::find(tx, wamids.into_iter().collect()).await?;
    Ok(found
        .into_iter()
        .filter(|row| row.direction == message::OUT && !row.edge)
        .map(|row| {
            let place = (NumberId::from_uuid(row.number_id), row.meta_id);
            (place, MessageId::from_uuid(row.message_id))
        })
        .collect())
}

async fn keep(tx: &ScopedTx, orphans: Vec<Told>) -> Result<(), Error> {
    let orphans = orphans.into_iter().map(|one| {
        let seen = one.seen();
        orphan_status::Orphan {
            number: one.number,
            waba: one.waba,
            meta_id: seen.meta_id,
            status: seen.status,
            participant: seen.participant,
            element: one.element,
            received: one.received,
            traceparent: one.traceparent,
        }
    });
    orphan_status::keep(tx, orphans.collect()).await?;
    Ok(())
}

/// Leaves out what was applied before, also earlier in this batch.
async fn new_ones(
    tx: &ScopedTx,
    placed: Vec<(MessageId, Told)>,
) -> Result<Vec<(MessageId, Told)>, Error> {
    let mut by_waba: BTreeMap<WabaId, BTreeSet<Seen>> = BTreeMap::new();
    for (_, one) in &placed {
        by_waba.entry(one.waba).or_default().insert(one.seen());
    }
    let mut new = BTreeSet::new();
    for (waba, seen) in by_waba {
        new.extend(status_seen::first_time(tx, waba, seen, tx.now()).await?);
    }
    Ok(placed.into_iter().filter(|(_, one)| new.remove(&one.seen())).collect())
}

/// Which attempt a wamid belongs to, where a message's own is another.
async fn attempts(
    tx: &ScopedTx,
    messages: &BTreeMap<MessageId, Message>,
    placed: &[(MessageId, Told)],
) -> Result<BTreeMap<(MessageId, String), u32>, Error> {
    let asked: BTreeSet<Uuid> = placed
        .iter()
        .filter(|(id, one)| {
            messages.get(id).is_some_and(|message| {
                message.meta_id.as_deref().is_some_and(|known| known != one.wamid())
            })
        })
        .map(|(id, _)| id.uuid())
        .collect();
    let found = attempt::of_messages(tx, asked.into_iter().collect()).await?;
    Ok(found
        .into_iter()
        .filter_map(|row| {
            let n = u32::try_from(row.n).unwrap_or(0);
            Some(((MessageId::from_uuid(row.message_id), row.meta_id?), n))
        })
        .collect())
}

/// The conversations of those whose window Meta says is closed.
async fn windows(
    tx: &ScopedTx,
    messages: &BTreeMap<MessageId, Message>,
    placed: &[(MessageId, Told)],
) -> Result<BTreeMap<Uuid, conversation::Model>, Error> {
    let asked: BTreeSet<Uuid> = placed
        .iter()
        .filter(|(_, one)| one.status.error_code() == Some(131_047))
        .filter_map(|(id, _)| Some(messages.get(id)?.conversation.uuid()))
        .collect();
    let found = conversation::by_id(tx, asked.into_iter().collect()).await?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

/// The stop after Meta's `code`. A lock is asked about again after a while, and so is a refusal that
/// came by a webhook: it does not tell which credential was refused, and the newest may be good.
async fn stop(
    tx: &ScopedTx,
    number: NumberId,
    code: i64,
    refused: Option<i64>,
    ask_again: Timestamp,
) -> Result<Stop, Error> {
    if let Some(generation) = refused {
        let until = (side_of(code) == Side::LockWaba).then_some(ask_again);
        return Ok(Stop { code, generation, until });
    }
    let senders = sender::load(tx, &[number]).await?;
    let generation = senders.get(&number).map_or(0, |sender| sender.generation);
    Ok(Stop { code, generation, until: Some(ask_again) })
}

/// Tells that a credential was refused, unless that was told of it already.
async fn tell_refusal(
    tx: &ScopedTx,
    message: &Message,
    error: &MetaError,
    generation: i64,
) -> Result<(), Error> {
    let known = waba_stop::of(tx, message.waba.uuid()).await?;
    let told = known.is_some_and(|known| {
        known.generation >= generation
            && known.until_us.is_none()
            && side_of(known.code) == Side::StopWaba
    });
    if !told {
        tx.publish(events::waba_refused(tx, message, error, generation)).await?;
    }
    Ok(())
}

/// What else Meta's error means. Rare, so each is worth its statements. `refused` is the generation of
/// the credential that was used, where that is known.
pub(crate) async fn consequence(
    tx: &ScopedTx,
    config: &Config,
    message: &Message,
    error: &MetaError,
    refused: Option<i64>,
) -> Result<(), Error> {
    let (now, code) = (tx.now(), error.code);
    match side_of(code) {
        Side::Nothing | Side::SlowNumber | Side::ParkPair => {}
        Side::HoldMarketing => {
            tracing::warn!(number.id = %message.number, "Meta limits the number for spam; its marketing rests");
            let until = now + Duration::from_secs(config.marketing_hold_s);
            sender::hold_marketing(tx, message.number, message.waba, until).await?;
        }
        Side::StopWaba | Side::LockWaba => {
            tracing::warn!(waba.id = %message.waba, code, "Meta refuses the token or locked the WABA; it is stopped");
            if let (Side::StopWaba, Some(generation)) = (side_of(code), refused) {
                tell_refusal(tx, message, error, generation).await?;
            }
            let ask_again = now + Duration::from_secs(config.lock_probe_s);
            let stop = stop(tx, message.number, code, refused, ask_again).await?;
            sender::stop(tx, message.waba, stop, now).await?;
        }
        side @ (Side::RestCustomer | Side::OptOutCustomer) => {
            let found = contact::by_id(tx, vec![message.contact.uuid()]).await?;
            if let Some(row) = found.into_iter().next() {
                let mut consent = row.consent();
                if side == Side::RestCustomer {
                    let until = now + Duration::from_secs(config.customer_rest_s);
                    consent.marketing_held_until = consent.marketing_held_until.max(Some(until));
                } else {
                    consent = consent.set(ConsentCategory::Marketing, Wish::OptedOut, now)?;
                }
                contact::set_consent(tx, row.contact_id(), consent).await?;
            }
        }
    }
    Ok(())
}
