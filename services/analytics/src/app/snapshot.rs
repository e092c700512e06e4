//! Fills read models that were never filled: the queue is bound first, then the owner's snapshot is taken, and versions
//! make the overlap safe (DEL-12). A process that dies half-way goes on behind the last page.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Consumer as _, GroupSpec};
use kernel::id::{TenantId, WabaId};
use net::health::Readiness;
use proto::onboarding::v1::{
    SnapshotTenantsRequest, SnapshotWabasRequest, snapshot_service_client::SnapshotServiceClient,
};
use server::{PeerChannel, Peers};
use store::{Error, Shard, purpose, readmodel};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::{
    App,
    read_model::{self, ReadModel, Row},
};

/// The service's name, on the bus too.
pub(crate) const SERVICE: &str = "analytics";
/// Rows of one page.
const PAGE: u32 = 500;
/// Names of the models in the table of progress.
const TENANTS: &str = "tenant";
const WABAS: &str = "waba";
/// What readiness calls this.
const PART: &str = "analytics.readmodel";
/// Pauses between tries, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Onboarding, asked for all that it holds.
type Owner = SnapshotServiceClient<PeerChannel>;
/// The last id of a page; none of an empty one.
type Last = Option<Uuid>;

/// Why a snapshot could not be taken; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the owner did not answer")]
    Owner(#[from] Status),
    #[error("a row of the snapshot is unusable: {0}")]
    Row(String),
    #[error("the queue could not be bound")]
    Bus(#[from] bus::BusError),
    #[error("the snapshot could not be stored")]
    Store(#[from] Error),
}

impl App {
    /// Fills what is not filled yet, until it is or until `stop`. A service that knows no WABA yet is not ready.
    pub(crate) async fn run_fill(
        self,
        peers: Peers,
        bus: Arc<dyn Bus>,
        readiness: Readiness,
        stop: CancellationToken,
    ) {
        readiness.waiting(PART, "tenants and WABAs were not taken from onboarding yet");
        let mut pause = FIRST_PAUSE;
        loop {
            match stop.run_until_cancelled(self.fill(&peers, &*bus)).await {
                None => return,
                Some(Ok(())) => return readiness.ready(PART),
                Some(Err(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the read models cannot be filled yet; trying again"
                ),
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn fill(&self, peers: &Peers, bus: &dyn Bus) -> Result<(), SnapshotError> {
        if self.complete(TENANTS).await? && self.complete(WABAS).await? {
            return Ok(());
        }
        let consumer = ReadModel(self.clone());
        let group = GroupSpec {
            service: SERVICE.to_owned(),
            group: consumer.group().to_owned(),
            bindings: consumer.bindings(),
            prefetch: 1,
        };
        bus.subscribe(group).await?.close().await;
        let owner = SnapshotServiceClient::new(peers.as_service(auth::Service::Onboarding));
        readmodel::fill(&self.store, TENANTS, |after| self.tenants(owner.clone(), after)).await?;
        readmodel::fill(&self.store, WABAS, |after| self.wabas(owner.clone(), after)).await
    }

    async fn complete(&self, model: &str) -> Result<bool, Error> {
        let progress = readmodel::progress(&self.store, model).await?;
        Ok(progress.is_some_and(|progress| progress.complete))
    }

    async fn tenants(&self, mut owner: Owner, after: Option<Uuid>) -> Result<Last, SnapshotError> {
        let after_id = after.map(|id| TenantId::from_uuid(id).to_string()).unwrap_or_default();
        let request = SnapshotTenantsRequest { after_id, limit: PAGE };
        let page = owner.snapshot_tenants(request).await?.into_inner().items;
        let last = page.last().map(|last| last.id.parse::<TenantId>()).transpose();
        let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
        self.keep_page(page.into_iter().map(read_model::tenant).collect()).await?;
        Ok(last.map(|id| id.uuid()))
    }

    async fn wabas(&self, mut owner: Owner, after: Option<Uuid>) -> Result<Last, SnapshotError> {
        let after_id = after.map(|id| WabaId::from_uuid(id).to_string()).unwrap_or_default();
        let request = SnapshotWabasRequest { after_id, limit: PAGE };
        let page = owner.snapshot_wabas(request).await?.into_inner().items;
        let last = page.last().map(|last| last.id.parse::<WabaId>()).transpose();
        let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
        self.keep_page(page.into_iter().map(read_model::waba).collect()).await?;
        Ok(last.map(|id| id.uuid()))
    }

    async fn keep_page(&self, rows: Result<Vec<Row>, String>) -> Result<(), SnapshotError> {
        let rows = &rows.map_err(SnapshotError::Row)?;
        self.store
            .system(purpose::analytics::READ_MODEL, Shard::ONLY, |tx| async move {
                read_model::keep(&tx, rows).await
            })
            .await
            .map_err(SnapshotError::Store)
    }
}
