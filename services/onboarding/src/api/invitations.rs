//! `InvitationService`: the link, the page and the dialog's answer.

use proto::onboarding::v1::{
    BeginSignupRequest, BeginSignupResponse, CompleteSignupRequest, CompleteSignupResponse,
    CreateInvitationRequest, CreateInvitationResponse,
    invitation_service_server::InvitationService,
};
use tonic::{Request, Response, Status};

use crate::{
    app::{App, signup::Answer},
    events,
};

/// Longest text that a browser may send for a code or a state.
const LONGEST: usize = 4_096;
/// Longest id of Meta's.
const LONGEST_ID: usize = 32;

/// Invitations.
#[derive(Clone)]
pub(crate) struct Invitations(pub(crate) App);

/// Refuses what no dialog of Meta's sends, by name.
fn plain(field: &str, text: &str, must: bool) -> Result<(), Status> {
    let problem = if must && text.is_empty() {
        "is missing"
    } else if text.len() > LONGEST {
        "is longer than any of Meta's"
    } else if text.chars().any(char::is_control) {
        "has control characters"
    } else {
        return Ok(());
    };
    Err(server::StatusBuilder::invalid(format!("{field} {problem}"))
        .violation(field, problem)
        .build())
}

/// Refuses what is no id of Meta's before it uses the state up.
fn metas_id(field: &str, text: &str) -> Result<(), Status> {
    if text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let problem = "is no id of Meta's: up to 32 digits, or nothing";
    Err(server::StatusBuilder::invalid(format!("{field} {problem}"))
        .violation(field, problem)
        .build())
}

#[tonic::async_trait]
impl InvitationService for Invitations {
    async fn create_invitation(
        &self,
        request: Request<CreateInvitationRequest>,
    ) -> Result<Response<CreateInvitationResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_id("tenant_id", &request.tenant_id)?;
        let key = &request.idempotency_key;
        let (row, token) =
            self.0.invite(&scope, tenant, &request.app_id, request.expires_in_s, key).await?;
        Ok(Response::new(CreateInvitationResponse {
            invitation: Some(events::invitation(&row)),
            token,
        }))
    }

    async fn begin_signup(
        &self,
        request: Request<BeginSignupRequest>,
    ) -> Result<Response<BeginSignupResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        plain("token", &request.token, true)?;
        plain("browser", &request.browser, false)?;
        let page = self.0.begin_signup(&request.token, &request.browser).await?;
        Ok(Response::new(BeginSignupResponse {
            state: page.state,
            browser: page.browser,
            meta_app_id: page.meta_app_id,
            config_id: page.config_id,
            graph_version: page.graph_version,
            dialog_url: page.dialog_url,
            tenant_name: page.tenant_name,
        }))
    }

    async fn complete_signup(
        &self,
        request: Request<CompleteSignupRequest>,
    ) -> Result<Response<CompleteSignupResponse>, Status> {
        server::caller(&request)?;
        let request = request.into_inner();
        plain("token", &request.token, true)?;
        plain("browser", &request.browser, false)?;
        plain("state", &request.state, true)?;
        plain("code", &request.code, true)?;
        metas_id("waba_meta_id", &request.waba_meta_id)?;
        metas_id("phone_number_meta_id", &request.phone_number_meta_id)?;
        let answer = Answer {
            token: request.token,
            browser: request.browser,
            state: request.state,
            code: request.code.into(),
            waba_hint: request.waba_meta_id,
            number_hint: request.phone_number_meta_id,
        };
        let saga = self.0.complete_signup(answer).await?;
        Ok(Response::new(CompleteSignupResponse { onboarding: Some(events::onboarding(&saga)) }))
    }
}
