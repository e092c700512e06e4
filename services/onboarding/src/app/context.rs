//! What the use cases work with.

use std::sync::Arc;

use graph::GraphApp;
use kernel::{
    clock::{Clock, WallClock},
    ids::Ids,
    page::Cursors,
};
use meta::app::MetaApps;
use seal::Sealer;
use store::Store;

use crate::config::Config;

/// Everything that a use case may need; clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) graph: graph::Graph,
    pub(crate) apps: Arc<MetaApps>,
    /// Wakes the saga's worker in this process; another process's looks by itself.
    pub(crate) wake: Arc<tokio::sync::Notify>,
}

impl App {
    /// A configured Meta app by its id; the first one for an empty name.
    pub(crate) fn meta_app(&self, id: &str) -> Option<GraphApp> {
        let known = if id.is_empty() { self.apps.iter().next() } else { self.apps.get(id) };
        known.and_then(|app| self.graph.app(app.id.as_str()).ok())
    }
}
