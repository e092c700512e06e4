//! Access tokens: from onboarding's vault by our own identity, remembered for minutes, forgotten when the tail says so.
//!
//! A token that outlives its replacement by a moment is refused by Meta and forgotten then; nothing durable hangs here.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bus::{Heard, TailHub};
use graph::{AccessToken, CachedTokens, TokenError, TokenSource};
use kernel::{
    id::{TenantId, WabaId},
    secret::MetaToken,
};
use proto::onboarding::v1::{GetTokenRequest, vault_service_client::VaultServiceClient};
use server::Peers;
use store::Uuid;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// The routing key of what makes a token old.
pub(crate) const CHANGED: &str = "onboarding.waba.changed";

/// Onboarding's vault.
pub(crate) struct Vault(pub(crate) Arc<Peers>);

#[async_trait]
impl TokenSource for Vault {
    async fn token(&self, tenant: Uuid, waba: Uuid) -> Result<AccessToken, TokenError> {
        let request = GetTokenRequest {
            tenant_id: TenantId::from_uuid(tenant).to_string(),
            waba_id: WabaId::from_uuid(waba).to_string(),
        };
        let mut vault = VaultServiceClient::new(self.0.as_service("onboarding"));
        match vault.get_token(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let secret = MetaToken::new(answer.token);
                Ok(AccessToken { secret, generation: answer.generation })
            }
            Err(status) if status.code() == Code::NotFound => Err(TokenError::NotFound),
            Err(status) => Err(TokenError::Unavailable(Arc::new(status))),
        }
    }

    // The vault itself forgets nothing: the next question gets its newest.
    async fn invalidate(&self, _: Uuid, _: Uuid) {}
}

/// Forgets tokens as the tail tells. Runs once a process, in whichever role starts it first.
#[derive(Clone)]
pub(crate) struct Forgetting {
    hub: TailHub,
    tokens: Arc<CachedTokens<Vault>>,
    runs: Arc<AtomicBool>,
}

impl Forgetting {
    /// Over a tail of its own.
    pub(crate) fn new(bus: Arc<dyn bus::Bus>, tokens: Arc<CachedTokens<Vault>>) -> Self {
        let hub = TailHub::new(bus, "assets", vec![CHANGED.to_owned()]);
        Self { hub, tokens, runs: Arc::default() }
    }

    /// Listens until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        if self.runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut changes = self.hub.subscribe_all();
        let listening = async {
            loop {
                match changes.next().await {
                    Some(Heard::Event(envelope)) => {
                        if let (Some(tenant), Some(waba)) = (envelope.tenant, envelope.waba) {
                            self.tokens.invalidate(tenant, waba).await;
                        }
                    }
                    Some(Heard::Resync) => self.tokens.invalidate_all(),
                    // The hub ended, or we fell behind it and have forgotten all above.
                    None if stop.is_cancelled() => break,
                    None => changes = self.hub.subscribe_all(),
                }
            }
        };
        tokio::join!(self.hub.clone().run(stop.clone()), listening);
    }
}
