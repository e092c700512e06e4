//! Fills read models that were never filled: the queue is bound first, then the owners' snapshots are taken, and versions
//! make the overlap safe (DEL-12). A process that dies half-way goes on behind the last page.

use std::time::Duration;

use bus::{Bus, Consumer as _, GroupSpec};
use kernel::id::{NumberId, WabaId};
use proto::{
    assets::v1::{
        SnapshotNumbersRequest, snapshot_service_client::SnapshotServiceClient as AssetsClient,
    },
    onboarding::v1::{
        SnapshotWabasRequest, snapshot_service_client::SnapshotServiceClient as OnboardingClient,
    },
};
use server::Peers;
use store::{Error, Shard, Uuid, purpose, readmodel};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    App,
    read_model::{self, ReadModel, Row},
};

/// Rows of one page.
const PAGE: u32 = 500;
/// Names of the models in the table of progress.
const WABAS: &str = "waba";
const NUMBERS: &str = "number";
/// Pauses between tries, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

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
    /// Fills what is not filled yet, until it is or until `stop`.
    pub(crate) async fn run_fill(
        self,
        peers: Peers,
        bus: std::sync::Arc<dyn Bus>,
        stop: CancellationToken,
    ) {
        let mut pause = FIRST_PAUSE;
        while let Some(Err(error)) = stop.run_until_cancelled(self.fill(&peers, &*bus)).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the read models cannot be filled yet; trying again"
            );
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn fill(&self, peers: &Peers, bus: &dyn Bus) -> Result<(), SnapshotError> {
        if self.complete(WABAS).await? && self.complete(NUMBERS).await? {
            return Ok(());
        }
        let consumer = ReadModel(self.clone());
        let group = GroupSpec {
            service: "webhooks".to_owned(),
            group: consumer.group().to_owned(),
            bindings: consumer.bindings(),
            prefetch: 1,
        };
        bus.subscribe(group).await?.close().await;
        readmodel::fill(&self.store, WABAS, |after| self.wabas(peers, after)).await?;
        readmodel::fill(&self.store, NUMBERS, |after| self.numbers(peers, after)).await
    }

    async fn complete(&self, model: &str) -> Result<bool, Error> {
        let progress = readmodel::progress(&self.store, model).await?;
        Ok(progress.is_some_and(|progress| progress.complete))
    }

    async fn wabas(&self, peers: &Peers, after: Option<Uuid>) -> Result<Last, SnapshotError> {
        let mut owner = OnboardingClient::new(peers.as_service(auth::Service::Onboarding));
        let after_id = after.map(|id| WabaId::from_uuid(id).to_string()).unwrap_or_default();
        let request = SnapshotWabasRequest { after_id, limit: PAGE };
        let page = owner.snapshot_wabas(request).await?.into_inner().items;
        let last = page.last().map(|last| last.id.parse::<WabaId>()).transpose();
        let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
        self.keep_page(page.into_iter().map(read_model::of_waba).collect()).await?;
        Ok(last.map(|id| id.uuid()))
    }

    async fn numbers(&self, peers: &Peers, after: Option<Uuid>) -> Result<Last, SnapshotError> {
        let mut owner = AssetsClient::new(peers.as_service(auth::Service::Assets));
        let after_id = after.map(|id| NumberId::from_uuid(id).to_string()).unwrap_or_default();
        let request = SnapshotNumbersRequest { after_id, limit: PAGE };
        let page = owner.snapshot_numbers(request).await?.into_inner().items;
        let last = page.last().map(|last| last.id.parse::<NumberId>()).transpose();
        let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
        self.keep_page(page.into_iter().map(read_model::of_number).collect()).await?;
        Ok(last.map(|id| id.uuid()))
    }

    async fn keep_page(&self, rows: Result<Vec<Row>, String>) -> Result<(), SnapshotError> {
        let rows = &rows.map_err(SnapshotError::Row)?;
        self.store
            .system(purpose::webhooks::READ_MODEL, Shard::ONLY, |tx| async move {
                read_model::keep(&tx, rows).await
            })
            .await
            .map_err(SnapshotError::Store)?;
        self.known.notify_one();
        Ok(())
    }
}
