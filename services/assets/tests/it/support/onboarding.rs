//! The onboarding service that a test plays: its vault and its snapshots.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use kernel::id::{TenantId, WabaId};
use proto::onboarding::v1::{
    GetTokenRequest, GetTokenResponse, SnapshotPartnersRequest, SnapshotPartnersResponse,
    SnapshotTenantsRequest, SnapshotTenantsResponse, SnapshotWabasRequest, SnapshotWabasResponse,
    Tenant, Waba, snapshot_service_server::SnapshotService, vault_service_server::VaultService,
};
use store::Uuid;
use tonic::{Request, Response, Status};

/// What the test's onboarding knows.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) tenants: BTreeMap<Uuid, Tenant>,
    pub(crate) wabas: BTreeMap<Uuid, Waba>,
    pub(crate) tokens: BTreeMap<Uuid, String>,
}

#[derive(Clone, Default)]
pub(crate) struct Onboarding {
    pub(crate) known: Arc<Mutex<Known>>,
    pub(crate) asked: Arc<AtomicU32>,
}

pub(crate) fn past<T: Clone>(all: &BTreeMap<Uuid, T>, after: Option<Uuid>) -> Vec<T> {
    all.iter()
        .filter(|(id, _)| after.is_none_or(|after| **id > after))
        .map(|(_, row)| row.clone())
        .collect()
}

#[tonic::async_trait]
impl VaultService for Onboarding {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let waba: WabaId = request.get_ref().waba_id.parse().unwrap();
        let known = self.known.lock().unwrap();
        let token = known.tokens.get(&waba.uuid()).cloned();
        let token = token.ok_or_else(|| Status::not_found("no such WABA"))?;
        Ok(Response::new(GetTokenResponse { token, ..GetTokenResponse::default() }))
    }
}

#[tonic::async_trait]
impl SnapshotService for Onboarding {
    async fn snapshot_tenants(
        &self,
        request: Request<SnapshotTenantsRequest>,
    ) -> Result<Response<SnapshotTenantsResponse>, Status> {
        let after = request.get_ref().after_id.parse::<TenantId>().ok().map(|id| id.uuid());
        let items = past(&self.known.lock().unwrap().tenants, after);
        Ok(Response::new(SnapshotTenantsResponse { items }))
    }

    async fn snapshot_wabas(
        &self,
        request: Request<SnapshotWabasRequest>,
    ) -> Result<Response<SnapshotWabasResponse>, Status> {
        let after = request.get_ref().after_id.parse::<WabaId>().ok().map(|id| id.uuid());
        let items = past(&self.known.lock().unwrap().wabas, after);
        Ok(Response::new(SnapshotWabasResponse { items }))
    }

    async fn snapshot_partners(
        &self,
        _: Request<SnapshotPartnersRequest>,
    ) -> Result<Response<SnapshotPartnersResponse>, Status> {
        Ok(Response::new(SnapshotPartnersResponse { items: Vec::new() }))
    }
}
