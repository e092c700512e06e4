//! Messages as they move: first the state of what moved after the caller's cursor, from the database,
//! then each change as the tail of our own events tells it (DEL-10). A cursor is the id of a step, which
//! is its event's too. Around a reconnection an item may come twice, and none is missed: ids of two
//! processes do not commit in order, so the database is read from a little before the cursor on.
//!
//! Nothing durable hangs on the tail: a stream that falls behind ends with `resync`.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use auth::{Environment, Scope, TenantReach as _};
use bus::{Following, Heard, TailHub};
use futures::Stream;
use futures::stream;
use kernel::id::{ConversationId, EventId, MessageId, NumberId, TenantId, WabaId};
use kernel::page::{CursorScope, Cursors, filter_hash};
use proto::events::v1::{MessageReceived, MessageStepped};
use proto::messaging::v1 as pb;
use std::sync::Arc;
use store::Store;
use uuid::Uuid;

use crate::error::Error;
use crate::events;
use crate::rows::view::View;
use crate::rows::{message, step};

/// How far before the cursor the database is read.
const OVERLAP: Duration = Duration::from_secs(2);
/// Steps of a page.
const PAGE: u64 = 500;

/// Which messages a stream shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    /// Of one WABA.
    pub(crate) waba: Option<WabaId>,
    /// Of one number.
    pub(crate) number: Option<NumberId>,
    /// Of one conversation.
    pub(crate) conversation: Option<ConversationId>,
    /// One way alone.
    pub(crate) direction: Option<pb::Direction>,
}

impl Filter {
    fn shows(&self, message: &pb::Message) -> bool {
        let is = |wanted: Option<String>, given: &str| wanted.is_none_or(|wanted| wanted == given);
        is(self.waba.map(|id| id.to_string()), &message.waba_id)
            && is(self.number.map(|id| id.to_string()), &message.number_id)
            && is(self.conversation.map(|id| id.to_string()), &message.conversation_id)
            && self.direction.is_none_or(|wanted| wanted == message.direction())
    }
}

/// One item.
#[derive(Debug)]
pub(crate) enum Item {
    /// A message as it is, or was after the step.
    Moved {
        /// It.
        message: Box<pb::Message>,
        /// Where the stream stands.
        cursor: String,
    },
    /// The stream fell behind, and ends.
    Resync,
}

/// The marks of streams: one list whatever the filter, so that a cursor outlives a change of it.
#[derive(Debug, Clone)]
struct Marks {
    cursors: Arc<Cursors>,
    scope: CursorScope,
    hash: [u8; 32],
}

impl Marks {
    fn of(cursors: &Arc<Cursors>, tenant: TenantId) -> Self {
        Self {
            cursors: Arc::clone(cursors),
            scope: CursorScope::Tenant(tenant),
            hash: filter_hash("watch_messages", &[]),
        }
    }

    fn mark(&self, step: Uuid) -> String {
        self.cursors.encode(&self.scope, &self.hash, step)
    }

    fn read(&self, cursor: &str) -> Result<Uuid, Error> {
        Ok(self.cursors.decode(&self.scope, &self.hash, cursor)?)
    }
}

/// A little before a step: the first id of that instant.
fn before(step: Uuid) -> Uuid {
    let at = EventId::from_uuid(step).timestamp() - OVERLAP;
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}

struct Watching {
    store: Store,
    scope: Scope,
    marks: Marks,
    filter: Filter,
    /// Where the database is read from; none once it is read.
    from: Option<Uuid>,
    ready: VecDeque<Item>,
    following: Following,
    /// Which WABAs are of the caller's environment, as far as it was asked: none changes its own.
    seen: HashMap<WabaId, bool>,
    over: bool,
}

