//! `TokenService` and `KeyService`.

use auth::Service;
use kernel::secret::ExposeSecret as _;
use proto::identity::v1::key_service_server::KeyService;
use proto::identity::v1::token_service_server::TokenService;
use proto::identity::v1::{
    ExchangeAssertionRequest, ExchangeAssertionResponse, GetJwksRequest, GetJwksResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::error::Error;

/// Both services.
#[derive(Clone)]
pub(crate) struct Tokens(pub(crate) App);

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn exchange_assertion(
        &self,
        request: Request<ExchangeAssertionRequest>,
    ) -> Result<Response<ExchangeAssertionResponse>, Status> {
        let request = request.into_inner();
        let callee = request
            .audience
            .parse::<Service>()
            .map_err(|error| Error::invalid("audience", error))?;
        let issued = self.0.exchange_assertion(&request.assertion, callee).await?;
        Ok(Response::new(ExchangeAssertionResponse {
            access_token: issued.token.expose_secret().to_owned(),
            expires_in_s: super::session::seconds(issued.life),
        }))
    }
}

#[tonic::async_trait]
impl KeyService for Tokens {
    async fn get_jwks(
        &self,
        request: Request<GetJwksRequest>,
    ) -> Result<Response<GetJwksResponse>, Status> {
        server::caller(&request)?;
        let ring = self.0.keyring.ring().await?;
        Ok(Response::new(GetJwksResponse { jwks_json: ring.jwks.clone() }))
    }
}
