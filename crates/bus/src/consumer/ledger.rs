//! A group's rows: how often an event failed, and its dead letters.
//!
//! The tables and their transactions are `store`'s; here stands what a consumer means by them: the reasons, and
//! how an envelope becomes a letter and one again.

use std::time::Duration;

use bytes::Bytes;
use kernel::id::EventId;
use kernel::time::Timestamp;
use store::deadletter::{self, DueLetter, NewDeadLetter};
use store::{Store, poison};
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::transport::Refused;

/// Stable words that say why an event is a dead letter.
pub(crate) mod reason {
    /// It failed five times.
    pub(crate) const POISON: &str = "poison";
    /// It waits for a row that is not there yet, or for its next try.
    pub(crate) const WAITING: &str = "waiting";
    /// It waited an hour for a row that never came.
    pub(crate) const UNKNOWN_AGGREGATE: &str = "unknown_aggregate";
    /// This build does not know its type; tried each hour.
    pub(crate) const UNKNOWN_TYPE: &str = "unknown_type";
    /// What it names belongs to another tenant.
    pub(crate) const SCOPE_MISMATCH: &str = "scope_mismatch";
    /// It is no event.
    pub(crate) const UNREADABLE: &str = "unreadable";
    /// It was not published by the service in its key.
    pub(crate) const FORGED: &str = "forged";
    /// The broker's backstop gave it up.
    pub(crate) const GIVEN_UP: &str = "given_up";
}

/// Why and until when an event is written down.
#[derive(Debug, Clone)]
pub(super) struct Burial {
    pub(super) reason: &'static str,
    detail: String,
    due_in: Option<Duration>,
}

impl Burial {
    /// For good, until a person acts.
    pub(super) fn dead(reason: &'static str, detail: &str) -> Self {
        Self { reason, detail: detail.to_owned(), due_in: None }
    }

    /// Tried again after a while.
    pub(super) fn waiting(reason: &'static str, detail: &str, due_in: Duration) -> Self {
        Self { reason, detail: detail.to_owned(), due_in: Some(due_in) }
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.due_in.is_none()
    }
}

pub(super) struct Ledger {
    store: Store,
    group: &'static str,
}

impl Ledger {
    pub(super) const fn new(store: Store, group: &'static str) -> Self {
        Self { store, group }
    }

    /// Counts one more try and answers how many there were; `None` where the group is done with the event.
    pub(super) async fn mark(&self, event: EventId) -> Result<Option<u32>, store::Error> {
        poison::count(&self.store, self.group, event).await
    }

    /// Forgets the counts of events that went through, or failed by no fault of theirs.
    pub(super) async fn clear(&self, events: &[EventId]) -> Result<(), store::Error> {
        poison::clear(&self.store, self.group, events).await
    }

    /// Writes an event down, with its inbox row.
    pub(super) async fn bury(
        &self,
        envelope: &Envelope,
        burial: &Burial,
    ) -> Result<(), store::Error> {
        let letter = NewDeadLetter {
            consumer: self.group.to_owned(),
            event: envelope.id,
            key: envelope.key.clone(),
            kind: envelope.kind.clone(),
            tenant: envelope.tenant,
            waba: envelope.waba,
            aggregate: envelope.aggregate,
            version: envelope.version,
            body: envelope.body.to_vec(),
            headers: envelope.headers(),
            reason: burial.reason.to_owned(),
            detail: Some(burial.detail.clone()),
            stack_hash: stack_hash(&burial.detail),
            contact: None,
            traceparent: envelope.traceparent.clone(),
            time: envelope.time(),
            due_in: burial.due_in,
        };
        deadletter::bury(&self.store, &letter).await
    }

    /// Writes down a message that is no event, under an id of our own.
    pub(super) async fn keep_refused(
        &self,
        refused: &Refused,
        reason: &str,
        detail: &str,
    ) -> Result<(), store::Error> {
        let now: Timestamp = self.store.now();
        let letter = NewDeadLetter {
            consumer: self.group.to_owned(),
            event: EventId::mint(&*self.store.ids(), now),
            key: refused.key.clone(),
            kind: String::new(),
            tenant: None,
            waba: None,
            aggregate: Uuid::nil(),
            version: 0,
            body: refused.body.to_vec(),
            headers: refused.headers.clone(),
            reason: reason.to_owned(),
            detail: Some(detail.to_owned()),
            stack_hash: None,
            contact: None,
            traceparent: None,
            time: now,
            due_in: None,
        };
        deadletter::bury(&self.store, &letter).await
    }

    /// Letters of the group whose time has come; nobody else sees them for a while.
    pub(super) async fn due(&self, limit: u64) -> Result<Vec<DueLetter>, store::Error> {
        deadletter::claim_due(&self.store, self.group, limit).await
    }

    /// A letter's effect has happened: it goes, and its count with it.
    pub(super) async fn done(&self, letter: &DueLetter) -> Result<(), store::Error> {
        deadletter::done(&self.store, letter).await
    }

    /// A letter's try failed.
    pub(super) async fn put_back(
        &self,
        letter: &DueLetter,
        next: &Next,
    ) -> Result<(), store::Error> {
        deadletter::failed(&self.store, letter, &next.reason, next.detail.as_deref(), next.due_in)
            .await
    }

    /// How long ago a letter was written, in business time.
    pub(super) fn waited(&self, letter: &DueLetter) -> Duration {
        self.store.now().since(letter.buried)
    }
}

/// What becomes of a letter whose try failed.
#[derive(Debug, Clone)]
pub(super) struct Next {
    pub(super) reason: String,
    pub(super) detail: Option<String>,
    pub(super) due_in: Option<Duration>,
}

/// The event in a letter; `None` where it must not be worked on.
pub(super) fn envelope(letter: &DueLetter) -> Option<Envelope> {
    let buried = &letter.letter;
    let body = Bytes::from(buried.body.clone());
    match buried.reason.as_str() {
        reason::FORGED => None,
        // What this build can read after all.
        reason::UNREADABLE => Envelope::from_parts(&buried.key, &buried.headers, body).ok(),
        _ => Some(Envelope {
            id: buried.event,
            key: buried.key.clone(),
            kind: buried.kind.clone(),
            tenant: buried.tenant,
            waba: buried.waba,
            aggregate: buried.aggregate,
            version: buried.version,
            body,
            traceparent: buried.traceparent.clone(),
        }),
    }
}

/// The hash in a panic's text, which tells one defect from another.
fn stack_hash(detail: &str) -> Option<String> {
    let (_, hash) = detail.split_once("panicked (")?;
    hash.split_once(')').map(|(hash, _)| hash.to_owned())
}
