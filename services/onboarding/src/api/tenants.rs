//! `TenantService` and `PartnerService`.

use proto::onboarding::v1::{
    BatchGetTenantsRequest, BatchGetTenantsResponse, CreatePartnerRequest, CreatePartnerResponse,
    CreateTenantRequest, CreateTenantResponse, GetOwnTenantRequest, GetOwnTenantResponse,
    GetTenantRequest, GetTenantResponse, ListPartnersRequest, ListPartnersResponse,
    ListTenantsRequest, ListTenantsResponse, ResumeTenantRequest, ResumeTenantResponse,
    SetTenantQuotaRequest, SetTenantQuotaResponse, SuspendTenantRequest, SuspendTenantResponse,
    UpdateOwnTenantRequest, UpdateOwnTenantResponse, partner_service_server::PartnerService,
    tenant_service_server::TenantService,
};
use tonic::{Request, Response, Status};

use super::{ids, page_info};
use crate::{
    app::{App, desk::NewTenant},
    error::Error,
    events,
};

/// The registry of client businesses.
#[derive(Clone)]
pub(crate) struct Tenants(pub(crate) App);

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(
        &self,
        request: Request<CreateTenantRequest>,
    ) -> Result<Response<CreateTenantResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let new = NewTenant {
            partner: server::parse_optional_id("partner_id", &request.partner_id)?,
            name: request.name,
            region: request.region,
            key: request.idempotency_key,
        };
        let row = self.0.create_tenant(&scope, new).await?;
        Ok(Response::new(CreateTenantResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn get_tenant(
        &self,
        request: Request<GetTenantRequest>,
    ) -> Result<Response<GetTenantResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("tenant_id", &request.get_ref().tenant_id)?;
        let row =
            self.0.tenants(&scope, &[id]).await?.into_iter().next().ok_or(Error::TenantNotFound)?;
        Ok(Response::new(GetTenantResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn list_tenants(
        &self,
        request: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = self.0.asked(&scope, "tenants", &[], request.into_inner().page)?;
        let page = self.0.list_tenants(&scope, asked).await?;
        let page_info = Some(page_info(&page));
        Ok(Response::new(ListTenantsResponse {
            items: page.items.iter().map(events::tenant).collect(),
            page_info,
        }))
    }

    async fn batch_get_tenants(
        &self,
        request: Request<BatchGetTenantsRequest>,
    ) -> Result<Response<BatchGetTenantsResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = ids("tenant_ids", &request.get_ref().tenant_ids)?;
        let rows = self.0.tenants(&scope, &ids).await?;
        Ok(Response::new(BatchGetTenantsResponse {
            tenants: rows.iter().map(events::tenant).collect(),
        }))
    }

    async fn suspend_tenant(
        &self,
        request: Request<SuspendTenantRequest>,
    ) -> Result<Response<SuspendTenantResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id = server::parse_id("tenant_id", &request.tenant_id)?;
        let row = self.0.suspend_tenant(&scope, id, &request.reason).await?;
        Ok(Response::new(SuspendTenantResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn resume_tenant(
        &self,
        request: Request<ResumeTenantRequest>,
    ) -> Result<Response<ResumeTenantResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("tenant_id", &request.get_ref().tenant_id)?;
        let row = self.0.resume_tenant(&scope, id).await?;
        Ok(Response::new(ResumeTenantResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn set_tenant_quota(
        &self,
        request: Request<SetTenantQuotaRequest>,
    ) -> Result<Response<SetTenantQuotaResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id = server::parse_id("tenant_id", &request.tenant_id)?;
        let row = self.0.set_quota(&scope, id, request.messages_per_day).await?;
        Ok(Response::new(SetTenantQuotaResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn update_own_tenant(
        &self,
        request: Request<UpdateOwnTenantRequest>,
    ) -> Result<Response<UpdateOwnTenantResponse>, Status> {
        let scope = server::scope(&request)?;
        let row = self.0.update_own(&scope, &request.get_ref().require_opt_in).await?;
        Ok(Response::new(UpdateOwnTenantResponse { tenant: Some(events::tenant(&row)) }))
    }

    async fn get_own_tenant(
        &self,
        request: Request<GetOwnTenantRequest>,
    ) -> Result<Response<GetOwnTenantResponse>, Status> {
        let row = self.0.own_tenant(&server::scope(&request)?).await?;
        Ok(Response::new(GetOwnTenantResponse { tenant: Some(events::tenant(&row)) }))
    }
}

#[tonic::async_trait]
impl PartnerService for Tenants {
    async fn create_partner(
        &self,
        request: Request<CreatePartnerRequest>,
    ) -> Result<Response<CreatePartnerResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let row = self.0.create_partner(&scope, &request.name, &request.idempotency_key).await?;
        Ok(Response::new(CreatePartnerResponse { partner: Some(events::partner(&row)) }))
    }

    async fn list_partners(
        &self,
        request: Request<ListPartnersRequest>,
    ) -> Result<Response<ListPartnersResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = self.0.asked(&scope, "partners", &[], request.into_inner().page)?;
        let page = self.0.list_partners(&scope, asked).await?;
        let page_info = Some(page_info(&page));
        Ok(Response::new(ListPartnersResponse {
            items: page.items.iter().map(events::partner).collect(),
            page_info,
        }))
    }
}
