//! Stores accepted messages: everything that a batch of one tenant needs is read by a few statements,
//! decided in memory, and written by a few more. A message that is refused leaves nothing behind, not
//! even its key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auth::Environment;
use kernel::id::{MessageId, NumberId};
use kernel::time::Timestamp;
use meta::Violation;
use meta::ids::Recipient;
use meta::message::MessageBody;
use meta::template::{FillError, TemplateStatus, check_fill};
use store::{Claimed, KeyClaim, Lane, ScopedTx};
use uuid::Uuid;

use super::{Draft, Quote};
use crate::app::pen::{Note, Pen};
use crate::app::people::{People, Person, Placed};
use crate::domain::contact::{Identity, Unwanted};
use crate::domain::conversation::{Window, judge};
use crate::domain::message::{
    Category, Class, Course, Deadlines, Dispatch, Message, MessageStatus, Origin, Outbound,
    StepName, edge_id,
};
use crate::domain::sender::{Obstacle, Sender};
use crate::error::{Error, Thing};
use crate::failpoint::failpoint;
use crate::rows::{
    contact, conversation, key, message, meta_id, quota_use, sender, template_state,
};

/// The lane of accepts.
#[derive(Debug, Clone)]
pub(crate) struct AcceptLane {
    /// Deadlines by category.
    pub(crate) deadlines: Deadlines,
}

/// What a batch reads before it decides.
struct Known {
    now: Timestamp,
    senders: BTreeMap<NumberId, Sender>,
    templates: Vec<template_state::Model>,
    quotes: BTreeMap<Quote, MessageId>,
}

/// A draft that passed what its sender, its template and its quote say.
struct Passed<'a> {
    draft: &'a Draft,
    person: Person,
    category: Category,
    template: Option<&'a template_state::Model>,
    quote: Option<MessageId>,
}

impl Lane for AcceptLane {
    type Item = Draft;
    type Answer = Message;
    type Error = Error;

