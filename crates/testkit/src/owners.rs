//! Onboarding and assets as a service meets them that asks for all they hold: played, page by page of one.

use proto::{assets::v1 as assets, onboarding::v1 as onboarding};
use server::Service;
use tonic::{Request, Response, Status};

/// What the owners answer when they are asked for all; ordered by id.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// Onboarding's tenants.
    pub tenants: Vec<onboarding::Tenant>,
    /// Onboarding's WABAs.
    pub wabas: Vec<onboarding::Waba>,
    /// Assets' numbers.
    pub numbers: Vec<assets::Number>,
}

fn next<T: Clone>(all: &[T], id: impl Fn(&T) -> &String, after: &String) -> Vec<T> {
    all.iter().filter(|one| id(one) > after).take(1).cloned().collect()
}

impl Owners {
    /// They play onboarding.
    pub fn onboarding(self) -> Service {
        let part = onboarding::snapshot_service_server::SnapshotServiceServer::new(self);
        Service::new("onboarding").grpc(server::sized!(part))
    }

    /// They play assets.
    pub fn assets(self) -> Service {
        let part = assets::snapshot_service_server::SnapshotServiceServer::new(self);
        Service::new("assets").grpc(server::sized!(part))
    }
}

#[tonic::async_trait]
impl onboarding::snapshot_service_server::SnapshotService for Owners {
    async fn snapshot_tenants(
        &self,
        request: Request<onboarding::SnapshotTenantsRequest>,
    ) -> Result<Response<onboarding::SnapshotTenantsResponse>, Status> {
        let items = next(&self.tenants, |tenant| &tenant.id, &request.get_ref().after_id);
        Ok(Response::new(onboarding::SnapshotTenantsResponse { items }))
    }

    async fn snapshot_wabas(
        &self,
        request: Request<onboarding::SnapshotWabasRequest>,
    ) -> Result<Response<onboarding::SnapshotWabasResponse>, Status> {
        let items = next(&self.wabas, |waba| &waba.id, &request.get_ref().after_id);
        Ok(Response::new(onboarding::SnapshotWabasResponse { items }))
    }

    async fn snapshot_partners(
        &self,
        _: Request<onboarding::SnapshotPartnersRequest>,
    ) -> Result<Response<onboarding::SnapshotPartnersResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

#[tonic::async_trait]
impl assets::snapshot_service_server::SnapshotService for Owners {
    async fn snapshot_numbers(
        &self,
        request: Request<assets::SnapshotNumbersRequest>,
    ) -> Result<Response<assets::SnapshotNumbersResponse>, Status> {
        let items = next(&self.numbers, |number| &number.id, &request.get_ref().after_id);
        Ok(Response::new(assets::SnapshotNumbersResponse { items }))
    }

    async fn snapshot_templates(
        &self,
        _: Request<assets::SnapshotTemplatesRequest>,
    ) -> Result<Response<assets::SnapshotTemplatesResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}
