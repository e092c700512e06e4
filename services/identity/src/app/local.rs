//! Identity's own security: it verifies by its own keys and its own table of the dead, and signs its
//! own tokens, with no detour over the network that it is the end of.

use async_trait::async_trait;
use auth::{Scope, Service};
use futures::stream::BoxStream;
use server::{IssuedToken, KeySource, RevocationSource, Revoked, TokenSource};
use tonic::Status;

use super::App;
use super::revocations::Whom;

/// The three sources of identity's own process.
#[derive(Debug)]
pub(crate) struct Local(pub(crate) App);

#[async_trait]
impl KeySource for Local {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(self.0.keyring.reload().await?.jwks.clone())
    }
}

#[async_trait]
impl RevocationSource for Local {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        Ok(self.0.hub.watch().await?)
    }

    async fn is_dead(&self, scope: &Scope) -> Result<bool, Status> {
        Ok(self.0.is_dead(Whom::of(scope)).await?)
    }
}

#[async_trait]
impl TokenSource for Local {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let issued = self.0.service_token(Service::Identity, callee).await?;
        Ok(IssuedToken { token: issued.token, life: issued.life })
    }
}