    async fn run(
        &self,
        tx: ScopedTx,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Message, Error>>, Error> {
        let claimed = claim(&tx, &drafts).await?;
        let fresh: Vec<usize> = claimed
            .iter()
            .enumerate()
            .filter(|(_, claimed)| matches!(claimed, Claimed::New))
            .map(|(place, _)| place)
            .collect();
        let mut decided = self.take(&tx, &drafts, &fresh).await?;
        let refused: Vec<&KeyClaim> = fresh
            .iter()
            .filter(|place| matches!(decided.get(place), Some(Err(_)) | None))
            .filter_map(|place| drafts.get(*place)?.key.as_ref())
            .collect();
        key::free(&tx, &refused).await?;
        let earlier = earlier(&tx, &claimed).await?;
        let mut answers: Vec<Result<Message, Error>> = Vec::with_capacity(drafts.len());
        for (place, claimed) in claimed.into_iter().enumerate() {
            let gone = || Err(Error::NotFound(Thing::Message));
            answers.push(match claimed {
                Claimed::New => decided.remove(&place).unwrap_or_else(gone),
                Claimed::Answered(answer) => read_answer(&answer.0)
                    .and_then(|id| earlier.get(&id).cloned())
                    .map_or_else(gone, Ok),
                Claimed::SameAs(first) => answers.get(first).cloned().unwrap_or_else(gone),
                Claimed::Reused => Err(store::Error::KeyReused.into()),
                Claimed::InProgress => Err(store::Error::KeyInProgress.into()),
            });
        }
        Ok(answers)
    }
}

/// Takes the keys; a draft without one is new.
async fn claim(tx: &ScopedTx, drafts: &[Draft]) -> Result<Vec<Claimed>, Error> {
    let keyed: Vec<(usize, (KeyClaim, Vec<u8>))> = drafts
        .iter()
        .enumerate()
        .filter_map(|(place, draft)| {
            let answer = draft.id.uuid().as_bytes().to_vec();
            Some((place, (draft.key.clone()?, answer)))
        })
        .collect();
    let mut claimed = vec![Claimed::New; drafts.len()];
    if keyed.is_empty() {
        return Ok(claimed);
    }
    let (places, claims): (Vec<usize>, Vec<(KeyClaim, Vec<u8>)>) = keyed.into_iter().unzip();
    let verdicts = tx.claim_keys(&claims).await?;
    for (place, verdict) in places.iter().zip(verdicts) {
        // Places of the batch of keys into places of the drafts.
        let verdict = match verdict {
            Claimed::SameAs(first) => Claimed::SameAs(places.get(first).copied().unwrap_or(first)),
            other @ (Claimed::New
            | Claimed::Answered(_)
            | Claimed::Reused
            | Claimed::InProgress) => other,
        };
        if let Some(slot) = claimed.get_mut(*place) {
            *slot = verdict;
        }
    }
    Ok(claimed)
}

fn read_answer(answer: &[u8]) -> Option<MessageId> {
    Uuid::from_slice(answer).ok().map(MessageId::from_uuid)
}

async fn earlier(
    tx: &ScopedTx,
    claimed: &[Claimed],
) -> Result<BTreeMap<MessageId, Message>, Error> {
    let ids: Vec<MessageId> = claimed
        .iter()
        .filter_map(|claimed| match claimed {
            Claimed::Answered(answer) => read_answer(&answer.0),
            Claimed::New | Claimed::SameAs(_) | Claimed::Reused | Claimed::InProgress => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(message::get(tx, &ids).await?.into_iter().map(|found| (found.id, found)).collect())
}

impl AcceptLane {
    /// Decides the drafts at `fresh` and stores those that are taken.
    async fn take(
        &self,
        tx: &ScopedTx,
        drafts: &[Draft],
        fresh: &[usize],
    ) -> Result<BTreeMap<usize, Result<Message, Error>>, Error> {
        let chosen: Vec<(usize, &Draft)> =
            fresh.iter().filter_map(|place| Some((*place, drafts.get(*place)?))).collect();
        let mut decided = BTreeMap::new();
        if chosen.is_empty() {
            return Ok(decided);
        }
        let known = Known::load(tx, &chosen).await?;
        let mut passed = Vec::new();
        for (place, draft) in chosen {
            match known.pass(draft) {
                Ok(one) => passed.push((place, one)),
                Err(error) => drop(decided.insert(place, Err(error))),
            }
        }
        let people: Vec<&Person> = passed.iter().map(|(_, one)| &one.person).collect();
        let mut found = People::load(tx, &people).await?;
        let (mut places, mut taken) = (Vec::new(), Vec::new());
        for (place, one) in passed {
            match known.allow(&one, &found) {
                Ok(()) => {
                    places.push(place);
                    taken.push(one);
                }
                Err(error) => drop(decided.insert(place, Err(error))),
            }
        }
        let granted = known.granted(tx, taken.len()).await?;
        for place in places.drain(granted..) {
            decided.insert(place, Err(known.quota_used_up()));
        }
        taken.truncate(granted);
        if taken.is_empty() {
            return Ok(decided);
        }
        let people: Vec<&Person> = taken.iter().map(|one| &one.person).collect();
        let placed = found.ensure(tx, &people).await?;
        let messages: Vec<Message> = taken
            .iter()
            .zip(&placed)
            .map(|(one, placed)| self.message(tx, known.now, one, *placed))
            .collect();
        store(tx, &taken, &messages, &found).await?;
        decided.extend(places.into_iter().zip(messages.into_iter().map(Ok)));
        Ok(decided)
    }

    fn message(
        &self,
        tx: &ScopedTx,
        now: Timestamp,
        passed: &Passed<'_>,
        placed: Placed,
    ) -> Message {
        let draft = passed.draft;
        let due = draft.send_at.unwrap_or(now);
        let expires =
            draft.expires.unwrap_or_else(|| self.deadlines.leave_by(&passed.category, due));
        Message {
            id: draft.id,
            tenant: tx.tenant(),
            waba: passed.person.waba,
            number: draft.number,
            conversation: placed.conversation,
            contact: placed.contact,
            kind: draft.body.kind().as_str().to_owned(),
            body: draft.body_json.clone(),
            meta_id: None,
            counterpart: passed.person.identity.counterpart(),
            context: passed.quote,
            context_meta_id: match (&draft.quote, passed.quote) {
                (Some(Quote::Meta(id)), None) => Some(id.clone()),
                (Some(Quote::Meta(_) | Quote::Ours(_)) | None, _) => None,
            },
            created: now,
            version: 1,
            course: Course::Outbound(Box::new(Outbound {
                origin: draft.origin,
                dispatch: if draft.send_at.is_some() {
                    Dispatch::Scheduled
                } else {
                    Dispatch::Queued
                },
                status: MessageStatus::Queued,
                error: None,
                class: Class::of(&passed.category, draft.origin),
                category: passed.category.clone(),
                template: passed.template.map(template_state::Model::template_id),
                ttl_s: passed.template.and_then(|template| template.ttl_s),
                edge_id: Some(edge_id(draft.id, &draft.recipient).as_str().to_owned()),
                callback_data: draft.callback_data.clone(),
                due,
                expires,
                deadline: Some(expires),
                tries: 0,
                attempts: 0,
                fence: 0,
                traceparent: draft.traceparent.clone(),
            })),
        }
    }
}

/// Writes a batch: messages, ids, steps, events, and what it means for the conversations.
async fn store(
    tx: &ScopedTx,
    taken: &[Passed<'_>],
    messages: &[Message],
    people: &People,
) -> Result<(), Error> {
    message::insert(tx, messages).await?;
    let edges = messages.iter().filter_map(|message| {
        Some(meta_id::Led {
            waba: message.waba,
            number: message.number,
            direction: message::OUT,
            meta_id: message.outbound()?.edge_id.clone()?,
            message: message.id,
            edge: true,
        })
    });
    meta_id::insert_new(tx, edges.collect()).await?;
    let mut pen = Pen::new(tx);
    let mut touches: BTreeMap<Uuid, conversation::Touch> = BTreeMap::new();
    for (one, message) in taken.iter().zip(messages) {
        pen.note(message, Note::plain(StepName::AcceptedByUs, message.created));
        let held =
            people.conversation(&one.person).map(conversation::Model::held_by).transpose()?;
        let after = held.clone().map(crate::domain::conversation::Holder::after_ours);
        touches.insert(
            message.conversation.uuid(),
            conversation::Touch {
                id: message.conversation.uuid(),
                last_message_us: message.created.as_micros(),
                last_message_id: message.id.uuid(),
                last_inbound_us: 0,
                unread: 0,
                answered: true,
                holder_kind: (after != held)
                    .then(|| after.map(|holder| holder.kind().to_owned()))
                    .flatten(),
            },
        );
    }
    conversation::touch(tx, &touches.into_values().collect::<Vec<_>>()).await?;
    pen.write().await?;
    failpoint!("accept.before_commit");
    Ok(())
}

impl Known {
    async fn load(tx: &ScopedTx, drafts: &[(usize, &Draft)]) -> Result<Self, Error> {
        let numbers: BTreeSet<NumberId> = drafts.iter().map(|(_, draft)| draft.number).collect();
        let numbers: Vec<NumberId> = numbers.into_iter().collect();
        let senders = sender::load(tx, &numbers).await?;
        let names: BTreeSet<String> = drafts
            .iter()
            .filter_map(|(_, draft)| match &draft.body {
                MessageBody::Template(template) => Some(template.name.clone()),
                _ => None,
            })
            .collect();
        let wabas: BTreeSet<_> = senders.values().map(|sender| sender.waba).collect();
        let templates =
            template_state::by_name(tx, wabas.into_iter().collect(), names.into_iter().collect())
                .await?;
        let quotes = quotes(tx, drafts).await?;
        Ok(Self { now: tx.now(), senders, templates, quotes })
    }

    /// How many of `wanted` messages the tenant's quota lets through; they are counted with the unit that stores them.
    async fn granted(&self, tx: &ScopedTx, wanted: usize) -> Result<usize, Error> {
        match self.quota() {
            Some(most) if wanted > 0 => Ok(quota_use::take(tx, wanted, most).await?.min(wanted)),
            Some(_) | None => Ok(wanted),
        }
    }

    /// The tenant's quota; all senders of a batch are of one tenant.
    fn quota(&self) -> Option<i64> {
        self.senders.values().find_map(|sender| sender.messages_per_day)
    }

    fn quota_used_up(&self) -> Error {
        let ends = quota_use::day_ends(self.now).as_micros();
        let wait = u64::try_from(ends.saturating_sub(self.now.as_micros())).unwrap_or(0);
        Error::Quota { most: self.quota().unwrap_or(0), wait: Duration::from_micros(wait) }
    }

    /// What number, template and quote say.
    fn pass<'a>(&'a self, draft: &'a Draft) -> Result<Passed<'a>, Error> {
        let unknown = || Error::NotFound(Thing::Number);
        let sender = self.senders.get(&draft.number).ok_or_else(unknown)?;
        // A WABA of another environment does not exist for this caller (AUTH-15).
        let of_the_waba = sender.environment.parse().unwrap_or(Environment::Any);
        if !draft.environment.admits(of_the_waba) {
            return Err(unknown());
        }
        match sender.refuses() {
            None | Some(Obstacle::Stopped(_)) => {}
            Some(Obstacle::Tenant) => return Err(Error::Tenant),
            Some(Obstacle::Waba) => return Err(Error::Waba),
            Some(Obstacle::Number) => return Err(Error::Number(sender.status.clone())),
        }
        if matches!(&draft.recipient, Recipient::Phone(to) if to.digits() == sender.digits) {
            let same = Violation::new("to", "is the sending number itself").code(131_021);
            return Err(Error::Invalid(vec![same]));
        }
        let template = match &draft.body {
            MessageBody::Template(body) => Some(self.template(sender, body, &draft.recipient)?),
            _ => None,
        };
        let quote = match &draft.quote {
            None => None,
            Some(quote) => match (self.quotes.get(quote), quote) {
                (Some(found), _) => Some(*found),
                // Meta may know what was written before we came.
                (None, Quote::Meta(_)) => None,
                (None, Quote::Ours(_)) => {
                    return Err(Error::invalid("context_message_id", "names no message of yours"));
                }
            },
        };
        let category =
            template.map_or(Category::Service, |template| Category::parse(&template.category));
        let person = Person {
            portfolio: sender.portfolio,
            waba: sender.waba,
            number: draft.number,
            identity: Identity::of_recipient(&draft.recipient),
            name: None,
            username: None,
            at: self.now,
            told_by_meta: false,
        };
        Ok(Passed { draft, person, category, template, quote })
    }

    fn template(
        &self,
        sender: &Sender,
        body: &meta::message::Template,
        to: &Recipient,
    ) -> Result<&template_state::Model, Error> {
        let of = |template: &&template_state::Model| {
            template.waba_id == sender.waba.uuid()
                && template.name == body.name
                && template.language.eq_ignore_ascii_case(&body.language.code)
        };
        let found = self.templates.iter().find(of).ok_or_else(|| Error::Template {
            code: 132_001,
            details: format!(
                "template name ({}) does not exist in {}",
                body.name, body.language.code
            ),
        })?;
        if let Some(code) = TemplateStatus::parse(&found.status).refusal() {
            let details = format!("the template's state is {}", found.status);
            return Err(Error::Template { code, details });
        }
        if let Some(shape) = found.parameter_shape() {
            if shape.passcode && matches!(to, Recipient::Bsuid(_)) {
                let details = "a one-time passcode needs a phone number".to_owned();
                return Err(Error::Template { code: 131_062, details });
            }
            check_fill(&shape, &body.components)
                .map_err(|FillError { code, details }| Error::Template { code, details })?;
        }
        Ok(found)
    }

    /// What the customer and the conversation say.
    fn allow(&self, one: &Passed<'_>, people: &People) -> Result<(), Error> {
        let sender = self.senders.get(&one.draft.number);
        let rule = sender.map(|sender| sender.opt_in).unwrap_or_default();
        let consent = people.contact(&one.person).map(contact::Model::consent).unwrap_or_default();
        let category = || one.category.as_str().to_owned();
        match consent.refuses(&one.category, rule, self.now) {
            Some(Unwanted::OptedOut) => return Err(Error::OptedOut(category())),
            Some(Unwanted::NotOptedIn) => return Err(Error::NotOptedIn(category())),
            None => {}
        }
        let conversation = people.conversation(&one.person);
        if one.draft.origin == Origin::Automation {
            let holder = conversation.map(conversation::Model::held_by).transpose()?;
            let holder = holder.unwrap_or_default();
            if !holder.lets_bot_speak() {
                let by = if holder.kind().is_empty() { "nobody" } else { holder.kind() };
                return Err(Error::Held(by.to_owned()));
            }
        }
        let heard_since = sender.and_then(Sender::heard_since);
        if one.draft.body.needs_open_window() {
            // A scheduled one is judged when its hour comes.
            let last = conversation.and_then(conversation::Model::last_inbound);
            let window = judge(self.now, last, heard_since);
            if window == Window::Closed && one.draft.send_at.is_none() {
                return Err(Error::WindowClosed);
            }
        }
        Ok(())
    }
}

/// Where quoted ids lead.
async fn quotes(
    tx: &ScopedTx,
    drafts: &[(usize, &Draft)],
) -> Result<BTreeMap<Quote, MessageId>, Error> {
    let named: BTreeSet<&Quote> =
        drafts.iter().filter_map(|(_, draft)| draft.quote.as_ref()).collect();
    let (mut ours, mut metas) = (Vec::new(), Vec::new());
    for quote in named {
        match quote {
            Quote::Ours(id) => ours.push(*id),
            Quote::Meta(id) => metas.push(id.clone()),
        }
    }
    let mut found = BTreeMap::new();
    for row in message::quoted(tx, &ours).await? {
        let id = MessageId::from_uuid(row.id);
        found.insert(Quote::Ours(id), id);
    }
    for row in meta_id::find(tx, metas).await? {
        found.insert(Quote::Meta(row.meta_id), MessageId::from_uuid(row.message_id));
    }
    Ok(found)
}
