//! `POST /oauth/token` by RFC 6749: an API key's client credentials, and a refresh token. Answers and refusals have
//! the RFC's own shape, so that any OAuth library can be used unchanged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use auth::ApiKey;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use proto::identity::v1 as pb;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::auth_routes::sessions;
use crate::house::House;
use crate::refusal::{Kind, Refusal};
use crate::request::{About, add_retry, nul_refused, read_small};

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new().route("/oauth/token", post(token))
}

/// A refusal in the RFC's words.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry: Option<std::time::Duration>,
    /// The caller tried Basic, and is told so (§5.2).
    basic: bool,
}

fn invalid_request(description: impl Into<String>) -> Refused {
    refused(StatusCode::BAD_REQUEST, "invalid_request", description)
}

fn refused(status: StatusCode, error: &'static str, description: impl Into<String>) -> Refused {
    Refused { status, error, description: description.into(), retry: None, basic: false }
}

impl Refused {
    /// What a service refused; `error` is the word for a credential that does not hold.
    fn of(refusal: Refusal, error: &'static str) -> Self {
        let status = match refusal.kind() {
            Kind::Unauthenticated | Kind::NotFound | Kind::Denied if error == "invalid_client" => {
                StatusCode::UNAUTHORIZED
            }
            Kind::Unauthenticated | Kind::NotFound | Kind::Denied => StatusCode::BAD_REQUEST,
            Kind::Domain | Kind::Unavailable | Kind::Internal => refusal.http_status(),
        };
        // Beyond the RFC's words for this endpoint, those of its §4.1.2.1.
        let error = match refusal.kind() {
            Kind::Unauthenticated | Kind::NotFound | Kind::Denied => error,
            Kind::Domain if status == StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
            Kind::Domain => "invalid_request",
            Kind::Unavailable => "temporarily_unavailable",
            Kind::Internal => "server_error",
        };
        Self { status, error, description: refusal.message, retry: refusal.retry, basic: false }
    }

    fn respond(self) -> Response {
        let body = json!({ "error": self.error, "error_description": plain(&self.description) });
        let mut response = answer(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED && self.basic {
            let challenge = HeaderValue::from_static("Basic realm=\"switchboard\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        add_retry(&mut response, self.retry);
        response
    }
}

/// The RFC allows printable ASCII without quote and backslash.
fn plain(text: &str) -> String {
    let lawful = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    text.chars().map(|c| if lawful(c) { c } else { '\'' }).collect()
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers =
        [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}

async fn token(State(house): State<Arc<House>>, about: About, request: Request) -> Response {
    match give(&house, &about, request).await {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(refused) => refused.respond(),
    }
}

async fn give(house: &House, about: &About, request: Request) -> Result<Value, Refused> {
    let headers = request.headers().clone();
    let form = form(request).await?;
    let given = |name: &str| form.get(name).map(String::as_str).filter(|text| !text.is_empty());
    match given("grant_type") {
        Some("client_credentials") => {
            let (secret, basic) = secret(&headers, given("client_secret"))?;
            let mut kept = exchange(house, about, &secret).await;
            if let Err(refused) = &mut kept {
                refused.basic = basic;
            }
            kept
        }
        Some("refresh_token") => {
            let refresh_token = given("refresh_token")
                .ok_or_else(|| invalid_request("refresh_token is missing"))?
                .to_owned();
            let request = pb::RefreshRequest { refresh_token, tenant: String::new() };
            let answer = sessions(house)
                .refresh(request)
                .await
                .map_err(|status| Refused::of(status.into(), "invalid_grant"))?;
            let tokens = answer.into_inner().tokens.unwrap_or_default();
            Ok(json!({
                "access_token": tokens.access_token, "token_type": "Bearer",
                "expires_in": tokens.expires_in_s, "refresh_token": tokens.refresh_token,
            }))
        }
        Some(_) => Err(refused(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant_type is client_credentials or refresh_token",
        )),
        None => Err(invalid_request("grant_type is missing")),
    }
}

async fn exchange(house: &House, about: &About, secret: &str) -> Result<Value, Refused> {
    let unknown =
        || refused(StatusCode::UNAUTHORIZED, "invalid_client", "the API key is not valid");
    if ApiKey::parse(secret).is_err() {
        return Err(unknown());
    }
    let request = pb::ExchangeApiKeyRequest {
        api_key: secret.to_owned(),
        client_address: about.client.clone(),
    };
    let answer = sessions(house)
        .exchange_api_key(request)
        .await
        .map_err(|status| Refused::of(status.into(), "invalid_client"))?
        .into_inner();
    Ok(json!({
        "access_token": answer.access_token, "token_type": "Bearer",
        "expires_in": answer.expires_in_s,
    }))
}

/// The form, each parameter once (§3.2).
async fn form(request: Request) -> Result<BTreeMap<String, String>, Refused> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid_request("the body is application/x-www-form-urlencoded"));
    }
    let body = read_small(request).await.map_err(|failure| {
        refused(failure.status(), "invalid_request", failure.message().to_owned())
    })?;
    let mut form = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(&body) {
        if name.contains('\0') || value.contains('\0') {
            return Err(invalid_request(nul_refused(&name.replace('\0', "%00"))));
        }
        if form.insert(name.clone().into_owned(), value.into_owned()).is_some() {
            let name: String = name.chars().take(60).collect();
            return Err(invalid_request(format!("{name} stands twice in the body")));
        }
    }
    Ok(form)
}

/// The key: in the body, or by Basic; and whether it was Basic.
fn secret(headers: &HeaderMap, told: Option<&str>) -> Result<(String, bool), Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let told = told.ok_or_else(|| {
            refused(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "client_secret is missing: an API key",
            )
        })?;
        return Ok((told.to_owned(), false));
    };
    if told.is_some() || values.next().is_some() {
        return Err(invalid_request("the client authenticates in one way, not in two"));
    }
    let malformed = || Refused {
        basic: true,
        ..refused(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Authorization is not well-formed Basic",
        )
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let encoded = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let pair = encoded.and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok()).ok_or_else(malformed)?;
    let (name, password) = pair.split_once(':').ok_or_else(malformed)?;
    // The key names itself, so that it may also stand where people put a user name.
    let secret = if password.is_empty() { name } else { password };
    Ok((unescaped(secret).into_owned(), true))
}

/// Both halves are form-encoded before they are base64 (§2.3.1).
fn unescaped(text: &str) -> Cow<'_, str> {
    form_urlencoded::parse(format!("x={text}").as_bytes())
        .next()
        .map(|(_, value)| Cow::Owned(value.into_owned()))
        .unwrap_or(Cow::Borrowed(text))
}
