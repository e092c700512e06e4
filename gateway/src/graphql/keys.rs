//! API keys of a tenant.

use std::result::Result as StdResult;

use async_graphql::{Context, InputObject, Object, Result};
use futures::future::try_join_all;
use proto::identity::v1 as pb;
use tonic::Code;

use super::call::Call;
use super::connection::{Connection, Paging, page_cost};
use super::error::{or_refuse, payloads};
use super::scalars::{DateTime, ID, at, idempotency_key, maybe_at, micros, some};
use super::words::{Environment, Order, Word as _};
use crate::refusal::Refusal;

/// An API key without its secret.
#[derive(Debug)]
pub(crate) struct ApiKey(pb::ApiKey);

/// An API key without its secret.
#[Object]
impl ApiKey {
    async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it starts with.
    async fn hint(&self) -> &str {
        &self.0.hint
    }

    async fn environment(&self) -> Option<Environment> {
        Environment::of(&self.0.environment)
    }

    async fn permissions(&self) -> &[String] {
        &self.0.permissions
    }

    /// WABAs that it is limited to; empty means all.
    async fn waba_ids(&self) -> Vec<ID> {
        self.0.waba_ids.iter().map(ID::from).collect()
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    async fn expires_at(&self) -> Option<DateTime> {
        maybe_at(self.0.expires_us)
    }

    async fn last_used_at(&self) -> Option<DateTime> {
        maybe_at(self.0.last_used_us)
    }

    async fn revoked_at(&self) -> Option<DateTime> {
        maybe_at(self.0.revoked_us)
    }
}

#[derive(Debug, Default)]
pub(crate) struct KeyQuery;

#[Object]
impl KeyQuery {
    /// API keys of the caller's tenant, revoked ones too.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<ApiKey>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListApiKeysRequest { page: Some(paging.request()) };
        let answer = call.answered(call.keys().list_api_keys(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, ApiKey))
    }
}

#[derive(Debug, InputObject)]
struct ApiKeyCreateInput {
    name: String,
    environment: Environment,
    /// Absent: all that you have and a key may have.
    permissions: Option<Vec<String>>,
    /// Absent: all WABAs of the tenant.
    waba_ids: Option<Vec<ID>>,
    expires_at: Option<DateTime>,
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct ApiKeyRevokeInput {
    api_key_id: ID,
}

/// Refuses WABAs that are not the caller's: identity, which keeps the key, knows none.
async fn all_own(call: &Call, wabas: &[ID]) -> StdResult<(), Refusal> {
    let found = try_join_all(wabas.iter().map(|id| call.load.wabas.load(id))).await?;
    let missing = found.iter().position(Option::is_none);
    let Some(place) = missing else { return Ok(()) };
    let problem = "names no WhatsApp Business Account of yours".to_owned();
    let mut refusal = Refusal::new(Code::NotFound, "WABA_NOT_FOUND", problem.clone());
    refusal.violations.push((format!("waba_ids[{place}]"), problem));
    Err(refusal)
}

payloads! {
    ApiKeyCreatePayload {
        api_key: ApiKey,
        /// The whole key. Shown here alone.
        secret: String,
    }
    ApiKeyRevokePayload { api_key: ApiKey }
}

#[derive(Debug, Default)]
pub(crate) struct KeyMutation;

#[Object]
impl KeyMutation {
    /// Makes an API key of the caller's tenant.
    async fn api_key_create(
        &self,
        ctx: &Context<'_>,
        input: ApiKeyCreateInput,
    ) -> Result<ApiKeyCreatePayload> {
        let call = Call::of(ctx)?;
        for (field, is_empty) in [
            ("permissions", input.permissions.as_ref().is_some_and(Vec::is_empty)),
            ("waba_ids", input.waba_ids.as_ref().is_some_and(Vec::is_empty)),
        ] {
            // A list that came out empty must not make the widest key.
            if is_empty {
                let why = "names nothing; leave it out for all that you have";
                return call.refused(&Refusal::of_field(field, why));
            }
        }
        let wabas = input.waba_ids.unwrap_or_default();
        or_refuse!(call, all_own(call, &wabas).await);
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreateApiKeyRequest {
            name: input.name,
            environment: input.environment.word().to_owned(),
            permissions: input.permissions.unwrap_or_default(),
            waba_ids: wabas.into_iter().map(|id| id.0).collect(),
            expires_us: micros(input.expires_at),
            idempotency_key,
        };
        call.settle(call.keys().create_api_key(request).await, |answer| ApiKeyCreatePayload {
            api_key: answer.key.map(ApiKey),
            secret: some(&answer.secret).map(str::to_owned),
            ..Default::default()
        })
    }

    /// Ends an API key. Tokens made from it die with it.
    async fn api_key_revoke(
        &self,
        ctx: &Context<'_>,
        input: ApiKeyRevokeInput,
    ) -> Result<ApiKeyRevokePayload> {
        let call = Call::of(ctx)?;
        let request = pb::RevokeApiKeyRequest { key_id: input.api_key_id.0 };
        call.settle(call.keys().revoke_api_key(request).await, |answer| ApiKeyRevokePayload {
            api_key: answer.key.map(ApiKey),
            ..Default::default()
        })
    }
}
