//! The hosted page on which a business connects its WhatsApp account, and its callback. A person without a token
//! comes here: the invitation in the path is the only secret, so onboarding is called with our own token and
//! decides everything: whether the invitation lives, whether `state` and browser belong together, what the ids that
//! a browser tells are worth (ISO-44).
//!
//! The code that Meta's dialog gives lives for 30 seconds and works once. The callback passes it on within the same
//! request and never twice: a browser whose callback broke opens the dialog again.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use auth::Service;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proto::onboarding::v1 as pb;
use proto::onboarding::v1::invitation_service_client::InvitationServiceClient;
use serde::Deserialize;
use serde_json::json;
use server::PeerChannel;
use url::{Url, form_urlencoded};

use crate::auth_routes::json_response;
use crate::config::Settings;
use crate::house::House;
use crate::pages;
use crate::request::{About, Failure, cookie, is_known_origin, read_json, wants_page};

/// How long the exchange of a code may take: longer than other calls, for it is tried once.
const EXCHANGE: Duration = Duration::from_secs(25);
/// How long a browser is remembered: as long as an invitation may live.
const REMEMBERED_S: u32 = 90 * 24 * 3600;
/// Longest invitation that is asked about.
const LONGEST: usize = 256;

/// The page's own policy: Meta's SDK, its frames and its calls, beside what all pages have.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' https://connect.facebook.net; style-src 'self'; \
     img-src 'self' data: blob: https://www.facebook.com; \
     connect-src 'self' https://www.facebook.com https://web.facebook.com https://graph.facebook.com; \
     frame-src https://www.facebook.com https://web.facebook.com; font-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/onboarding/{invitation}", get(open))
        .route("/onboarding/{invitation}/callback", post(callback))
}

#[derive(Template)]
#[template(path = "onboarding.html")]
struct Page<'a> {
    tenant: &'a str,
    state: &'a str,
    app_id: &'a str,
    config_id: &'a str,
    graph_version: &'a str,
    dialog_url: &'a str,
    callback: String,
    /// Whether the dialog is Meta's own, for which there is an SDK.
    meta: bool,
}

fn invitations(house: &House) -> InvitationServiceClient<PeerChannel> {
    InvitationServiceClient::new(house.peers.as_service(Service::Onboarding))
}

/// The invitation of a path, where it can be one. What is none is asked of nobody.
fn lawful(path: Result<Path<String>, PathRejection>) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match path {
        Ok(Path(text)) if text.len() <= LONGEST && text.bytes().all(plain) => Ok(text),
        Ok(_) | Err(_) => Err(Failure::new(
            StatusCode::NOT_FOUND,
            "INVITATION_NOT_FOUND",
            "there is no such invitation; ask your provider for a new link",
        )),
    }
}

/// Opens the page: a fresh `state`, bound to this browser by a cookie.
async fn open(
    State(house): State<Arc<House>>,
    about: About,
    invitation: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let opened = async {
        let invitation = lawful(invitation)?;
        // What a dialog brings along when it comes back by redirect.
        let mut told = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
        if told.any(|(name, _)| name == "code") && wants_page(&headers) {
            // The dialog came back: its code belongs to the `state` of the page before, which must not be
            // replaced by a new one. The page's script takes both from the address.
            return Ok(shown(&pb::BeginSignupResponse::default(), &invitation));
        }
        let browser = cookie(&headers, cookie_name(&house.settings)).unwrap_or_default();
        let request = pb::BeginSignupRequest { token: invitation.clone(), browser };
        let begun = invitations(&house).begin_signup(request).await?.into_inner();
        let mut response = if wants_page(&headers) {
            shown(&begun, &invitation)
        } else {
            json_response(&json!({
                "state": begun.state, "app_id": begun.meta_app_id, "config_id": begun.config_id,
                "graph_version": begun.graph_version, "dialog_url": begun.dialog_url,
                "tenant_name": begun.tenant_name,
            }))
        };
        response.headers_mut().append(SET_COOKIE, remembered(&house.settings, &begun.browser)?);
        Ok(response)
    };
    opened.await.unwrap_or_else(|failure: Failure| pages::refuse(&failure, &about, &headers))
}

fn shown(begun: &pb::BeginSignupResponse, invitation: &str) -> Response {
    let page = Page {
        tenant: &begun.tenant_name,
        state: &begun.state,
        app_id: &begun.meta_app_id,
        config_id: &begun.config_id,
        graph_version: &begun.graph_version,
        dialog_url: &begun.dialog_url,
        callback: format!("/onboarding/{invitation}/callback"),
        meta: is_metas(&begun.dialog_url),
    };
    let mut response = pages::page(StatusCode::OK, &page);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin-allow-popups"));
    response
}

/// Whether a dialog is Meta's: its host is facebook.com or lies below it, and not merely ends like it.
fn is_metas(dialog: &str) -> bool {
    let host = Url::parse(dialog).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| host == "facebook.com" || host.ends_with(".facebook.com"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `state` and `code`")]
struct Told {
    state: String,
    code: String,
    #[serde(default)]
    waba_id: Option<String>,
    #[serde(default)]
    phone_number_id: Option<String>,
}

/// Takes the dialog's answer.
async fn callback(
    State(house): State<Arc<House>>,
    about: About,
    invitation: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let taken = async {
        let invitation = lawful(invitation)?;
        let headers = request.headers().clone();
        if !is_known_origin(&house.settings, &headers) {
            let message = "the callback is for the page that opened the dialog";
            return Err(Failure::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", message));
        }
        let Told { state, code, waba_id, phone_number_id } = read_json(request).await?;
        let mut request = tonic::Request::new(pb::CompleteSignupRequest {
            token: invitation,
            browser: cookie(&headers, cookie_name(&house.settings)).unwrap_or_default(),
            state,
            code,
            waba_meta_id: waba_id.unwrap_or_default(),
            phone_number_meta_id: phone_number_id.unwrap_or_default(),
        });
        request.set_timeout(EXCHANGE);
        let answer = invitations(&house).complete_signup(request).await?.into_inner();
        let onboarding = answer.onboarding.unwrap_or_default();
        let state = onboarding.state().as_str_name().trim_start_matches("ONBOARDING_STATE_");
        Ok(json_response(&json!({ "onboarding_id": onboarding.id, "state": state })))
    };
    taken.await.unwrap_or_else(|failure: Failure| failure.respond(&about))
}

const fn cookie_name(settings: &Settings) -> &'static str {
    if settings.plain_cookies { "sb_onboarding" } else { "__Host-sb-onboarding" }
}

/// Lax, since the page is reached by a link in a mail: the browser must be known again there.
fn remembered(settings: &Settings, browser: &str) -> Result<HeaderValue, Failure> {
    let name = cookie_name(settings);
    let secure = if settings.plain_cookies { "" } else { "; Secure" };
    let text =
        format!("{name}={browser}; Path=/; HttpOnly{secure}; SameSite=Lax; Max-Age={REMEMBERED_S}");
    let mut kept = HeaderValue::from_str(&text).map_err(|_| {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "internal error")
    })?;
    kept.set_sensitive(true);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://www.facebook.com/v23.0/dialog/oauth", true)]
    #[case("https://facebook.com/dialog", true)]
    #[case("https://evilfacebook.com/dialog", false)]
    #[case("https://facebook.com.evil.test/dialog", false)]
    #[case("http://127.0.0.1:8090/v23.0/dialog/oauth", false)]
    #[case("nonsense", false)]
    fn only_metas_dialog_is_metas(#[case] dialog: &str, #[case] metas: bool) {
        assert_eq!(is_metas(dialog), metas);
    }
}
