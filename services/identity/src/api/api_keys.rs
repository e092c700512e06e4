//! `ApiKeyService`.

use std::collections::BTreeSet;

use auth::{Environment, Permission, Wabas};
use kernel::id::KeyId;
use kernel::secret::ExposeSecret as _;
use proto::identity::v1::api_key_service_server::ApiKeyService;
use proto::identity::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse,
    RevokeApiKeyRequest, RevokeApiKeyResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::api_keys::NewKey;
use crate::error::Error;
use crate::paging::{Asked, info};
use crate::rows::api_key::Model;

/// The service.
#[derive(Clone)]
pub(crate) struct ApiKeys(pub(crate) App);

fn shown(row: &Model) -> ApiKey {
    let waba_ids = match row.reaches() {
        Wabas::All => Vec::new(),
        Wabas::Only(few) => few.iter().map(ToString::to_string).collect(),
    };
    ApiKey {
        id: KeyId::from_uuid(row.id).to_string(),
        name: row.name.clone(),
        hint: row.hint.clone(),
        environment: row.environment.clone(),
        permissions: row.permissions().iter().map(ToString::to_string).collect(),
        waba_ids,
        created_us: row.created_us,
        expires_us: row.expires_us,
        last_used_us: row.last_used_us,
        revoked_us: row.revoked_us,
    }
}

fn new_key(request: CreateApiKeyRequest) -> Result<NewKey, Status> {
    let environment = request
        .environment
        .parse::<Environment>()
        .map_err(|error| Error::invalid("environment", error))?;
    let permissions = request.permissions.iter().map(|word| word.parse::<Permission>());
    let permissions = permissions
        .collect::<Result<BTreeSet<_>, _>>()
        .map_err(|error| Error::invalid("permissions", error))?;
    let wabas = request.waba_ids.iter().map(|id| server::parse_id("waba_ids", id));
    Ok(NewKey {
        name: request.name.trim().to_owned(),
        environment,
        permissions,
        wabas: wabas.collect::<Result<_, _>>()?,
        expires_us: request.expires_us,
        idempotency_key: request.idempotency_key,
    })
}

#[tonic::async_trait]
impl ApiKeyService for ApiKeys {
    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let scope = server::scope(&request)?;
        let new = new_key(request.into_inner())?;
        let made = self.0.create_api_key(&scope, &new).await?;
        Ok(Response::new(CreateApiKeyResponse {
            key: Some(shown(&made.row)),
            secret: made.secret.expose_secret().to_owned(),
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = Asked::from(request.into_inner().page);
        let page = self.0.list_api_keys(&scope, &asked).await?;
        let items = page.items.iter().map(shown).collect();
        Ok(Response::new(ListApiKeysResponse { items, page_info: Some(info(&page)) }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<RevokeApiKeyResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("key_id", &request.into_inner().key_id)?;
        let row = self.0.revoke_api_key(&scope, id).await?;
        Ok(Response::new(RevokeApiKeyResponse { key: Some(shown(&row)) }))
    }
}
