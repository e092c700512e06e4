//! What all requests of a gateway share.

use std::sync::Arc;

use kernel::clock::WallClock;
use kernel::ids::Ids;
use server::{Peers, Security};
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::bearer::Bearer;
use crate::config::Settings;
use crate::graphql::{Persisted, Schema};

/// What all requests share. Nothing in it outlives the process, and nothing is lost with it.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) peers: Peers,
    pub(crate) security: Security,
    pub(crate) bearer: Bearer,
    pub(crate) admission: Admission,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) schema: SchemaHandle,
    pub(crate) persisted: Persisted,
    /// Sockets that are open; they end by themselves on a drain.
    pub(crate) sockets: TaskTracker,
}

/// The schema; a type of its own, since async-graphql's has no `Debug`.
pub(crate) struct SchemaHandle(pub(crate) Schema);

impl std::fmt::Debug for SchemaHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}
