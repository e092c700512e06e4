//! What handlers ask of a request, and how they refuse one in plain JSON.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{HttpBody as _, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kernel::ids::random_token;
use net::http::{ClientAddr, RequestId};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::config::Settings;
use crate::house::House;
use crate::refusal::Refusal;

/// Header that a script must add and a form can't (AUTH-20).
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-sb-csrf");

/// Largest body of what is no GraphQL.
const SMALL: usize = 64 << 10;

/// Where a request came from, and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) request_id: String,
    /// Address as the edge knows it; empty while it does not (AUTH-16).
    pub(crate) client: String,
}

impl FromRequestParts<Arc<House>> for About {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let address = parts.extensions.get::<ClientAddr>().and_then(|address| address.client);
        Ok(Self {
            request_id: known.unwrap_or_else(|| random_token(&*house.ids, 12)),
            client: address.map(|ip| ip.to_string()).unwrap_or_default(),
        })
    }
}

/// A refusal as plain JSON: `{"error": {"code", "message", "fields", "request_id"}}`.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    fields: Vec<(String, String)>,
    retry: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, fields: Vec::new(), retry: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn respond(&self, about: &About) -> Response {
        let mut error = json!({
            "code": self.code, "message": self.message, "request_id": about.request_id,
        });
        if let (Some(error), false) = (error.as_object_mut(), self.fields.is_empty()) {
            let fields = self.fields.iter();
            let fields = fields.map(|(field, text)| json!({ "field": field, "message": text }));
            error.insert("fields".to_owned(), fields.collect());
        }
        let mut response = (
            self.status,
            [(CONTENT_TYPE, "application/json")],
            json!({ "error": error }).to_string(),
        )
            .into_response();
        add_retry(&mut response, self.retry);
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.http_status(),
            code: refusal.reason,
            message: refusal.message,
            fields: refusal.violations,
            retry: refusal.retry,
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Refusal::from(status).into()
    }
}

/// Says when it is worth repeating.
pub(crate) fn add_retry(response: &mut Response, retry: Option<Duration>) {
    if let Some(after) = retry {
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Whether the body says that it is JSON in UTF-8.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, set)) if name.trim().eq_ignore_ascii_case("charset") => {
            let set = set.trim().trim_matches('"');
            set.eq_ignore_ascii_case("utf-8") || set.eq_ignore_ascii_case("utf8")
        }
        Some(_) | None => true,
    })
}

/// A body of JSON, each field known.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    if !is_json(request.headers()) {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "the body is JSON in UTF-8: `Content-Type: application/json`",
        ));
    }
    let body = read_small(request).await?;
    // A list would be taken for the fields in their order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Failure::bad_request("the body is one JSON object, not a list"));
    }
    let unreadable =
        |error: serde_json::Error| Failure::bad_request(format!("the body can't be read: {error}"));
    let value: T = serde_json::from_slice(&body).map_err(unreadable)?;
    // No text that we store has one (IN-3); JSON writes it as \u0000, so the bytes tell.
    if body.windows(6).any(|six| six == b"\\u0000") {
        let read: serde_json::Value = serde_json::from_slice(&body).map_err(unreadable)?;
        if let Some(place) = nul_in(&read) {
            return Err(Failure::bad_request(nul_refused(&place)));
        }
    }
    Ok(value)
}

/// Where a text with U+0000 stands in `value`, such as `.content.parameters[0]`.
pub(crate) fn nul_in(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| nul_in(item).map(|rest| format!("[{at}]{rest}"))),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            if name.contains('\0') {
                return Some(format!(".{}", name.replace('\0', "\\u0000")));
            }
            nul_in(value).map(|rest| format!(".{name}{rest}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// What is said about it.
pub(crate) fn nul_refused(place: &str) -> String {
    // A name may be as long as a body.
    let place: String = place.trim_start_matches('.').chars().take(200).collect();
    format!("{place}: U+0000 is not allowed in any text")
}

/// A body that is small.
pub(crate) async fn read_small(request: Request) -> Result<axum::body::Bytes, Failure> {
    let too_large = || {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            format!("the body has more than {SMALL} bytes, or broke off"),
        )
    };
    // What says that it is longer is not read at all.
    if request.body().size_hint().lower() > SMALL as u64 {
        return Err(too_large());
    }
    to_bytes(request.into_body(), SMALL).await.map_err(|_| too_large())
}

/// Which of `offers` the caller would rather have; the first where it has no wish, none where it wants none.
pub(crate) fn preferred(headers: &HeaderMap, offers: &[&str]) -> Option<usize> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        ranges.extend(value.to_str().ok()?.split(',').filter_map(range));
    }
    if ranges.is_empty() {
        return Some(0);
    }
    let mut best: Option<(usize, u16, usize)> = None;
    for (at, offer) in offers.iter().enumerate() {
        // The most specific range counts; among offers the higher weight, then who was named first.
        let matching = ranges.iter().enumerate().filter(|(_, (kind, _))| matches(kind, offer));
        let Some((place, (_, weight))) = matching.max_by_key(|(_, (kind, _))| specificity(kind))
        else {
            continue;
        };
        let better = best.is_none_or(|(_, known, where_known)| {
            *weight > known || (*weight == known && place < where_known)
        });
        if *weight > 0 && better {
            best = Some((at, *weight, place));
        }
    }
    best.map(|(at, ..)| at)
}

