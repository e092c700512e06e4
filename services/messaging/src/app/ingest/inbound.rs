//! Messages that we did not send: what customers wrote, in every kind that Meta has and those that it
//! will have, and what the business wrote from its phone. Each is stored verbatim, once, at Meta's second.

use std::collections::{BTreeMap, BTreeSet};

use kernel::id::{MessageId, NumberId, WabaId};
use kernel::time::Timestamp;
use meta::ids::{Bsuid, WaId};
use meta::webhook::{ContactInfo, InboundContent, InboundMessage};
use serde_json::Value;
use store::ScopedTx;
use uuid::Uuid;

use super::tidings::Unreadable;
use crate::app::pen::{Note, Pen};
use crate::app::people::{People, Person};
use crate::domain::contact::Identity;
use crate::domain::conversation::Holder;
use crate::domain::message::{
    Category, Class, Course, Dispatch, Message, MessageStatus, Origin, Outbound, StepName,
};
use crate::domain::sender::Sender;
use crate::error::Error;
use crate::rows::{conversation, message, meta_id};

/// Who wrote it, and to whom the conversation belongs then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The customer, to us.
    Customer,
    /// The customer, while somebody else of Meta's answers.
    Standby,
    /// The business, from its phone.
    Phone,
}

/// A message that we heard of.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    side: Side,
    waba: WabaId,
    number: NumberId,
    identity: Identity,
    name: Option<String>,
    username: Option<String>,
    wamid: String,
    /// Meta's time.
    pub(super) at: Timestamp,
    received: Timestamp,
    kind: String,
    element: String,
    quoted: Option<String>,
    opens_window: bool,
    /// Who the customer is from now on, where Meta tells that they changed.
    becomes: Option<Identity>,
}

fn identity(bsuid: Option<&str>, wa_id: Option<&str>) -> Identity {
    Identity {
        bsuid: bsuid.and_then(|id| Bsuid::new(id).ok()),
        wa_id: wa_id.and_then(|number| WaId::new(number).ok()),
    }
}

/// A person whom no id of theirs names in a form that this build reads is nobody's contact.
fn known(person: Identity) -> Result<Identity, Unreadable> {
    if person.is_empty() { Err(Unreadable("the form of a person's ids")) } else { Ok(person) }
}

impl Heard {
    /// Reads an element of `messages[]`.
    pub(super) fn message(
        waba: WabaId,
        number: NumberId,
        element: &str,
        contact: Option<&str>,
        received: Timestamp,
    ) -> Result<Self, Unreadable> {
        let read = InboundMessage::parse(element).map_err(|_| Unreadable("a message's shape"))?;
        let contact = contact.and_then(|json| ContactInfo::parse(json).ok()).unwrap_or_default();
        let bsuid = read.from_user_id.as_deref().or(contact.user_id.as_deref());
        let who = identity(bsuid, contact.wa_id.as_deref().or(read.from.as_deref()));
        let quoted = match &read.content {
            InboundContent::Reaction { message_id, .. } => Some(message_id.clone()),
            InboundContent::Edit(edit) => edit.original_message_id.clone(),
            InboundContent::Revoke { original_message_id } => original_message_id.clone(),
            _ => read.context.as_ref().and_then(|context| context.id.clone()),
        };
        let becomes = match &read.content {
            InboundContent::System(system) => {
                Some(identity(system.user_id.as_deref(), system.wa_id.as_deref()))
                    .filter(|new| !new.is_empty())
            }
            _ => None,
        };
        Ok(Self {
            side: Side::Customer,
            waba,
            number,
            identity: known(who)?,
            name: contact.profile.name,
            username: contact.profile.username,
            opens_window: read.opens_window(),
            wamid: read.id.unwrap_or_default(),
            at: read.timestamp.map_or(received, Timestamp::from_seconds),
            received,
            kind: read.kind.as_str().to_owned(),
            element: element.to_owned(),
            quoted,
            becomes,
        })
    }

