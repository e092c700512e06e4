//! `RevocationService`.

use auth::Revocation;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::id::{KeyId, SessionId};
use kernel::time::Timestamp;
use proto::identity::v1::revocation::What;
use proto::identity::v1::revocation_service_server::RevocationService;
use proto::identity::v1::{
    CheckRequest, CheckResponse, Revocation as Told, WatchRequest, WatchResponse,
};
use server::Revoked;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::revocations::Whom;

/// The service.
#[derive(Clone)]
pub(crate) struct Revocations(pub(crate) App);

fn told(one: Revocation) -> Told {
    let (what, not_before, expires) = match one {
        Revocation::Session(id, expires) => {
            let id = SessionId::from_uuid(id).to_string();
            (What::SessionId(id), Timestamp::EPOCH, expires)
        }
        Revocation::Key(id, expires) => {
            (What::KeyId(KeyId::from_uuid(id).to_string()), Timestamp::EPOCH, expires)
        }
        Revocation::Person { user, not_before, expires } => {
            (What::UserId(user.to_string()), not_before, expires)
        }
        Revocation::Tenant { tenant, not_before, expires } => {
            (What::TenantId(tenant.to_string()), not_before, expires)
        }
    };
    Told {
        what: Some(what),
        not_before_us: not_before.as_micros(),
        expires_us: expires.as_micros(),
    }
}

fn item(revoked: Revoked) -> WatchResponse {
    WatchResponse {
        revocations: revoked.revocations.into_iter().map(told).collect(),
        complete: revoked.complete,
    }
}

#[tonic::async_trait]
impl RevocationService for Revocations {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        server::caller(&request)?;
        let items = self.0.hub.watch().await?;
        Ok(Response::new(items.map(|one| one.map(item)).boxed()))
    }

    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let whom = Whom {
            session: server::parse_optional_id("session_id", &request.session_id)?,
            key: server::parse_optional_id("key_id", &request.key_id)?,
            user: server::parse_optional_id("user_id", &request.user_id)?,
            tenant: server::parse_optional_id("tenant_id", &request.tenant_id)?,
            issued_us: request.issued_at_us,
        };
        Ok(Response::new(CheckResponse { dead: self.0.is_dead(whom).await? }))
    }
}
