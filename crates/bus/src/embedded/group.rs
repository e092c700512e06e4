//! A consumer group in memory: who holds what, and where the cursor stands.
//!
//! Members take turns in reading on, so an event is handed to one of them. What a member that went away had
//! not acknowledged goes to the others, marked as redelivered. What was in the log before this process started
//! and is not acknowledged may have been handed out by one that died, so it counts as redelivered too (DEL-6):
//! no mark has to be written before each batch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::Shared;
use super::log::{self, Command};
use super::recent::Placed;
use crate::key::Pattern;
use crate::transport::{BusError, Deliveries, Delivery};

/// How many events of the log are looked at in one go.
const SCAN: usize = 500;
/// How many events a cursor may pass over, none of them wanted, before it is written all the same.
const PASSED: i64 = 500;

pub(super) struct Group {
    pub(super) name: String,
    /// What its members want, for the row.
    bindings: String,
    state: Mutex<State>,
    /// One member reads on at a time.
    turn: tokio::sync::Mutex<()>,
    /// Something was returned.
    returned: Notify,
}

struct State {
    /// Next place to look at.
    next: i64,
    held: BTreeSet<i64>,
    returned: BTreeSet<i64>,
    /// What the cursor was when it was last sent to the writer.
    written: i64,
    /// Up to here it may have been handed out by a process that died.
    suspect: i64,
}

impl Group {
    /// A group whose cursor stands at `acked` in a log that ended at `suspect` when the process started.
    pub(super) fn new(name: String, bindings: String, acked: i64, suspect: i64) -> Self {
        let state = State {
            next: acked + 1,
            held: BTreeSet::new(),
            returned: BTreeSet::new(),
            written: acked,
            suspect,
        };
        Self {
            name,
            bindings,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            returned: Notify::new(),
        }
    }

    /// The cursor as it should be stored now.
    pub(super) fn cursor(&self) -> (String, i64) {
        (self.bindings.clone(), self.lock().acked())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything up to here is done with.
    fn acked(&self) -> i64 {
        let open = [self.held.first(), self.returned.first()].into_iter().flatten().min();
        open.map_or(self.next, |lowest| *lowest) - 1
    }

    /// The cursor, if it moved by at least `by` since it was last written.
    fn moved(&mut self, by: i64) -> Option<i64> {
        let acked = self.acked();
        (acked - self.written >= by).then(|| {
            self.written = acked;
            acked
        })
    }
}

pub(super) struct Member {
    shared: Arc<Shared>,
    group: Arc<Group>,
    patterns: Vec<Pattern>,
    prefetch: usize,
    held: BTreeSet<i64>,
}

impl Member {
    pub(super) fn new(
        shared: Arc<Shared>,
        group: Arc<Group>,
        patterns: Vec<Pattern>,
        prefetch: u16,
    ) -> Self {
        let prefetch = usize::from(prefetch).max(1);
        Self { shared, group, patterns, prefetch, held: BTreeSet::new() }
    }

    /// Events that others gave back, oldest first. Nothing is taken before the last `.await`, so a cancelled
    /// call loses none.
    async fn take_returned(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let places: Vec<i64> = self.group.lock().returned.iter().take(max).copied().collect();
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            found.extend(self.read(place, 1).await?);
        }
        let mut state = self.group.lock();
        let mut deliveries = Vec::with_capacity(found.len());
        for (place, envelope) in found {
            // Another member may have been quicker while we read.
            if state.returned.remove(&place) {
                state.held.insert(place);
                self.held.insert(place);
                let event = Ok((*envelope).clone());
                deliveries.push(Delivery { event, redelivered: true, given_up: false });
            }
        }
        Ok(deliveries)
    }

    /// Reads on from the group's place; empty when nothing up to `seen` is wanted.
    async fn take_new(&mut self, max: usize, seen: i64) -> Result<Vec<Delivery>, BusError> {
        let group = Arc::clone(&self.group);
        let _turn = group.turn.lock().await;
        let next = group.lock().next;
        let scanned = self.read(next, SCAN).await?;
        let Some(last) = scanned.last().map(|(place, _)| *place) else {
            // What was there has been trimmed, so nobody needs it.
            let mut state = group.lock();
            state.next = state.next.max(seen + 1);
            return Ok(Vec::new());
        };
        let mut wanted: Vec<Placed> = scanned
            .into_iter()
            .filter(|(_, envelope)| self.patterns.iter().any(|p| p.matches(&envelope.key)))
            .collect();
        let rest = wanted.get(max).map(|(place, _)| *place);
        wanted.truncate(max);
        let mut state = group.lock();
        state.next = rest.unwrap_or(last + 1);
        let mut deliveries = Vec::with_capacity(wanted.len());
        for (place, envelope) in wanted {
            state.held.insert(place);
            self.held.insert(place);
            deliveries.push(Delivery {
                event: Ok((*envelope).clone()),
                redelivered: place <= state.suspect,
                given_up: false,
            });
        }
        let passed = state.moved(PASSED);
        drop(state);
        self.tell(passed);
        Ok(deliveries)
    }

    async fn read(&self, from: i64, limit: usize) -> Result<Vec<Placed>, BusError> {
        match self.shared.recent.from(from, limit) {
            Some(events) => Ok(events),
            None => Ok(log::read(&self.shared.store, from, limit).await?),
        }
    }

    /// Sends the cursor to the writer if there is room; a cursor that is written late only makes events come
    /// again after a crash.
    fn tell(&self, cursor: Option<i64>) {
        let Some(acked) = cursor else { return };
        let (name, bindings) = (self.group.name.clone(), self.group.bindings.clone());
        let command = Command::Cursor { name, bindings, acked, done: None };
        if self.shared.commands.try_send(command).is_err() {
            tracing::debug!("the log's writer is busy; the cursor is written later");
        }
    }

    fn give_back(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let mut state = self.group.lock();
        for place in std::mem::take(&mut self.held) {
            state.held.remove(&place);
            state.returned.insert(place);
        }
        drop(state);
        self.group.returned.notify_waiters();
    }
}

#[async_trait]
impl Deliveries for Member {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut head = self.shared.head.subscribe();
        let group = Arc::clone(&self.group);
        loop {
            // Both are armed before the look, so that nothing is missed between look and wait.
            let returned = group.returned.notified();
            tokio::pin!(returned);
            returned.as_mut().enable();
            let seen = *head.borrow_and_update();
            let room = max.min(self.prefetch.saturating_sub(self.held.len()));
            if room > 0 {
                let again = self.take_returned(room).await?;
                if !again.is_empty() {
                    return Ok(again);
                }
                let fresh = self.take_new(room, seen).await?;
                if !fresh.is_empty() {
                    return Ok(fresh);
                }
                if group.lock().next <= seen {
                    continue; // what was looked at was not for us; there is more
                }
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() {
                    return Err(BusError::Closed("the embedded bus was closed".to_owned()));
                },
                () = returned => {}
            }
        }
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        let mut state = self.group.lock();
        for place in std::mem::take(&mut self.held) {
            state.held.remove(&place);
        }
        let moved = state.moved(1);
        drop(state);
        self.tell(moved);
        Ok(())
    }

    async fn close(mut self: Box<Self>) {
        self.give_back();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.give_back();
    }
}
