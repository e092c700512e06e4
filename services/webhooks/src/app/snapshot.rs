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
use store::readmodel::{self, Progress};
use store::{Error, Shard, Uuid, purpose};
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
        if self.progress(WABAS).await?.complete && self.progress(NUMBERS).await?.complete {
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
        self.fill_wabas(peers).await?;
        self.fill_numbers(peers).await
    }

    async fn fill_wabas(&self, peers: &Peers) -> Result<(), SnapshotError> {
        let mut owner = OnboardingClient::new(peers.as_service(auth::Service::Onboarding));
        let mut progress = self.progress(WABAS).await?;
        while !progress.complete {
            let after_id = progress.after.map(|id| WabaId::from_uuid(id).to_string());
            let after_id = after_id.unwrap_or_default();
            let request = SnapshotWabasRequest { after_id, limit: PAGE };
            let page = owner.snapshot_wabas(request).await?.into_inner().items;
            let last = page.last().map(|last| last.id.parse::<WabaId>()).transpose();
            let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
            let rows = page.into_iter().map(read_model::of_waba).collect();
            progress = self.keep_page(WABAS, rows, last.map(|id| id.uuid()), progress).await?;
        }
        Ok(())
    }

    async fn fill_numbers(&self, peers: &Peers) -> Result<(), SnapshotError> {
        let mut owner = AssetsClient::new(peers.as_service(auth::Service::Assets));
        let mut progress = self.progress(NUMBERS).await?;
        while !progress.complete {
            let after_id = progress.after.map(|id| NumberId::from_uuid(id).to_string());
            let after_id = after_id.unwrap_or_default();
            let request = SnapshotNumbersRequest { after_id, limit: PAGE };
            let page = owner.snapshot_numbers(request).await?.into_inner().items;
            let last = page.last().map(|last| last.id.parse::<NumberId>()).transpose();
            let last = last.map_err(|error| SnapshotError::Row(error.to_string()))?;
            let rows = page.into_iter().map(read_model::of_number).collect();
            progress = self.keep_page(NUMBERS, rows, last.map(|id| id.uuid()), progress).await?;
        }
        Ok(())
    }

    async fn progress(&self, model: &str) -> Result<Progress, SnapshotError> {
        let none = Progress { after: None, complete: false, differences: 0 };
        Ok(readmodel::progress(&self.store, model).await?.unwrap_or(none))
    }

    /// Keeps a page and says how far that is; an empty page is the end.
    async fn keep_page(
        &self,
        model: &str,
        rows: Result<Vec<Row>, String>,
        last: Option<Uuid>,
        before: Progress,
    ) -> Result<Progress, SnapshotError> {
        let rows = &rows.map_err(SnapshotError::Row)?;
        self.store
            .system(purpose::webhooks::READ_MODEL, Shard::ONLY, |tx| async move {
                read_model::keep(&tx, rows).await
            })
            .await
            .map_err(SnapshotError::Store)?;
        self.known.notify_one();
        let progress =
            Progress { after: last.or(before.after), complete: last.is_none(), ..before };
        readmodel::advance(&self.store, model, &progress).await?;
        Ok(progress)
    }
}
