//! The small pages: the index, the one-time password link, and what they load. No page has a script or a style in
//! it: all come from here, as the content security policy asks (AUTH-22).

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use meta::error::{Explanation, Mender};
use serde_json::json;

use crate::auth_routes::json_response;
use crate::config::Settings;
use crate::house::House;
use crate::reasons::{REASONS, Reason};
use crate::request::{About, Failure, wants_page};

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/", get(index))
        .route("/errors", get(errors))
        .route("/assets/{name}", get(asset))
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    base: &'a str,
    socket: String,
}

#[derive(Template)]
#[template(path = "set_password.html")]
struct SetPassword;

/// A page that says one thing.
#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    message: &'a str,
    request_id: &'a str,
}

/// What every error means.
#[derive(Template)]
#[template(path = "errors.html")]
struct Errors {
    reasons: &'static [Reason],
    codes: Vec<MetaCode>,
}

/// A row of Meta's table, in words.
struct MetaCode {
    anchor: String,
    code: String,
    title: &'static str,
    cause: &'static str,
    mender: &'static str,
    remedy: &'static str,
}

impl MetaCode {
    fn of(row: &'static Explanation) -> Self {
        let code = match row.subcode {
            Some(subcode) => format!("{}.{subcode}", row.code),
            None if row.last > row.code => format!("{}–{}", row.code, row.last),
            None => row.code.to_string(),
        };
        let mender = match row.mender {
            Mender::Tenant => "the business",
            Mender::Operator => "the operator",
            Mender::Meta => "Meta",
            Mender::Customer => "the customer",
        };
        let anchor = format!("meta-{}", code.replace(['.', '–'], "-"));
        Self { anchor, code, title: row.title, cause: row.cause, mender, remedy: row.remedy }
    }
}

/// The page that `docsUrl` leads to.
async fn errors() -> Response {
    let codes = meta::error::all().iter().map(MetaCode::of).collect();
    page(StatusCode::OK, &Errors { reasons: &REASONS, codes })
}

/// Where sockets are, as a URL.
fn socket_url(settings: &Settings) -> String {
    let base = settings.public_url.strip_prefix("http").unwrap_or_default();
    format!("ws{base}/graphql/ws")
}

/// Links, and calls to paste.
async fn index(State(house): State<Arc<House>>, headers: HeaderMap) -> Response {
    let base = house.settings.public_url.as_str();
    let socket = socket_url(&house.settings);
    if wants_page(&headers) {
        return page(StatusCode::OK, &Index { base, socket });
    }
    json_response(&json!({
        "name": "Switchboard",
        "graphql": format!("{base}/graphql"),
        "graphql_ws": socket,
        "sign_in": format!("{base}/auth/sign-in"),
        "token": format!("{base}/oauth/token"),
        "jwks": format!("{base}/.well-known/jwks.json"),
        "errors": house.settings.docs_url,
    }))
}

/// `GET /auth/set-password`. The link's secret stands in the fragment, which the page's script alone reads.
pub(crate) async fn set_password() -> Response {
    page(StatusCode::OK, &SetPassword)
}

async fn asset(name: Result<Path<String>, PathRejection>, about: About) -> Response {
    let (kind, text) = match name.as_ref().map(|Path(name)| name.as_str()).unwrap_or_default() {
        "page.css" => ("text/css; charset=utf-8", include_str!("../assets/page.css")),
        "set-password.js" => {
            ("text/javascript; charset=utf-8", include_str!("../assets/set-password.js"))
        }
        "onboarding.js" => {
            ("text/javascript; charset=utf-8", include_str!("../assets/onboarding.js"))
        }
        _ => return unknown(&about),
    };
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=300")], text).into_response()
}

/// What no route is for.
pub(crate) fn unknown(about: &About) -> Response {
    Failure::new(StatusCode::NOT_FOUND, "ROUTE_UNKNOWN", "there is nothing at this path")
        .respond(about)
}

/// What a route's other methods are answered.
pub(crate) async fn wrong_method(about: About) -> Response {
    let message = "this path does not take this method; see the Allow header";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message).respond(&about)
}

/// A page, rendered.
pub(crate) fn page<T: Template>(status: StatusCode, page: &T) -> Response {
    match page.render() {
        Ok(text) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a page could not be rendered"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A refusal: a page for a browser, JSON for everybody else.
pub(crate) fn refuse(failure: &Failure, about: &About, headers: &HeaderMap) -> Response {
    if !wants_page(headers) {
        return failure.respond(about);
    }
    let title = match failure.status() {
        StatusCode::NOT_FOUND => "This link does not work",
        StatusCode::CONFLICT | StatusCode::BAD_REQUEST => "This did not work",
        _ => "Please try again",
    };
    let notice = Notice { title, message: failure.message(), request_id: &about.request_id };
    page(failure.status(), &notice)
}
