//! `AdminService`: what operators see and mend of background work.

use bus::admin;
use kernel::id::DeadLetterId;
use proto::identity::v1::admin_service_server::AdminService;
use proto::identity::v1::{
    DropDeadLetterRequest, DropDeadLetterResponse, ListDeadLettersRequest, ListDeadLettersResponse,
    ListJobsRequest, ListJobsResponse, ReplayDeadLetterRequest, ReplayDeadLetterResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::audit::Act;
use crate::error::Error;

/// The service.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) App);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn list_jobs(
        &self,
        _: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let jobs = admin::jobs(&self.0.store).await.map_err(Error::from)?;
        Ok(Response::new(ListJobsResponse { jobs }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let limit = request.into_inner().limit;
        let dead_letters = admin::dead_letters(&self.0.store, limit).await.map_err(Error::from)?;
        Ok(Response::new(ListDeadLettersResponse { dead_letters }))
    }

    async fn replay_dead_letter(
        &self,
        request: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: DeadLetterId = server::parse_id("id", &request.into_inner().id)?;
        if !admin::replay(&self.0.store, id).await.map_err(Error::from)? {
            return Err(Error::DeadLetterNotFound.into());
        }
        self.0.note(&scope, Act::of(&scope, "dead_letter.replayed").about(id)).await?;
        Ok(Response::new(ReplayDeadLetterResponse {}))
    }

    async fn drop_dead_letter(
        &self,
        request: Request<DropDeadLetterRequest>,
    ) -> Result<Response<DropDeadLetterResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: DeadLetterId = server::parse_id("id", &request.into_inner().id)?;
        if !admin::discard(&self.0.store, id).await.map_err(Error::from)? {
            return Err(Error::DeadLetterNotFound.into());
        }
        self.0.note(&scope, Act::of(&scope, "dead_letter.dropped").about(id)).await?;
        Ok(Response::new(DropDeadLetterResponse {}))
    }
}
