//! The dispatcher: takes numbers that have work, claims their messages, and puts them on the wire in a
//! fair order at the pace that Meta allows.
//!
//! Two steps, both in the row (DEL-1): a claim without a POST, and just before the wire a mark with its
//! attempt. The lease of a number protects its rate; that no message is posted twice rests on the row's
//! compare-and-set (I2). Dies in the middle: claimed rows go back to the queue, and at most as many as
//! there are slots are `sending` with an outcome that a webhook or the deadline settles.

mod engine;
mod number;
mod post;
mod takeover;

use std::sync::Arc;

use graph::{Graph, TokenSource};
use kernel::clock::Clock;
use meta::GraphError;
use store::Store;
use tokio::sync::Notify;

use crate::config::Config;
use crate::domain::message::MetaError;

pub(crate) use engine::run;

/// What dispatching needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    /// The store, with its lanes.
    pub(crate) store: Store,
    /// Business time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Meta.
    pub(crate) graph: Graph,
    /// Access tokens.
    pub(crate) tokens: Arc<dyn TokenSource>,
    /// Settings.
    pub(crate) config: Config,
    /// Told when something was accepted in this process.
    pub(crate) wake: Arc<Notify>,
}

/// Meta's error out of an answer.
pub(crate) fn meta_error(error: &GraphError) -> MetaError {
    MetaError {
        code: error.code,
        subcode: error.subcode,
        title: error.explain().map(|known| known.title.to_owned()).unwrap_or_default(),
        message: error.message.clone(),
        details: error.details.clone().unwrap_or_default(),
        fbtrace_id: error.fbtrace_id.clone().unwrap_or_default(),
    }
}
