//! Takes tenants and partners from their owner: all of them once, after the queue is bound, and a
//! single one that somebody names before its event has come. Versions make any overlap safe.

use bus::{BusError, GroupSpec};
use kernel::id::{PartnerId, TenantId};
use proto::onboarding::v1::snapshot_service_client::SnapshotServiceClient;
use proto::onboarding::v1::{SnapshotPartnersRequest, SnapshotTenantsRequest};
use server::Peers;
use store::readmodel::{self, Progress};
use store::{Shard, Uuid, purpose};
use tonic::Status;

use super::App;
use super::read_model::{self, Row};
use crate::domain::place::Place;
use crate::error::Error;

/// Name of the progress row.
const NAME: &str = "onboarding.registry";
/// Rows of one page.
const PAGE: u32 = 500;

/// Why a snapshot could not be taken; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the owner did not answer")]
    Owner(#[from] Status),
    #[error("a row of the snapshot is unusable: {0}")]
    Row(String),
    #[error("the queue could not be bound")]
    Bus(#[from] BusError),
    #[error("the snapshot could not be stored")]
    Store(#[from] store::Error),
}

/// The id before this one: a snapshot after it starts with this one.
fn before(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}

impl App {
    /// Fills the copies, once in the life of a database.
    pub(crate) async fn fill(
        &self,
        bus: &dyn bus::Bus,
        peers: &Peers,
    ) -> Result<(), SnapshotError> {
        let progress = readmodel::progress(&self.store, NAME).await?;
        if progress.is_some_and(|progress| progress.complete) {
            return Ok(());
        }
        // Bound first: what changes after a page was taken comes by event.
        let group = bus.subscribe(GroupSpec {
            service: "identity".to_owned(),
            group: read_model::GROUP.to_owned(),
            bindings: read_model::bindings(),
            prefetch: 1,
        });
        group.await?.close().await;
        let mut owner = SnapshotServiceClient::new(peers.as_service("onboarding"));
        let mut after_id = String::new();
        loop {
            let request = SnapshotPartnersRequest { after_id: after_id.clone(), limit: PAGE };
            let page = owner.snapshot_partners(request).await?.into_inner().items;
            let Some(last) = page.last() else { break };
            after_id.clone_from(&last.id);
            self.keep_page(page.into_iter().map(read_model::of_partner).collect()).await?;
        }
        after_id.clear();
        loop {
            let request = SnapshotTenantsRequest { after_id: after_id.clone(), limit: PAGE };
            let page = owner.snapshot_tenants(request).await?.into_inner().items;
            let Some(last) = page.last() else { break };
            after_id.clone_from(&last.id);
            self.keep_page(page.into_iter().map(read_model::of_tenant).collect()).await?;
        }
        let done = Progress { after: None, complete: true, differences: 0 };
        Ok(readmodel::advance(&self.store, NAME, &done).await?)
    }

    async fn keep_page(&self, rows: Result<Vec<Row>, String>) -> Result<(), SnapshotError> {
        let rows = &rows.map_err(SnapshotError::Row)?;
        self.store
            .system(purpose::identity::READ_MODEL, Shard::ONLY, |tx| async move {
                self.keep_rows(&tx, rows).await
            })
            .await
            .map_err(SnapshotError::Store)
    }

    /// Asks the owner for a tenant or partner that is not known here: a person may be added right
    /// after their tenant was made. An owner that is away leaves it unknown.
    pub(crate) async fn look_up(&self, peers: &Peers, place: Place) -> Result<(), Error> {
        let unknown = match place {
            Place::Tenant(tenant) => !self.knows_tenant(tenant).await?,
            Place::Partner(partner) => !self.knows_partner(partner).await?,
            Place::Bsp => false,
        };
        if !unknown {
            return Ok(());
        }
        match self.ask(peers, place).await {
            Ok(()) => Ok(()),
            Err(SnapshotError::Store(error)) => Err(error.into()),
            Err(
                error @ (SnapshotError::Owner(_) | SnapshotError::Row(_) | SnapshotError::Bus(_)),
            ) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a copy was not taken");
                Ok(())
            }
        }
    }

    async fn ask(&self, peers: &Peers, place: Place) -> Result<(), SnapshotError> {
        let mut owner = SnapshotServiceClient::new(peers.as_service("onboarding"));
        match place {
            Place::Tenant(id) => {
                let after_id = TenantId::from_uuid(before(id.uuid())).to_string();
                let request = SnapshotTenantsRequest { after_id, limit: 1 };
                let mut page = owner.snapshot_tenants(request).await?.into_inner().items;
                page.retain(|tenant| tenant.id == id.to_string());
                self.keep_page(page.into_iter().map(read_model::of_tenant).collect()).await
            }
            Place::Partner(id) => {
                let after_id = PartnerId::from_uuid(before(id.uuid())).to_string();
                let request = SnapshotPartnersRequest { after_id, limit: 1 };
                let mut page = owner.snapshot_partners(request).await?.into_inner().items;
                page.retain(|partner| partner.id == id.to_string());
                self.keep_page(page.into_iter().map(read_model::of_partner).collect()).await
            }
            Place::Bsp => Ok(()),
        }
    }
}
