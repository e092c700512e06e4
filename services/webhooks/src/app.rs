//! Use cases: append deliveries, route their elements, place the quarantine, keep read models, forget in time.

pub(crate) mod desk;
pub(crate) mod log;
pub(crate) mod place;
pub(crate) mod read_model;
pub(crate) mod retention;
pub(crate) mod route;
pub(crate) mod snapshot;
pub(crate) mod spread;

use std::sync::Arc;

use kernel::{
    clock::{Clock, WallClock},
    ids::Ids,
    page::Cursors,
};
use meta::app::MetaApps;
use store::Store;
use tokio::sync::Notify;

use crate::config::Config;

/// What the use cases work with; clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) apps: Arc<MetaApps>,
    /// Deliveries were committed; a wake-up that is lost costs a poll's pause.
    pub(crate) logged: Arc<Notify>,
    /// A WABA or a number became known.
    pub(crate) known: Arc<Notify>,
}
