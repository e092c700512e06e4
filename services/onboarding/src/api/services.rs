//! What services ask of onboarding: the vault and snapshots. No user's reach is here: the request names tenant and thing.

use kernel::id::{Id, Kind};
use proto::onboarding::v1::{
    GetTokenRequest, GetTokenResponse, SnapshotPartnersRequest, SnapshotPartnersResponse,
    SnapshotTenantsRequest, SnapshotTenantsResponse, SnapshotWabasRequest, SnapshotWabasResponse,
    snapshot_service_server::SnapshotService, vault_service_server::VaultService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{app::App, error::Error, events};

/// Rows of a snapshot's page: what is meant by 0, and the most.
const PAGE: u32 = 500;
const LARGEST_PAGE: u32 = 1_000;

/// The vault and the snapshots.
#[derive(Clone)]
pub(crate) struct Services(pub(crate) App);

fn after<K: Kind>(text: &str) -> Result<Option<Uuid>, Status> {
    Ok(server::parse_optional_id::<K>("after_id", text)?.map(|id: Id<K>| id.uuid()))
}

fn limit(asked: u32) -> u64 {
    u64::from(kernel::page::page_size(asked, PAGE, LARGEST_PAGE))
}

#[tonic::async_trait]
impl VaultService for Services {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_id("tenant_id", &request.tenant_id)?;
        let waba = server::parse_id("waba_id", &request.waba_id)?;
        let found = self.0.token(tenant, waba).await?;
        Ok(Response::new(GetTokenResponse {
            token: found.secret.expose().to_owned(),
            app_id: found.app_id,
            generation: found.generation,
            expires_us: found.expires_us,
        }))
    }
}

#[tonic::async_trait]
impl SnapshotService for Services {
    async fn snapshot_tenants(
        &self,
        request: Request<SnapshotTenantsRequest>,
    ) -> Result<Response<SnapshotTenantsResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let after = after::<kernel::id::kind::Tenant>(&request.after_id)?;
        let rows =
            self.0.snapshot_tenants(after, limit(request.limit)).await.map_err(Error::Store)?;
        Ok(Response::new(SnapshotTenantsResponse {
            items: rows.iter().map(events::tenant).collect(),
        }))
    }

    async fn snapshot_wabas(
        &self,
        request: Request<SnapshotWabasRequest>,
    ) -> Result<Response<SnapshotWabasResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let after = after::<kernel::id::kind::Waba>(&request.after_id)?;
        let rows =
            self.0.snapshot_wabas(after, limit(request.limit)).await.map_err(Error::Store)?;
        Ok(Response::new(SnapshotWabasResponse { items: rows.iter().map(events::waba).collect() }))
    }

    async fn snapshot_partners(
        &self,
        request: Request<SnapshotPartnersRequest>,
    ) -> Result<Response<SnapshotPartnersResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let after = after::<kernel::id::kind::Partner>(&request.after_id)?;
        let rows =
            self.0.snapshot_partners(after, limit(request.limit)).await.map_err(Error::Store)?;
        Ok(Response::new(SnapshotPartnersResponse {
            items: rows.iter().map(events::partner).collect(),
        }))
    }
}
