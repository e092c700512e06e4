//! The newest events of the log in memory, so that members who keep up read no database.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::envelope::Envelope;

/// How many events are kept.
const KEPT: usize = 2_048;
/// How many bytes of bodies are kept at most.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// An event with its place in the log.
pub(super) type Placed = (i64, Arc<Envelope>);

pub(super) struct Recent(Mutex<Ring>);

struct Ring {
    /// Everything behind this place, up to the newest event, is here.
    since: i64,
    bytes: usize,
    events: VecDeque<Placed>,
}

impl Recent {
    pub(super) fn new(head: i64) -> Self {
        Self(Mutex::new(Ring { since: head, bytes: 0, events: VecDeque::new() }))
    }

    /// Takes in what was just committed, in the log's order.
    pub(super) fn add(&self, events: &[Placed]) {
        let mut ring = self.lock();
        for (place, envelope) in events {
            ring.bytes += envelope.body.len();
            ring.events.push_back((*place, Arc::clone(envelope)));
        }
        while ring.events.len() > KEPT || ring.bytes > KEPT_BYTES {
            let Some((place, oldest)) = ring.events.pop_front() else { break };
            ring.bytes -= oldest.body.len();
            ring.since = place;
        }
    }

    /// At most `limit` events from `from` on; `None` where that reaches further back than is kept.
    pub(super) fn from(&self, from: i64, limit: usize) -> Option<Vec<Placed>> {
        let ring = self.lock();
        if from <= ring.since {
            return None;
        }
        let start = ring.events.partition_point(|(place, _)| *place < from);
        Some(ring.events.iter().skip(start).take(limit).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
