//! The last look before the wire: in one commit the claim is checked, everything that may have changed
//! since accept is judged again, and what goes out is marked `sending` with its attempt (DEL-1, I3).
//!
//! Dies after the commit: the message is `sending`, and its outcome unknown until a webhook or the
//! deadline settles it. Dies before: it is still claimed, and goes back to the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kernel::id::{MessageId, NumberId};
use kernel::time::Timestamp;
use meta::template::TemplateStatus;
use serde_json::Value;
use store::{Lane, ScopedTx};
use uuid::Uuid;

use crate::app::pen::{Note, Pen};
use crate::domain::contact::Unwanted;
use crate::domain::conversation::{Window, judge};
use crate::domain::message::{
    Deadlines, Dispatch, Failure, LocalReason, Message, MessageStatus, MetaError, Outbound,
    StepName, Word, payload,
};
use crate::domain::sender::Sender;
use crate::error::Error;
use crate::rows::{attempt, contact, conversation, message, sender, template_state};

/// How long a message waits that its sender holds back, before it is looked at again.
const HELD: Duration = Duration::from_secs(15);
/// How long a message waits whose quoted message has no id of Meta's yet.
const QUOTE_WAIT: Duration = Duration::from_secs(1);

/// The lane of marks.
#[derive(Debug, Clone)]
pub(crate) struct MarkLane {
    /// Deadlines by category.
    pub(crate) deadlines: Deadlines,
}

/// A claimed message whose turn has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Which.
    pub(crate) message: MessageId,
    /// Under which fencing token it was claimed.
    pub(crate) fence: i64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Marked {
    /// Marked: post it, now.
    Go(Box<Ready>),
    /// Back in the queue, for later.
    NotYet,
    /// Over, or not ours any more.
    Over,
}

/// A message that is marked.
#[derive(Debug)]
pub(crate) struct Ready {
    /// As it stands now.
    pub(crate) message: Message,
    /// What Meta gets.
    pub(crate) payload: Value,
    /// Meta's phone number id.
    pub(crate) number_meta_id: String,
    /// Our name of the Meta app.
    pub(crate) app: String,
}

/// What the batch reads.
struct Known {
    now: Timestamp,
    senders: BTreeMap<NumberId, Sender>,
    conversations: BTreeMap<Uuid, conversation::Model>,
    contacts: BTreeMap<Uuid, contact::Model>,
    templates: BTreeMap<Uuid, template_state::Model>,
    quoted: BTreeMap<Uuid, message::Quoted>,
}

enum Judged {
    Go(Value),
    Wait(Timestamp, &'static str),
    Fail(LocalReason),
    Expired,
}

impl Lane for MarkLane {
    type Item = Mark;
    type Answer = Marked;
    type Error = Error;

