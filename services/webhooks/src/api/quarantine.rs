//! `QuarantineService`, for operators. No content leaves here.

use kernel::id::QuarantineId;
use proto::{
    common::v1::PageInfo,
    webhooks::v1::{
        ListQuarantineRequest, ListQuarantineResponse, QuarantineEntry, ReplaceQuarantineRequest,
        ReplaceQuarantineResponse, ReplayRawRequest, ReplayRawResponse,
        quarantine_service_server::QuarantineService,
    },
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::rows::quarantine;

/// The quarantine and the raw log at the desk.
#[derive(Clone)]
pub(crate) struct Quarantine(pub(crate) App);

fn entry(row: &quarantine::Model) -> QuarantineEntry {
    QuarantineEntry {
        id: QuarantineId::from_uuid(row.id).to_string(),
        received_us: row.received_us,
        app_id: row.app_id.clone(),
        waba_meta_id: row.waba_meta_id.clone(),
        phone_number_meta_id: row.number_meta_id.clone(),
        field: row.field.clone(),
        reason: row.reason.clone(),
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
    }
}

#[tonic::async_trait]
impl QuarantineService for Quarantine {
    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<ListQuarantineResponse>, Status> {
        let scope = server::scope(&request)?;
        let page = request.into_inner().page.unwrap_or_default();
        let page = self.0.list_quarantine(&scope, page).await?;
        Ok(Response::new(ListQuarantineResponse {
            items: page.items.iter().map(entry).collect(),
            page_info: Some(PageInfo {
                cursors: page.cursors,
                next_page_token: page.next.unwrap_or_default(),
            }),
        }))
    }

    async fn replace_quarantine(
        &self,
        request: Request<ReplaceQuarantineRequest>,
    ) -> Result<Response<ReplaceQuarantineResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = request.into_inner().id;
        let tally = if id.is_empty() {
            self.0.replace_all(&scope).await?
        } else {
            let id: QuarantineId = server::parse_id("id", &id)?;
            self.0.replace_one(&scope, id).await?
        };
        Ok(Response::new(ReplaceQuarantineResponse { placed: tally.placed, left: tally.left }))
    }

    async fn replay_raw(
        &self,
        request: Request<ReplayRawRequest>,
    ) -> Result<Response<ReplayRawResponse>, Status> {
        let scope = server::scope(&request)?;
        let deliveries = self.0.replay_raw(&scope, request.into_inner().since_us).await?;
        Ok(Response::new(ReplayRawResponse { deliveries }))
    }
}
