//! `AdminService`: jobs and dead letters.

use proto::messaging::v1::admin_service_server::AdminService;
use proto::messaging::v1::{
    DropDeadLetterRequest, DropDeadLetterResponse, ListDeadLettersRequest, ListDeadLettersResponse,
    ListJobsRequest, ListJobsResponse, ReplayDeadLetterRequest, ReplayDeadLetterResponse,
};
use store::Store;
use tonic::{Request, Response, Status};

use crate::error::{Error, Thing};

/// The service's background work, for operators.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) Store);

fn found(any: bool) -> Result<(), Error> {
    if any { Ok(()) } else { Err(Error::NotFound(Thing::DeadLetter)) }
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
        let limit = request.get_ref().limit;
        let dead_letters = bus::admin::dead_letters(&self.0, limit).await.map_err(Error::Store)?;
        Ok(Response::new(ListDeadLettersResponse { dead_letters }))
    }

    async fn replay_dead_letter(
        &self,
        request: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        let id = server::parse_id("id", &request.get_ref().id)?;
        found(bus::admin::replay(&self.0, id).await.map_err(Error::Store)?)?;
        Ok(Response::new(ReplayDeadLetterResponse {}))
    }

    async fn drop_dead_letter(
        &self,
        request: Request<DropDeadLetterRequest>,
    ) -> Result<Response<DropDeadLetterResponse>, Status> {
        let id = server::parse_id("id", &request.get_ref().id)?;
        found(bus::admin::discard(&self.0, id).await.map_err(Error::Store)?)?;
        Ok(Response::new(DropDeadLetterResponse {}))
    }
}
