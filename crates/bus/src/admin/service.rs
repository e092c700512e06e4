//! One `AdminService` for every service: its requests differ by package alone.

/// Declares `Admin`, which answers the package's `AdminService` from the service's own store. For crates that have
/// `proto`, `server`, `store` and `tonic`.
#[macro_export]
macro_rules! admin_service {
    ($package:ident) => {
        use proto::$package::v1::{
            DropDeadLetterRequest, DropDeadLetterResponse, ListDeadLettersRequest,
            ListDeadLettersResponse, ListJobsRequest, ListJobsResponse, ReplayDeadLetterRequest,
            ReplayDeadLetterResponse, admin_service_server::AdminService,
        };
        use tonic::{Code, Request, Response, Status};

        /// The service's background work, for operators.
        #[derive(Clone)]
        pub(crate) struct Admin(pub(crate) store::Store);

        fn refused(error: &store::Error) -> Status {
            let class = error.class();
            server::status(Code::from_i32(class.grpc_code()), class.reason(), error)
        }

        fn found(any: bool) -> Result<(), Status> {
            let none = "no such dead letter; it may have been replayed or dropped";
            let absent =
                || server::StatusBuilder::new(Code::NotFound, "DEAD_LETTER_NOT_FOUND", none);
            any.then_some(()).ok_or_else(|| absent().build())
        }

        #[tonic::async_trait]
        impl AdminService for Admin {
            async fn list_jobs(
                &self,
                _: Request<ListJobsRequest>,
            ) -> Result<Response<ListJobsResponse>, Status> {
                let jobs = $crate::admin::jobs(&self.0).await.map_err(|error| refused(&error))?;
                Ok(Response::new(ListJobsResponse { jobs }))
            }

            async fn list_dead_letters(
                &self,
                request: Request<ListDeadLettersRequest>,
            ) -> Result<Response<ListDeadLettersResponse>, Status> {
                let listed = $crate::admin::dead_letters(&self.0, request.get_ref().limit).await;
                let dead_letters = listed.map_err(|error| refused(&error))?;
                Ok(Response::new(ListDeadLettersResponse { dead_letters }))
            }

            async fn replay_dead_letter(
                &self,
                request: Request<ReplayDeadLetterRequest>,
            ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
                let id = server::parse_id("id", &request.get_ref().id)?;
                let replayed = $crate::admin::replay(&self.0, id).await;
                found(replayed.map_err(|error| refused(&error))?)?;
                Ok(Response::new(ReplayDeadLetterResponse {}))
            }

            async fn drop_dead_letter(
                &self,
                request: Request<DropDeadLetterRequest>,
            ) -> Result<Response<DropDeadLetterResponse>, Status> {
                let id = server::parse_id("id", &request.get_ref().id)?;
                let dropped = $crate::admin::discard(&self.0, id).await;
                found(dropped.map_err(|error| refused(&error))?)?;
                Ok(Response::new(DropDeadLetterResponse {}))
            }
        }
    };
}
