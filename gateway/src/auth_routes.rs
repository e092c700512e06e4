//! Sign-in, refresh, sign-out and the one-time link; and the key set. People come here before they have a token,
//! so what is called is called with our own.
//!
//! A program gets its refresh token in the answer; a script of our own pages gets it as a cookie that no script
//! reads, and which only these routes look at (AUTH-20). Unknown people and wrong passwords get one answer, which
//! is identity's (AUTH-5).

use std::sync::Arc;

use auth::Service;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use proto::identity::v1 as pb;
use proto::identity::v1::session_service_client::SessionServiceClient;
use serde::Deserialize;
use serde_json::{Value, json};
use server::PeerChannel;

use crate::config::Settings;
use crate::house::House;
use crate::pages;
use crate::request::{About, CSRF, Failure, cookie, is_json, is_own_script, read_json, wants_page};

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/auth/sign-in", post(sign_in))
        .route("/auth/refresh", post(refresh))
        .route("/auth/sign-out", post(sign_out))
        .route("/auth/set-password", get(pages::set_password).post(set_password))
        .route("/.well-known/jwks.json", get(jwks))
}

/// Identity's sessions, called on our own behalf.
pub(crate) fn sessions(house: &House) -> SessionServiceClient<PeerChannel> {
    SessionServiceClient::new(house.peers.as_service(Service::Identity))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `email` and `password`")]
struct SignIn {
    email: String,
    password: String,
    #[serde(default)]
    totp: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    /// What an earlier sign-in answered; a browser has it as a cookie.
    #[serde(default)]
    device_token: Option<String>,
}

async fn sign_in(State(house): State<Arc<House>>, about: About, request: Request) -> Response {
    let signed_in = async {
        let headers = request.headers().clone();
        let browser = wants_page(&headers) || headers.contains_key(CSRF);
        if browser && !is_own_script(&house.settings, &headers) {
            return Err(foreign("a program asks for `application/json`"));
        }
        let SignIn { email, password, totp, tenant, device_token } = read_json(request).await?;
        let device_token = if browser {
            cookie(&headers, Cookie::Device.name(&house.settings))
        } else {
            device_token
        };
        let request = pb::SignInRequest {
            email,
            password,
            totp: totp.unwrap_or_default(),
            tenant: tenant.unwrap_or_default(),
            client_address: about.client.clone(),
            device_token: device_token.unwrap_or_default(),
        };
        let answer = sessions(&house).sign_in(request).await?.into_inner();
        tokens(&house.settings, answer.tokens.unwrap_or_default(), browser)
    };
    signed_in.await.unwrap_or_else(|failure: Failure| failure.respond(&about))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object with `refresh_token`")]
struct Refresh {
    refresh_token: Option<String>,
    tenant: Option<String>,
}

/// Rotates the refresh token: a program's from the body, a browser's from its cookie.
async fn refresh(State(house): State<Arc<House>>, about: About, request: Request) -> Response {
    let headers = request.headers().clone();
    let refreshed = async {
        let Refresh { refresh_token, tenant } = optional(request).await?;
        let (refresh_token, browser) = present(&house.settings, &headers, refresh_token)?;
        let tenant = tenant.unwrap_or_default();
        let request = pb::RefreshRequest { refresh_token, tenant };
        let answer = sessions(&house).refresh(request).await?.into_inner();
        tokens(&house.settings, answer.tokens.unwrap_or_default(), browser)
    };
    match refreshed.await {
        Ok(response) => response,
        Err(failure) => {
            let mut response = Failure::respond(&failure, &about);
            // A cookie that was refused is good for nothing more.
            if failure.status() == StatusCode::UNAUTHORIZED {
                forget(&house.settings, &mut response);
            }
            response
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object with `refresh_token`")]
struct SignOut {
    refresh_token: Option<String>,
}

async fn sign_out(State(house): State<Arc<House>>, about: About, request: Request) -> Response {
    let headers = request.headers().clone();
    let signed_out = async {
        let SignOut { refresh_token } = optional(request).await?;
        let (refresh_token, _) = present(&house.settings, &headers, refresh_token)?;
        sessions(&house).sign_out(pb::SignOutRequest { refresh_token }).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    let mut response = signed_out.await.unwrap_or_else(|failure: Failure| failure.respond(&about));
    if response.status().is_success() {
        forget(&house.settings, &mut response);
    }
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `token` and `password`")]
struct SetPassword {
    token: String,
    password: String,
}

async fn set_password(State(house): State<Arc<House>>, about: About, request: Request) -> Response {
    let set = async {
        let SetPassword { token, password } = read_json(request).await?;
        let request = pb::SetPasswordRequest { token, password };
        let answer = sessions(&house).set_password(request).await?.into_inner();
        Ok(json_response(&json!({ "email": answer.email })))
    };
    set.await.unwrap_or_else(|failure: Failure| failure.respond(&about))
}

/// The keys that tokens are verified by. Public, and good for as long as ours are cached (AUTH-14).
async fn jwks(State(house): State<Arc<House>>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, house.security.jwks()).into_response()
}

/// A body that may be missing.
async fn optional<T: Default + serde::de::DeserializeOwned>(
    request: Request,
) -> Result<T, Failure> {
    if request.headers().contains_key(CONTENT_TYPE) || is_json(request.headers()) {
        read_json(request).await
    } else {
        Ok(T::default())
    }
}

/// The refresh token that a request presents, and whether a browser does. Its cookie counts only for a script of
/// our own pages.
fn present(
    settings: &Settings,
    headers: &HeaderMap,
    told: Option<String>,
) -> Result<(String, bool), Failure> {
    if let Some(token) = told {
        return Ok((token, false));
    }
    if !is_own_script(settings, headers) {
        return Err(foreign("a program sends `refresh_token`"));
    }
    let kept = cookie(headers, Cookie::Refresh.name(settings));
    kept.map(|token| (token, true)).ok_or_else(|| {
        Failure::new(
            StatusCode::UNAUTHORIZED,
            "REFRESH_MISSING",
            "nobody is signed in here; sign in",
        )
    })
}

fn foreign(program: &str) -> Failure {
    Failure::new(
        StatusCode::FORBIDDEN,
        "ORIGIN_NOT_ALLOWED",
        format!(
            "a browser's request needs `Origin` of this site and the header `X-SB-CSRF`; {program}"
        ),
    )
}

fn tokens(
    settings: &Settings,
    tokens: pb::SessionTokens,
    browser: bool,
) -> Result<Response, Failure> {
    let current = tokens.current.as_ref().map(|membership| membership.id.clone());
    let shown = |membership: &pb::Membership| membership_of(membership, current.as_deref());
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
        "memberships": tokens.memberships.iter().map(shown).collect::<Vec<_>>(),
    });
    let device = tokens.device_token;
    if !browser {
        if let Some(body) = body.as_object_mut() {
            body.insert("refresh_token".to_owned(), tokens.refresh_token.into());
            body.insert("refresh_expires_in".to_owned(), tokens.refresh_expires_in_s.into());
            if !device.is_empty() {
                body.insert("device_token".to_owned(), device.into());
            }
        }
        return Ok(json_response(&body));
    }
    let mut response = json_response(&body);
    let life = tokens.refresh_expires_in_s;
    let kept = Cookie::Refresh.set(settings, &tokens.refresh_token, life)?;
    response.headers_mut().append(SET_COOKIE, kept);
    if !device.is_empty() {
        let kept = Cookie::Device.set(settings, &device, DEVICE_LIFE_S)?;
        response.headers_mut().append(SET_COOKIE, kept);
    }
    Ok(response)
}

fn membership_of(membership: &pb::Membership, current: Option<&str>) -> Value {
    let id = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "id": membership.id,
        "tenant_id": id(&membership.tenant_id),
        "partner_id": id(&membership.partner_id),
        "operator": membership.operator,
        "role": membership.role,
        "name": membership.name,
        "current": current == Some(&membership.id),
    })
}

pub(crate) fn json_response(body: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// How long a device is remembered (AUTH-6).
const DEVICE_LIFE_S: u32 = 90 * 24 * 3600;

/// Cookies of ours that no script reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cookie {
    /// The refresh token (AUTH-20).
    Refresh,
    /// That somebody has signed in on this device before (AUTH-6). It opens nothing.
    Device,
}

impl Cookie {
    /// Without TLS a `__Host-` cookie is not kept: plain http, on loopback alone, has another name.
    const fn name(self, settings: &Settings) -> &'static str {
        match (self, settings.plain_cookies) {
            (Self::Refresh, true) => "sb_dev",
            (Self::Refresh, false) => "__Host-sb",
            (Self::Device, true) => "sb_dev_device",
            (Self::Device, false) => "__Host-sb-device",
        }
    }

    fn set(self, settings: &Settings, value: &str, life_s: u32) -> Result<HeaderValue, Failure> {
        let name = self.name(settings);
        let secure = if settings.plain_cookies { "" } else { "; Secure" };
        let text =
            format!("{name}={value}; Path=/; HttpOnly{secure}; SameSite=Strict; Max-Age={life_s}");
        let mut kept = HeaderValue::from_str(&text).map_err(|_| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "internal error")
        })?;
        kept.set_sensitive(true);
        Ok(kept)
    }
}

fn forget(settings: &Settings, response: &mut Response) {
    if let Ok(gone) = Cookie::Refresh.set(settings, "", 0) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
}
