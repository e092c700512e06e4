//! `NumberService`.

use kernel::id::{NumberId, TenantId, WabaId};
use meta::nodes::ProfileUpdate;
use proto::assets::v1::{
    BatchGetNumbersRequest, BatchGetNumbersResponse, GetNumberRequest, GetNumberResponse,
    GetProfileRequest, GetProfileResponse, ListDeskNumbersRequest, ListDeskNumbersResponse,
    ListNumberHistoryRequest, ListNumberHistoryResponse, ListNumbersRequest, ListNumbersResponse,
    Profile, RefreshNumberRequest, RefreshNumberResponse, UpdateProfileRequest,
    UpdateProfileResponse, number_service_server::NumberService,
};
use tonic::{Request, Response, Status};

use super::{ids, page_info};
use crate::{app::App, error::Error, events};

/// Numbers.
#[derive(Clone)]
pub(crate) struct Numbers(pub(crate) App);

fn id(text: &str) -> Result<NumberId, Status> {
    server::parse_id("number_id", text)
}

/// What the mask names, out of the profile that came with it.
fn masked(profile: &Profile, mask: &[String]) -> Result<ProfileUpdate, Error> {
    let invalid = |problem: String| Error::Invalid { field: "update_mask", problem };
    if mask.is_empty() {
        return Err(invalid("names what is to change; it names nothing".to_owned()));
    }
    let mut update = ProfileUpdate::default();
    for path in mask {
        match path.as_str() {
            "about" => update.about = Some(profile.about.clone()),
            "address" => update.address = Some(profile.address.clone()),
            "description" => update.description = Some(profile.description.clone()),
            "email" => update.email = Some(profile.email.clone()),
            "vertical" => update.vertical = Some(profile.vertical.clone()),
            "websites" => update.websites = Some(profile.websites.clone()),
            "picture_url" => {
                return Err(invalid("names the picture, which can only be read".to_owned()));
            }
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(invalid(format!("names `{other}`, which is no field of a profile")));
            }
        }
    }
    Ok(update)
}

#[tonic::async_trait]
impl NumberService for Numbers {
    async fn get_number(
        &self,
        request: Request<GetNumberRequest>,
    ) -> Result<Response<GetNumberResponse>, Status> {
        let scope = server::scope(&request)?;
        let row = self.0.number(&scope, id(&request.get_ref().number_id)?).await?;
        Ok(Response::new(GetNumberResponse { number: Some(events::number(&row)) }))
    }

    async fn list_numbers(
        &self,
        request: Request<ListNumbersRequest>,
    ) -> Result<Response<ListNumbersResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let waba: Option<WabaId> = server::parse_optional_id("waba_id", &request.waba_id)?;
        let asked = self.0.asked(&scope, "numbers", &[&request.waba_id], request.page)?;
        let page = self.0.list_numbers(&scope, asked, waba.map(|id| id.uuid())).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::number).collect();
        Ok(Response::new(ListNumbersResponse { items, page_info }))
    }

    async fn batch_get_numbers(
        &self,
        request: Request<BatchGetNumbersRequest>,
    ) -> Result<Response<BatchGetNumbersResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = ids("number_ids", &request.get_ref().number_ids)?;
        let rows = self.0.numbers(&scope, &ids).await?;
        let numbers = rows.iter().map(events::number).collect();
        Ok(Response::new(BatchGetNumbersResponse { numbers }))
    }

    async fn refresh_number(
        &self,
        request: Request<RefreshNumberRequest>,
    ) -> Result<Response<RefreshNumberResponse>, Status> {
        let scope = server::scope(&request)?;
        let row = self.0.refresh_number(&scope, id(&request.get_ref().number_id)?).await?;
        Ok(Response::new(RefreshNumberResponse { number: Some(events::number(&row)) }))
    }

    async fn list_number_history(
        &self,
        request: Request<ListNumberHistoryRequest>,
    ) -> Result<Response<ListNumberHistoryResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id = id(&request.number_id)?;
        let filters = [request.number_id.as_str()];
        let asked = self.0.asked(&scope, "number history", &filters, request.page)?;
        let page = self.0.number_history(&scope, id, asked).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::entry).collect();
        Ok(Response::new(ListNumberHistoryResponse { items, page_info }))
    }

    async fn get_profile(
        &self,
        request: Request<GetProfileRequest>,
    ) -> Result<Response<GetProfileResponse>, Status> {
        let scope = server::scope(&request)?;
        let found = self.0.profile(&scope, id(&request.get_ref().number_id)?).await?;
        Ok(Response::new(GetProfileResponse { profile: Some(events::profile(found)) }))
    }

    async fn update_profile(
        &self,
        request: Request<UpdateProfileRequest>,
    ) -> Result<Response<UpdateProfileResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id = id(&request.number_id)?;
        let profile = request.profile.unwrap_or_default();
        let update = masked(&profile, &request.update_mask)?;
        let key = &request.idempotency_key;
        let found = self.0.update_profile(&scope, id, update, key).await?;
        Ok(Response::new(UpdateProfileResponse { profile: Some(events::profile(found)) }))
    }

    async fn list_desk_numbers(
        &self,
        request: Request<ListDeskNumbersRequest>,
    ) -> Result<Response<ListDeskNumbersResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant: Option<TenantId> = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let asked = self.0.asked(&scope, "desk numbers", &[&request.tenant_id], request.page)?;
        let page = self.0.list_desk_numbers(&scope, asked, tenant).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::number).collect();
        Ok(Response::new(ListDeskNumbersResponse { items, page_info }))
    }
}