    /// Reads one of `message_echoes[]`: what the business wrote from its phone.
    pub(super) fn echo(
        waba: WabaId,
        number: NumberId,
        echo: &Value,
        received: Timestamp,
    ) -> Result<Self, Unreadable> {
        let element = echo.to_string();
        let read = InboundMessage::parse(&element).map_err(|_| Unreadable("an echo's shape"))?;
        let text = |name: &str| echo.get(name).and_then(Value::as_str);
        Ok(Self {
            side: Side::Phone,
            waba,
            number,
            identity: known(identity(text("to_user_id"), text("to")))?,
            name: None,
            username: None,
            wamid: read.id.ok_or(Unreadable("an echo without its id"))?,
            at: read.timestamp.map_or(received, Timestamp::from_seconds),
            received,
            kind: read.kind.as_str().to_owned(),
            element,
            quoted: read.context.and_then(|context| context.id),
            opens_window: false,
            becomes: None,
        })
    }

    /// The same, while Meta's agent holds the conversation.
    pub(super) fn in_standby(self) -> Self {
        Self { side: Side::Standby, ..self }
    }

    /// Whether Meta gave it an id.
    pub(super) const fn is_named(&self) -> bool {
        !self.wamid.is_empty()
    }

    /// Names a message without an id of Meta's by its place in the raw log.
    pub(super) fn or_named(self, raw_id: &str, index: u32) -> Self {
        if self.wamid.is_empty() {
            return Self { wamid: format!("raw:{raw_id}:{index}"), ..self };
        }
        self
    }

    const fn direction(&self) -> &'static str {
        match self.side {
            Side::Customer | Side::Standby => message::IN,
            Side::Phone => message::OUT,
        }
    }

    /// Meta's second, with arrival's millisecond in it: order by id is history order.
    fn minted_at(&self) -> Timestamp {
        let within = self.received.as_micros().rem_euclid(1_000_000);
        Timestamp::from_micros(self.at.as_seconds().saturating_mul(1_000_000) + within)
    }

    fn person(&self, senders: &BTreeMap<NumberId, Sender>) -> Person {
        Person {
            portfolio: senders.get(&self.number).map(|one| one.portfolio).unwrap_or_default(),
            waba: self.waba,
            number: self.number,
            identity: self.identity.clone(),
            name: self.name.clone(),
            username: self.username.clone(),
            at: self.at,
            told_by_meta: true,
        }
    }

    fn course(&self) -> Course {
        match self.side {
            Side::Customer | Side::Standby => Course::Inbound,
            Side::Phone => Course::Outbound(Box::new(Outbound {
                origin: Origin::PhoneApp,
                dispatch: Dispatch::Settled,
                // Meta sends no statuses of these.
                status: MessageStatus::Sent,
                error: None,
                category: Category::Service,
                template: None,
                ttl_s: None,
                edge_id: None,
                callback_data: None,
                class: Class::Service,
                due: self.at,
                expires: self.at,
                deadline: None,
                tries: 0,
                attempts: 0,
                fence: 0,
                traceparent: None,
            })),
        }
    }
}

/// Stores the messages of a batch, each once.
pub(super) async fn store(
    tx: &ScopedTx,
    senders: &BTreeMap<NumberId, Sender>,
    heard: Vec<Heard>,
) -> Result<(), Error> {
    let fresh = new_ones(tx, heard).await?;
    if fresh.is_empty() {
        return Ok(());
    }
    let people: Vec<Person> = fresh.iter().map(|(_, one)| one.person(senders)).collect();
    let people: Vec<&Person> = people.iter().collect();
    let mut known = People::load(tx, &people).await?;
    let placed = known.ensure(tx, &people).await?;
    let quoted = quoted(tx, &fresh).await?;
    let mut messages = Vec::with_capacity(fresh.len());
    for ((id, one), placed) in fresh.iter().zip(&placed) {
        let context = one.quoted.as_ref().and_then(|meta_id| quoted.get(meta_id)).copied();
        messages.push(Message {
            id: *id,
            tenant: tx.tenant(),
            waba: one.waba,
            number: one.number,
            conversation: placed.conversation,
            contact: placed.contact,
            kind: one.kind.clone(),
            body: one.element.clone(),
            meta_id: Some(one.wamid.clone()),
            counterpart: one.identity.counterpart(),
            context,
            context_meta_id: one.quoted.clone().filter(|_| context.is_none()),
            created: one.at,
            version: 1,
            course: one.course(),
        });
    }
    message::insert(tx, &messages).await?;
    let mut pen = Pen::new(tx);
    for ((_, one), message) in fresh.iter().zip(&messages) {
        let name = match one.side {
            Side::Customer | Side::Standby => StepName::Received,
            Side::Phone => StepName::Sent,
        };
        pen.note(message, Note::plain(name, one.at));
    }
    let touches = touches(&fresh, &messages, &known, &people)?;
    conversation::touch(tx, &touches).await?;
    pen.write().await?;
    become_new(tx, senders, &fresh).await
}

