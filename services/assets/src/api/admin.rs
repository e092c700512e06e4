//! `AdminService`: jobs and dead letters.

use kernel::id::DeadLetterId;
use proto::assets::v1::{
    DropDeadLetterRequest, DropDeadLetterResponse, ListDeadLettersRequest, ListDeadLettersResponse,
    ListJobsRequest, ListJobsResponse, ReplayDeadLetterRequest, ReplayDeadLetterResponse,
    admin_service_server::AdminService,
};
use store::Store;
use tonic::{Code, Request, Response, Status};

use crate::error::Error;

/// The service's background work, for operators.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) Store);

fn id(text: &str) -> Result<DeadLetterId, Status> {
    server::parse_id("id", text)
}

fn found(any: bool) -> Result<(), Status> {
    if any {
        return Ok(());
    }
    Err(server::StatusBuilder::new(Code::NotFound, "DEAD_LETTER_NOT_FOUND", "no such dead letter")
        .build())
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn list_jobs(
        &self,
        _: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let jobs = bus::admin::jobs(&self.0).await.map_err(Error::Store)?;
        Ok(Response::new(ListJobsResponse { jobs }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let dead_letters = bus::admin::dead_letters(&self.0, request.get_ref().limit)
            .await
            .map_err(Error::Store)?;
        Ok(Response::new(ListDeadLettersResponse { dead_letters }))
    }

    async fn replay_dead_letter(
        &self,
        request: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        found(
            bus::admin::replay(&self.0, id(&request.get_ref().id)?).await.map_err(Error::Store)?,
        )?;
        Ok(Response::new(ReplayDeadLetterResponse {}))
    }

    async fn drop_dead_letter(
        &self,
        request: Request<DropDeadLetterRequest>,
    ) -> Result<Response<DropDeadLetterResponse>, Status> {
        found(
            bus::admin::discard(&self.0, id(&request.get_ref().id)?).await.map_err(Error::Store)?,
        )?;
        Ok(Response::new(DropDeadLetterResponse {}))
    }
}
