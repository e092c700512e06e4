//! One number in the hands of this process: its lease, what is claimed of it, and its pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::Acting;
use kernel::id::MessageId;
use store::lease::Lease;
use uuid::Uuid;

use crate::domain::dispatch::{Lineup, Pairs, Throughput};
use crate::domain::sender::Sender;

/// How fast a number and its pairs may go: shared with the sends under way, which hear Meta's word first.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Mutex<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    /// The number.
    pub(super) throughput: Throughput,
    /// Its pairs.
    pub(super) pairs: Pairs,
}

impl Pace {
    /// A pace of so many a second.
    pub(super) fn new(mps: u32) -> Self {
        let inner = Inner { throughput: Throughput::new(mps), pairs: Pairs::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Looks at it. Never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claimed message in its line.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Which.
    pub(super) message: MessageId,
    /// To act for its tenant and WABA.
    pub(super) acting: Acting,
    /// To whom.
    pub(super) counterpart: String,
}

/// A number that this process holds.
#[derive(Debug)]
pub(super) struct Held {
    /// What is known of it.
    pub(super) sender: Sender,
    /// Its lease.
    pub(super) lease: Lease,
    /// What is claimed.
    pub(super) lineup: Lineup<Waiting>,
    /// Its pace.
    pub(super) pace: Pace,
    /// Sends under way.
    pub(super) under_way: usize,
    /// Whether there may be more in the table than is claimed.
    pub(super) more: bool,
    /// Whether it is given up once its sends have ended: some of its messages may be claimed and in
    /// nobody's hand, and only the holder of the next token gives those back.
    pub(super) leaving: bool,
}

impl Held {
    /// Whether nothing of it is in hand.
    pub(super) fn is_idle(&self) -> bool {
        self.lineup.is_empty() && self.under_way == 0
    }

    /// Nothing more of it is sent under this lease.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.lineup.drain();
    }

    /// Whether this process is done with it: its lease ended while nobody looked, or it left.
    pub(super) fn is_over(&self) -> bool {
        !self.lease.is_live() || (self.leaving && self.under_way == 0)
    }
}

/// A message that goes back to the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deferred {
    /// Which.
    pub(super) message: Uuid,
    /// Under which fencing token it was claimed.
    pub(super) fence: i64,
    /// How long it waits.
    pub(super) wait: Duration,
}