/// Opens a stream. The tail is followed before the database is read, so that nothing falls between.
pub(crate) fn watch(
    store: &Store,
    hub: &TailHub,
    cursors: &Arc<Cursors>,
    scope: &Scope,
    after: &str,
    filter: Filter,
) -> Result<impl Stream<Item = Result<Item, Error>> + Send + 'static, Error> {
    let (tenant, wabas) = scope.tenant_reach().map_err(|_| store::Error::NoTenant)?;
    let marks = Marks::of(cursors, tenant);
    let from = if after.is_empty() { None } else { Some(before(marks.read(after)?)) };
    let watching = Watching {
        store: store.clone(),
        scope: scope.clone(),
        marks,
        filter,
        from,
        ready: VecDeque::new(),
        following: hub.subscribe(tenant, wabas),
        seen: HashMap::new(),
        over: false,
    };
    Ok(stream::unfold(watching, |mut watching| async move {
        let item = watching.next().await?;
        Some((item, watching))
    }))
}

impl Watching {
    async fn next(&mut self) -> Option<Result<Item, Error>> {
        loop {
            if self.over {
                return None;
            }
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            if let Some(from) = self.from {
                if let Err(error) = self.read(from).await {
                    self.over = true;
                    return Some(Err(error));
                }
                continue;
            }
            match self.following.next().await {
                Some(Heard::Event(envelope)) => {
                    let told = match envelope.key.as_str() {
                        "messaging.message.stepped" => {
                            bus::decode::<MessageStepped>(&envelope).map(|event| event.message)
                        }
                        "messaging.message.received" => {
                            bus::decode::<MessageReceived>(&envelope).map(|event| event.message)
                        }
                        _ => continue,
                    };
                    let Ok(Some(message)) = told else { continue };
                    if !self.filter.shows(&message) {
                        continue;
                    }
                    match self.sees(&message.waba_id).await {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(error) => {
                            self.over = true;
                            return Some(Err(error));
                        }
                    }
                    let cursor = self.marks.mark(envelope.id.uuid());
                    return Some(Ok(Item::Moved { message: Box::new(message), cursor }));
                }
                Some(Heard::Resync) => {
                    self.over = true;
                    return Some(Ok(Item::Resync));
                }
                None => return None,
            }
        }
    }

    /// Whether a WABA is of the caller's environment: an event does not say.
    async fn sees(&mut self, waba: &str) -> Result<bool, Error> {
        let Ok(waba) = waba.parse::<WabaId>() else { return Ok(false) };
        if self.scope.environment() == Environment::Any {
            return Ok(true);
        }
        if let Some(seen) = self.seen.get(&waba) {
            return Ok(*seen);
        }
        let scope = &self.scope;
        let seen = self
            .store
            .read(scope, |tx| async move { Ok::<_, Error>(View::of(&tx, scope).has(waba).await?) })
            .await?;
        if let Some(seen) = seen {
            self.seen.insert(waba, seen);
        }
        Ok(seen.unwrap_or(false))
    }

    /// One page of what moved: each message once, as it is now, in the order of its last step.
    async fn read(&mut self, from: Uuid) -> Result<(), Error> {
        let scope = &self.scope;
        let (steps, messages) = self
            .store
            .read(scope, |tx| async move {
                let steps = step::after(&tx, from, PAGE).await?;
                let mut ids: Vec<MessageId> =
                    steps.iter().map(|step| MessageId::from_uuid(step.message_id)).collect();
                ids.sort_unstable();
                ids.dedup();
                let seen = View::of(&tx, scope).messages();
                let messages = message::among(seen, &ids).await?;
                Ok::<_, Error>((steps, messages))
            })
            .await?;
        self.from = steps.last().map(|last| last.id).filter(|_| steps.len() as u64 == PAGE);
        for message in messages {
            let last = steps.iter().rev().find(|step| step.message_id == message.id.uuid());
            let Some(last) = last else { continue };
            let told = events::message(&message);
            if self.filter.shows(&told) {
                let cursor = self.marks.mark(last.id);
                self.ready.push_back(Item::Moved { message: Box::new(told), cursor });
            }
        }
        let place = |item: &Item| match item {
            Item::Moved { cursor, .. } => self.marks.read(cursor).unwrap_or_default(),
            Item::Resync => Uuid::max(),
        };
        self.ready.make_contiguous().sort_by_key(place);
        Ok(())
    }
}
