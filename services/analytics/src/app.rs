//! Use cases: count facts, keep read models, answer figures.

pub(crate) mod ingest;
pub(crate) mod measures;
pub(crate) mod read_model;
pub(crate) mod snapshot;

use std::sync::Arc;

use kernel::clock::Clock;
use store::Store;

/// What the use cases work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}
