//! `WabaService`: the tenant's accounts, and the desk's view of all.

use proto::onboarding::v1::{
    BatchGetWabasRequest, BatchGetWabasResponse, GetWabaRequest, GetWabaResponse,
    ListDeskWabasRequest, ListDeskWabasResponse, ListWabasRequest, ListWabasResponse,
    waba_service_server::WabaService,
};
use tonic::{Request, Response, Status};

use super::{ids, page_info};
use crate::{app::App, events};

/// WABAs.
#[derive(Clone)]
pub(crate) struct Wabas(pub(crate) App);

#[tonic::async_trait]
impl WabaService for Wabas {
    async fn get_waba(
        &self,
        request: Request<GetWabaRequest>,
    ) -> Result<Response<GetWabaResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("waba_id", &request.get_ref().waba_id)?;
        let row = self.0.waba(&scope, id).await?;
        Ok(Response::new(GetWabaResponse { waba: Some(events::waba(&row)) }))
    }

    async fn list_wabas(
        &self,
        request: Request<ListWabasRequest>,
    ) -> Result<Response<ListWabasResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = self.0.asked(&scope, "wabas", &[], request.into_inner().page)?;
        let page = self.0.list_wabas(&scope, asked).await?;
        let page_info = Some(page_info(&page));
        Ok(Response::new(ListWabasResponse {
            items: page.items.iter().map(events::waba).collect(),
            page_info,
        }))
    }

    async fn batch_get_wabas(
        &self,
        request: Request<BatchGetWabasRequest>,
    ) -> Result<Response<BatchGetWabasResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = ids("waba_ids", &request.get_ref().waba_ids)?;
        let rows = self.0.wabas(&scope, &ids).await?;
        Ok(Response::new(BatchGetWabasResponse { wabas: rows.iter().map(events::waba).collect() }))
    }

    async fn list_desk_wabas(
        &self,
        request: Request<ListDeskWabasRequest>,
    ) -> Result<Response<ListDeskWabasResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let asked = self.0.asked(&scope, "desk wabas", &[&request.tenant_id], request.page)?;
        let page = self.0.list_desk_wabas(&scope, asked, tenant).await?;
        let page_info = Some(page_info(&page));
        Ok(Response::new(ListDeskWabasResponse {
            items: page.items.iter().map(events::waba).collect(),
            page_info,
        }))
    }
}
