//! Access tokens out of onboarding's vault, asked for by our own identity, and the tail that drops the
//! remembered ones at once when a WABA's credential changes (five minutes bound them in any case).

use std::sync::Arc;

use async_trait::async_trait;
use bus::{Heard, TailHub};
use graph::{AccessToken, CachedTokens, TokenError, TokenSource};
use kernel::id::{TenantId, WabaId};
use kernel::secret::MetaToken;
use proto::onboarding::v1::GetTokenRequest;
use proto::onboarding::v1::vault_service_client::VaultServiceClient;
use server::Peers;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

/// The key of what says that a credential may have changed.
pub(crate) const WABA_CHANGED: &str = "onboarding.waba.changed";

/// The vault, over gRPC.
#[derive(Clone)]
pub(crate) struct Vault(pub(crate) Arc<Peers>);

#[async_trait]
impl TokenSource for Vault {
    async fn token(&self, tenant: Uuid, waba: Uuid) -> Result<AccessToken, TokenError> {
        let request = GetTokenRequest {
            tenant_id: TenantId::from_uuid(tenant).to_string(),
            waba_id: WabaId::from_uuid(waba).to_string(),
        };
        let mut client = VaultServiceClient::new(self.0.as_service("onboarding"));
        match client.get_token(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let secret = MetaToken::new(answer.token);
                Ok(AccessToken { secret, generation: answer.generation })
            }
            Err(status) if status.code() == Code::NotFound => Err(TokenError::NotFound),
            Err(status) => Err(TokenError::Unavailable(Arc::new(status))),
        }
    }

    async fn invalidate(&self, _: Uuid, _: Uuid) {}
}

/// Drops remembered tokens as the tail tells, until `stop`.
pub(crate) async fn follow<S: TokenSource>(
    hub: TailHub,
    tokens: Arc<CachedTokens<S>>,
    stop: CancellationToken,
) {
    let mut following = hub.subscribe_all();
    while let Some(heard) = stop.run_until_cancelled(following.next()).await {
        match heard {
            Some(Heard::Event(envelope)) if envelope.key == WABA_CHANGED => {
                if let Some(tenant) = envelope.tenant {
                    tokens.invalidate(tenant, envelope.aggregate).await;
                }
            }
            Some(Heard::Event(_)) => {}
            Some(Heard::Resync) => {
                tokens.invalidate_all();
                // A follower that fell behind is told so once, and follows anew.
                following = hub.subscribe_all();
            }
            None => return,
        }
    }
}
