//! `SessionService`.

use std::time::Duration;

use kernel::id::UserId;
use kernel::secret::{ExposeSecret as _, SecretString};
use proto::identity::v1::session_service_server::SessionService;
use proto::identity::v1::{
    ExchangeApiKeyRequest, ExchangeApiKeyResponse, Membership, RefreshRequest, RefreshResponse,
    SessionTokens, SetPasswordRequest, SetPasswordResponse, SignInRequest, SignInResponse,
    SignOutRequest, SignOutResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::session::Tokens;
use crate::app::sign_in::SignIn;
use crate::domain::place::{Place, Standing, Wanted};
use crate::error::Error;

/// The service.
#[derive(Clone)]
pub(crate) struct Sessions(pub(crate) App);

/// Whole seconds of a life.
pub(crate) fn seconds(life: Duration) -> u32 {
    u32::try_from(life.as_secs()).unwrap_or(u32::MAX)
}

fn wanted(text: &str) -> Result<Wanted, Error> {
    Wanted::parse(text).map_err(|_| {
        Error::invalid("tenant", "is the id of a tenant or of a partner, `operator`, or empty")
    })
}

fn membership(user: UserId, standing: &Standing) -> Membership {
    let (mut tenant_id, mut partner_id, mut operator) = (String::new(), String::new(), false);
    match standing.place {
        Place::Tenant(tenant) => tenant_id = tenant.to_string(),
        Place::Partner(partner) => partner_id = partner.to_string(),
        Place::Bsp => operator = true,
    }
    Membership {
        id: standing.typed_id(),
        user_id: user.to_string(),
        tenant_id,
        partner_id,
        operator,
        role: standing.role.as_str().to_owned(),
        name: standing.name.clone(),
    }
}

fn answer(tokens: &Tokens, device: Option<&SecretString>) -> SessionTokens {
    SessionTokens {
        access_token: tokens.access.token.expose_secret().to_owned(),
        expires_in_s: seconds(tokens.access.life),
        refresh_token: tokens.refresh.expose_secret().to_owned(),
        refresh_expires_in_s: seconds(tokens.refresh_life),
        memberships: tokens.standings.iter().map(|one| membership(tokens.user, one)).collect(),
        current: Some(membership(tokens.user, &tokens.current)),
        device_token: device.map(|token| token.expose_secret().to_owned()).unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl SessionService for Sessions {
    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        // Taken and not looked at, it would pass for a second factor.
        if !request.totp.is_empty() {
            let why = "one-time codes are not supported yet; leave it out";
            return Err(Error::invalid("totp", why).into());
        }
        let asked = SignIn {
            wanted: wanted(&request.tenant)?,
            email: request.email,
            password: request.password.into(),
            client_address: request.client_address,
            device_token: request.device_token,
        };
        let signed_in = self.0.sign_in(&asked).await?;
        let tokens = answer(&signed_in.tokens, Some(&signed_in.device));
        Ok(Response::new(SignInResponse { tokens: Some(tokens) }))
    }

    async fn refresh(
        &self,
        request: Request<RefreshRequest>,
    ) -> Result<Response<RefreshResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let wanted = wanted(&request.tenant)?;
        let tokens = self.0.refresh(&request.refresh_token.into(), wanted).await?;
        Ok(Response::new(RefreshResponse { tokens: Some(answer(&tokens, None)) }))
    }

    async fn sign_out(
        &self,
        request: Request<SignOutRequest>,
    ) -> Result<Response<SignOutResponse>, Status> {
        server::caller(&request)?;
        self.0.sign_out(&request.into_inner().refresh_token.into()).await?;
        Ok(Response::new(SignOutResponse {}))
    }

    async fn exchange_api_key(
        &self,
        request: Request<ExchangeApiKeyRequest>,
    ) -> Result<Response<ExchangeApiKeyResponse>, Status> {
        server::caller(&request)?;
        let issued = self.0.exchange_key(&request.into_inner().api_key.into()).await?;
        Ok(Response::new(ExchangeApiKeyResponse {
            access_token: issued.token.expose_secret().to_owned(),
            expires_in_s: seconds(issued.life),
        }))
    }

    async fn set_password(
        &self,
        request: Request<SetPasswordRequest>,
    ) -> Result<Response<SetPasswordResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        let email = self.0.set_password(&request.token.into(), &request.password.into()).await?;
        Ok(Response::new(SetPasswordResponse { email }))
    }
}
