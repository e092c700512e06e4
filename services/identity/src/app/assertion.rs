//! Exchanges a service's assertion for a token for one callee (AUTH-17). An assertion is taken once:
//! its id is kept until it would have expired anyway.

use auth::Service;
use store::{Shard, purpose};

use super::App;
use super::tokens::Issued;
use crate::error::Error;
use crate::rows::used_jti;

impl App {
    /// A token of the asserting service, for `callee`.
    #[tracing::instrument(name = "identity.exchange_assertion", skip_all, err(level = "debug"))]
    pub(crate) async fn exchange_assertion(
        &self,
        assertion: &str,
        callee: Service,
    ) -> Result<Issued, Error> {
        let verified = self.assertions.verify(assertion, self.now()).map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "assertion refused");
            Error::AssertionRefused
        })?;
        let jti = &format!("{}:{}", verified.service(), verified.jti());
        if jti.len() > 256 || jti.contains('\0') {
            return Err(Error::AssertionRefused);
        }
        let expires_us = verified.expires().as_micros();
        let first = self
            .store
            .system(purpose::identity::ASSERT, Shard::ONLY, |tx| async move {
                used_jti::take(&tx, jti, expires_us).await
            })
            .await?;
        if !first {
            tracing::warn!(service = %verified.service(), "an assertion came a second time");
            return Err(Error::AssertionRefused);
        }
        self.service_token(verified.service(), callee).await
    }
}