/// Takes each wamid once; answers those that were not there, with their ids.
async fn new_ones(tx: &ScopedTx, heard: Vec<Heard>) -> Result<Vec<(MessageId, Heard)>, Error> {
    let mut wanted: BTreeMap<(NumberId, &'static str, String), (MessageId, Heard)> =
        BTreeMap::new();
    for one in heard {
        let place = (one.number, one.direction(), one.wamid.clone());
        let id = MessageId::mint(tx.ids(), one.minted_at());
        wanted.entry(place).or_insert((id, one));
    }
    let led = wanted.values().map(|(id, one)| meta_id::Led {
        waba: one.waba,
        number: one.number,
        direction: one.direction(),
        meta_id: one.wamid.clone(),
        message: *id,
        edge: false,
    });
    let new = meta_id::insert_new(tx, led.collect()).await?;
    let new: BTreeSet<Uuid> = new.into_iter().map(|row| row.message_id).collect();
    let mut fresh: Vec<(MessageId, Heard)> =
        wanted.into_values().filter(|(id, _)| new.contains(&id.uuid())).collect();
    fresh.sort_by_key(|(id, _)| *id);
    Ok(fresh)
}

/// Our ids of what the messages quote, by Meta's or by the edge's.
async fn quoted(
    tx: &ScopedTx,
    fresh: &[(MessageId, Heard)],
) -> Result<BTreeMap<String, MessageId>, Error> {
    let named: BTreeSet<String> = fresh.iter().filter_map(|(_, one)| one.quoted.clone()).collect();
    let found = meta_id::find(tx, named.into_iter().collect()).await?;
    Ok(found.into_iter().map(|row| (row.meta_id, MessageId::from_uuid(row.message_id))).collect())
}

/// What the messages mean for their conversations.
fn touches(
    fresh: &[(MessageId, Heard)],
    messages: &[Message],
    known: &People,
    people: &[&Person],
) -> Result<Vec<conversation::Touch>, Error> {
    let mut touches: BTreeMap<Uuid, conversation::Touch> = BTreeMap::new();
    for (((_, one), message), person) in fresh.iter().zip(messages).zip(people) {
        let id = message.conversation.uuid();
        let held = known
            .conversation(person)
            .map(conversation::Model::held_by)
            .transpose()?
            .unwrap_or_default();
        let holder = match one.side {
            Side::Customer => None,
            Side::Standby => Some(Holder::Mba).filter(|mba| *mba != held),
            Side::Phone => Some(held.clone().after_phone_app()).filter(|next| *next != held),
        };
        let at = one.at.as_micros();
        let touch = touches.entry(id).or_insert(conversation::Touch {
            id,
            last_message_us: 0,
            last_message_id: message.id.uuid(),
            last_inbound_us: 0,
            unread: 0,
            answered: false,
            holder_kind: None,
        });
        if at >= touch.last_message_us {
            touch.last_message_us = at;
            touch.last_message_id = message.id.uuid();
        }
        if one.opens_window {
            touch.last_inbound_us = touch.last_inbound_us.max(at);
            touch.unread += 1;
        }
        if let Some(holder) = holder {
            touch.holder_kind = Some(holder.kind().to_owned());
        }
        if one.side == Side::Phone {
            touch.answered = true;
            touch.unread = 0;
        }
    }
    Ok(touches.into_values().collect())
}

/// Meta told that customers changed number or user id: both lead to the same contact from now on.
async fn become_new(
    tx: &ScopedTx,
    senders: &BTreeMap<NumberId, Sender>,
    fresh: &[(MessageId, Heard)],
) -> Result<(), Error> {
    for (_, one) in fresh {
        let Some(new) = &one.becomes else { continue };
        let old = one.person(senders);
        let mut known = People::load(tx, &[&old]).await?;
        known.lead_to(tx, &old, new).await?;
    }
    Ok(())
}
