//! Fills read models that were never filled: the queue is bound first, then the owner's snapshot is taken, and versions
//! make the overlap safe (DEL-12). A process that dies half-way goes on behind the last page.

use std::time::Duration;

use bus::{Bus, Consumer as _, GroupSpec};
use kernel::id::{TenantId, WabaId};
use proto::onboarding::v1::{
    SnapshotTenantsRequest, SnapshotWabasRequest, snapshot_service_client::SnapshotServiceClient,
};
use server::{PeerChannel, Peers};
use store::{Error, Shard, Uuid, purpose, readmodel};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    App,
    read_model::{self, GROUP, ReadModel, Row},
};

/// Rows of one page.
const PAGE: u32 = 500;
/// Pauses between two tries, growing between these.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a snapshot could not be taken; it is tried again.
#[derive(Debug, thiserror::Error)]
enum FillError {
    #[error("the owner did not answer: {0}")]
    Owner(#[from] Status),
    #[error("the group cannot be bound")]
    Bus(#[from] bus::BusError),
    #[error("a row of the snapshot is unusable: {0}")]
    Row(String),
    #[error("the snapshot could not be stored")]
    Store(#[from] Error),
}

/// Which list of the owner's.
#[derive(Debug, Clone, Copy)]
enum List {
    Tenants,
    Wabas,
}

impl List {
    const fn name(self) -> &'static str {
        match self {
            Self::Tenants => "onboarding.tenants",
            Self::Wabas => "onboarding.wabas",
        }
    }
}

impl App {
    /// Fills what was never filled, and tries until it is, or until `stop`.
    pub(crate) async fn fill(self, bus: &dyn Bus, peers: &Peers, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while let Some(filled) = stop.run_until_cancelled(self.fill_once(bus, peers)).await {
            let Err(error) = filled else { return };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the read models are not filled yet; trying again"
            );
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn fill_once(&self, bus: &dyn Bus, peers: &Peers) -> Result<(), FillError> {
        let spec = GroupSpec {
            service: "assets".to_owned(),
            group: GROUP.to_owned(),
            bindings: ReadModel(self.clone()).bindings(),
            prefetch: 1,
        };
        bus.subscribe(spec).await?.close().await;
        let owner = SnapshotServiceClient::new(peers.as_service("onboarding"));
        for list in [List::Tenants, List::Wabas] {
            let take = |after| self.take(owner.clone(), list, after);
            readmodel::fill(&self.store, list.name(), take).await?;
        }
        Ok(())
    }

    /// Keeps the page behind an id and answers its last one.
    async fn take(
        &self,
        owner: SnapshotServiceClient<PeerChannel>,
        list: List,
        after: Option<Uuid>,
    ) -> Result<Option<Uuid>, FillError> {
        let rows = page(owner, list, after).await?;
        self.keep_page(&rows).await?;
        Ok(rows.last().map(|row| match row {
            Row::Tenant(last) => last.tenant_id,
            Row::Waba(last) => last.waba_id,
        }))
    }

    async fn keep_page(&self, rows: &[Row]) -> Result<(), Error> {
        self.store
            .system(purpose::assets::READ_MODEL, Shard::ONLY, |tx| async move {
                read_model::keep(&tx, rows).await
            })
            .await?;
        self.changed(rows).await;
        Ok(())
    }
}

async fn page(
    mut owner: SnapshotServiceClient<PeerChannel>,
    list: List,
    after: Option<Uuid>,
) -> Result<Vec<Row>, FillError> {
    let rows: Result<Vec<Row>, String> = match list {
        List::Tenants => {
            let after_id = after.map(|id| TenantId::from_uuid(id).to_string()).unwrap_or_default();
            let request = SnapshotTenantsRequest { after_id, limit: PAGE };
            let items = owner.snapshot_tenants(request).await?.into_inner().items;
            items.iter().map(read_model::tenant).collect()
        }
        List::Wabas => {
            let after_id = after.map(|id| WabaId::from_uuid(id).to_string()).unwrap_or_default();
            let request = SnapshotWabasRequest { after_id, limit: PAGE };
            let items = owner.snapshot_wabas(request).await?.into_inner().items;
            items.into_iter().map(read_model::waba).collect()
        }
    };
    rows.map_err(FillError::Row)
}