/// A media range and its weight in thousandths.
fn range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().filter(|kind| !kind.is_empty())?.to_ascii_lowercase();
    let mut weight = 1000;
    for parameter in parts {
        if let Some(("q" | "Q", value)) = parameter.split_once('=') {
            weight = thousandths(value.trim())?;
        }
    }
    Some((kind, weight))
}

/// A weight of 0 to 1 with at most three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let lawful = part.len() <= 3 && part.bytes().all(|digit| digit.is_ascii_digit());
    let part = format!("{part:0<3}").parse::<u16>().ok().filter(|_| lawful)?;
    match whole {
        "0" => Some(part),
        "1" => Some(1000),
        _ => None,
    }
}

fn matches(range: &str, offer: &str) -> bool {
    range == "*/*"
        || range == offer
        || range
            .strip_suffix("/*")
            .is_some_and(|kind| offer.split_once('/').is_some_and(|(known, _)| known == kind))
}

fn specificity(range: &str) -> u8 {
    if range == "*/*" {
        0
    } else if range.ends_with("/*") {
        1
    } else {
        2
    }
}

/// Whether a browser asks for a page rather than data.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ACCEPT)
        && preferred(headers, &["application/json", "text/html"]) == Some(1)
}

/// Whether the request comes from a script of our own pages (AUTH-20): nobody else's can write both headers.
pub(crate) fn is_own_script(settings: &Settings, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let own =
        origins.next().is_some_and(|origin| origin.as_bytes() == settings.own_origin.as_bytes());
    own && origins.next().is_none() && headers.contains_key(CSRF)
}

/// Whether a request that names its origin names one of ours. Programs name none.
pub(crate) fn is_known_origin(settings: &Settings, headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().all(|origin| {
        origin.to_str().is_ok_and(|origin| {
            origin == settings.own_origin
                || settings.allowed_origins.iter().any(|allowed| allowed == origin)
        })
    })
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    const OFFERS: [&str; 2] = ["application/json", "application/graphql-response+json"];

    #[rstest]
    #[case("*/*", Some(0))]
    #[case("application/*", Some(0))]
    #[case("application/json", Some(0))]
    #[case("application/graphql-response+json", Some(1))]
    #[case("application/graphql-response+json, application/json;q=0.9", Some(1))]
    #[case("application/json, application/graphql-response+json", Some(0))]
    #[case("application/graphql-response+json;q=0.1, */*", Some(0))]
    #[case("text/html", None)]
    #[case("application/json;q=0", None)]
    #[case("", Some(0))]
    fn the_better_liked_type_is_answered(
        #[case] accept: &'static str,
        #[case] wanted: Option<usize>,
    ) {
        assert_eq!(preferred(&headers(ACCEPT, accept), &OFFERS), wanted);
    }

    #[rstest]
    #[case("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true)]
    #[case("application/json", false)]
    #[case("*/*", false)]
    fn a_browser_gets_a_page(#[case] accept: &'static str, #[case] page: bool) {
        assert_eq!(wants_page(&headers(ACCEPT, accept)), page);
    }

    #[rstest]
    #[case("application/json", true)]
    #[case("Application/JSON; charset=UTF-8", true)]
    #[case("application/json; charset=\"utf-8\"", true)]
    #[case("application/json; charset=latin1", false)]
    #[case("application/jsonp", false)]
    #[case("text/plain", false)]
    #[case("multipart/form-data; boundary=x", false)]
    fn only_json_is_json(#[case] kind: &'static str, #[case] json: bool) {
        assert_eq!(is_json(&headers(CONTENT_TYPE, kind)), json);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(COOKIE, "a=1; __Host-sb=secret==; b=2");
        assert_eq!(cookie(&headers, "__Host-sb").as_deref(), Some("secret=="));
        assert_eq!(cookie(&headers, "sb"), None);
    }
}