    async fn run(
        &self,
        tx: ScopedTx,
        marks: Vec<Mark>,
    ) -> Result<Vec<Result<Marked, Error>>, Error> {
        let ids: Vec<MessageId> = marks.iter().map(|mark| mark.message).collect();
        let mut claimed: BTreeMap<MessageId, Message> = message::lock(&tx, &ids)
            .await?
            .into_iter()
            .map(|message| (message.id, message))
            .collect();
        // The compare-and-set on which I2 rests: another dispatcher, a cancel or an expiry was faster.
        claimed.retain(|id, message| {
            let ours = |mark: &&Mark| mark.message == *id;
            message.outbound().is_some_and(|outbound| {
                outbound.dispatch == Dispatch::Claimed
                    && marks.iter().find(ours).is_some_and(|mark| mark.fence == outbound.fence)
            })
        });
        let known = Known::load(&tx, claimed.values()).await?;
        let mut pen = Pen::new(&tx);
        let mut changed = Vec::with_capacity(claimed.len());
        let mut marked = BTreeMap::new();
        for (id, mut message) in claimed {
            let judged = known.judge(&message)?;
            let answer = self.carry_out(&known, &mut message, judged, &mut pen);
            marked.insert(id, answer);
            changed.push(message);
        }
        message::change(&tx, &mut changed).await?;
        let going: Vec<&Message> = changed
            .iter()
            .filter(|message| matches!(marked.get(&message.id), Some(Some(_))))
            .collect();
        attempt::start(&tx, &going, known.now).await?;
        pen.write().await?;
        let mut answers = BTreeMap::new();
        for message in changed {
            let id = message.id;
            let queued = message.outbound().is_some_and(|one| one.dispatch == Dispatch::Queued);
            let answer = match marked.remove(&id).flatten() {
                Some(payload) => {
                    let sender = known.senders.get(&message.number);
                    Marked::Go(Box::new(Ready {
                        payload,
                        number_meta_id: sender.map(|one| one.meta_id.clone()).unwrap_or_default(),
                        app: sender.map(|one| one.app.clone()).unwrap_or_default(),
                        message,
                    }))
                }
                None if queued => Marked::NotYet,
                None => Marked::Over,
            };
            answers.insert(id, answer);
        }
        Ok(ids.iter().map(|id| Ok(answers.remove(id).unwrap_or(Marked::Over))).collect())
    }
}

impl MarkLane {
    /// Changes a message as it was judged; answers what to post, where it goes out.
    fn carry_out(
        &self,
        known: &Known,
        message: &mut Message,
        judged: Judged,
        pen: &mut Pen<'_>,
    ) -> Option<Value> {
        let now = known.now;
        let outbound = message.outbound_mut()?;
        match judged {
            Judged::Go(payload) => {
                outbound.dispatch = Dispatch::Sending;
                outbound.attempts += 1;
                outbound.deadline = Some(self.deadlines.unknown_until(&outbound.category, now));
                pen.note(message, Note::plain(StepName::Sending, now));
                Some(payload)
            }
            Judged::Wait(due, why) => {
                outbound.requeue(due.max(now), false);
                // A message that waits for long is told of once a wait, and waits no shorter than seconds.
                pen.note(message, Note::plain(StepName::Requeued, now).with_detail(why));
                None
            }
            Judged::Fail(reason) => {
                let error = refusal(reason);
                outbound.fail(Failure::Local(reason), error.clone(), now);
                let note = Note::plain(StepName::Failed, now).with_detail(reason.as_str());
                pen.note(message, note.with_error(error));
                None
            }
            Judged::Expired => {
                expire(outbound, now);
                pen.note(message, Note::plain(StepName::Expired, now));
                None
            }
        }
    }
}

/// A message whose time is over before it left.
pub(crate) fn expire(outbound: &mut Outbound, now: Timestamp) {
    outbound.dispatch = Dispatch::Expired;
    let status = MessageStatus::Failed(Failure::Local(LocalReason::Expired));
    outbound.hear(&Word { status, at: now, error: None });
    outbound.deadline = None;
}

/// Our refusal with the code that Meta has for the same.
fn refusal(reason: LocalReason) -> Option<MetaError> {
    let code = reason.meta_code()?;
    let known = meta::error::explain(code);
    Some(MetaError {
        code,
        title: known.map(|known| known.title.to_owned()).unwrap_or_default(),
        details: reason.as_str().to_owned(),
        ..MetaError::default()
    })
}

impl Known {
    async fn load(
        tx: &ScopedTx,
        messages: impl Iterator<Item = &Message> + Clone + Send,
    ) -> Result<Self, Error> {
        let numbers: BTreeSet<NumberId> = messages.clone().map(|one| one.number).collect();
        let ids = |of: fn(&Message) -> Option<Uuid>| -> Vec<Uuid> {
            messages.clone().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let numbers: Vec<NumberId> = numbers.into_iter().collect();
        let senders = sender::load(tx, &numbers).await?;
        let found = conversation::by_id(tx, ids(|one| Some(one.conversation.uuid()))).await?;
        let conversations = found.into_iter().map(|row| (row.id, row)).collect();
        let found = contact::by_id(tx, ids(|one| Some(one.contact.uuid()))).await?;
        let contacts = found.into_iter().map(|row| (row.id, row)).collect();
        let templates =
            ids(|one| one.outbound().and_then(|outbound| outbound.template).map(|id| id.uuid()));
        let found = template_state::by_id(tx, templates).await?;
        let templates = found.into_iter().map(|row| (row.id, row)).collect();
        let quoted = ids(|one| one.context.map(|id| id.uuid()));
        let quoted: Vec<MessageId> = quoted.into_iter().map(MessageId::from_uuid).collect();
        let found = message::quoted(tx, &quoted).await?;
        let quoted = found.into_iter().map(|row| (row.id, row)).collect();
        Ok(Self { now: tx.now(), senders, conversations, contacts, templates, quoted })
    }

    /// Judges again what may have changed since accept (reliability: races).
    fn judge(&self, message: &Message) -> Result<Judged, Error> {
        let Some(outbound) = message.outbound() else {
            return Err(store::Error::bad_row("message", "an inbound one was claimed").into());
        };
        if outbound.expires <= self.now {
            return Ok(Judged::Expired);
        }
        let Some(sender) = self.senders.get(&message.number) else {
            return Ok(Judged::Fail(LocalReason::NumberNotSendable));
        };
        if sender.holds_back(self.now).is_some() {
            return Ok(Judged::Wait(self.now + HELD, "the sender is held back"));
        }
        if outbound.class.stops_on_spam_limit()
            && let Some(until) = sender.marketing_held_until.filter(|until| *until > self.now)
        {
            return Ok(Judged::Wait(until, "marketing of the number is held back (131048)"));
        }
        let contact = self.contacts.get(&message.contact.uuid());
        let consent = contact.map(contact::Model::consent).unwrap_or_default();
        match consent.refuses(&outbound.category, sender.opt_in, self.now) {
            Some(Unwanted::OptedOut) => return Ok(Judged::Fail(LocalReason::OptedOut)),
            Some(Unwanted::NotOptedIn) => return Ok(Judged::Fail(LocalReason::NotOptedIn)),
            None => {}
        }
        if let Some(template) = outbound.template {
            let sendable = self.templates.get(&template.uuid()).is_some_and(|template| {
                !template.deleted && TemplateStatus::parse(&template.status).is_sendable()
            });
            if !sendable {
                return Ok(Judged::Fail(LocalReason::TemplateNotSendable));
            }
        } else {
            let conversation = self.conversations.get(&message.conversation.uuid());
            let last = conversation.and_then(conversation::Model::last_inbound);
            if judge(self.now, last, sender.heard_since()) == Window::Closed {
                return Ok(Judged::Fail(LocalReason::WindowClosed));
            }
        }
        let quoted = match self.quote(message) {
            Ok(quoted) => quoted,
            Err(judged) => return Ok(judged),
        };
        match payload(message, quoted) {
            Ok(payload) => Ok(Judged::Go(payload)),
            Err(error) => {
                tracing::error!(message.id = %message.id, %error, "a stored message cannot be sent");
                Ok(Judged::Fail(LocalReason::Unreadable))
            }
        }
    }

    /// Meta's id of what a message quotes, or why there is none.
    fn quote<'a>(&'a self, message: &'a Message) -> Result<Option<&'a str>, Judged> {
        let Some(ours) = message.context else { return Ok(message.context_meta_id.as_deref()) };
        let failed = Judged::Fail(LocalReason::QuotedFailed);
        let quoted = self.quoted.get(&ours.uuid()).ok_or(failed)?;
        match (&quoted.meta_id, quoted.status.as_str()) {
            (Some(meta_id), _) => Ok(Some(meta_id)),
            (None, "failed") => Err(Judged::Fail(LocalReason::QuotedFailed)),
            (None, _) => Err(Judged::Wait(
                self.now + QUOTE_WAIT,
                "the quoted message has no id of Meta's yet",
            )),
        }
    }
}
