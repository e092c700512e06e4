//! `SnapshotService`: the whole state, for read models. No user's reach is here.

use kernel::id::{Id, Kind, kind};
use proto::assets::v1::{
    SnapshotNumbersRequest, SnapshotNumbersResponse, SnapshotTemplatesRequest,
    SnapshotTemplatesResponse, snapshot_service_server::SnapshotService,
};
use store::Uuid;
use tonic::{Request, Response, Status};

use crate::{app::App, error::Error, events};

/// Rows of a page: what is meant by 0, and the most.
const PAGE: u32 = 500;
const LARGEST_PAGE: u32 = 1_000;

/// Snapshots.
#[derive(Clone)]
pub(crate) struct Snapshots(pub(crate) App);

fn after<K: Kind>(text: &str) -> Result<Option<Uuid>, Status> {
    Ok(server::parse_optional_id::<K>("after_id", text)?.map(|id: Id<K>| id.uuid()))
}

fn limit(asked: u32) -> u64 {
    u64::from(kernel::page::page_size(asked, PAGE, LARGEST_PAGE))
}

#[tonic::async_trait]
impl SnapshotService for Snapshots {
    async fn snapshot_numbers(
        &self,
        request: Request<SnapshotNumbersRequest>,
    ) -> Result<Response<SnapshotNumbersResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let after = after::<kind::Number>(&request.after_id)?;
        let rows = self.0.snapshot_numbers(after, limit(request.limit)).await;
        let items = rows.map_err(Error::Store)?.iter().map(events::number).collect();
        Ok(Response::new(SnapshotNumbersResponse { items }))
    }

    async fn snapshot_templates(
        &self,
        request: Request<SnapshotTemplatesRequest>,
    ) -> Result<Response<SnapshotTemplatesResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let after = after::<kind::Template>(&request.after_id)?;
        let rows = self.0.snapshot_templates(after, limit(request.limit)).await;
        let items = rows.map_err(Error::Store)?.iter().map(events::template).collect();
        Ok(Response::new(SnapshotTemplatesResponse { items }))
    }
}
