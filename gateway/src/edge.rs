//! The Cloud API edge: Meta's own paths, bodies and errors for a tenant's own numbers, so that a client of Meta's API
//! changes a host name and a token, and works. What is sent here takes the same way as what GraphQL sends: the services
//! decide, this maps.
//!
//! The order of refusals is Meta's: the token, then the object, then what was asked of it. Whatever is not the caller's
//! answers as an id that never was (100, subcode 33).

mod call;
mod error;
mod messages;
mod path;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use self::call::{Call, Input};
use self::error::GraphError;
use self::path::{Operation, Path};
use crate::graphql::Services;
use crate::house::House;
use crate::pages;
use crate::request::{About, add_retry};

/// Which version served the call.
const VERSION: HeaderName = HeaderName::from_static("facebook-api-version");
/// What Meta's support asks for; here the request's id, as in `fbtrace_id`.
const TRACE: HeaderName = HeaderName::from_static("x-fb-trace-id");
const REQUEST: HeaderName = HeaderName::from_static("x-fb-request-id");

/// What no other route takes: the Cloud API where the path is one of its, else a page that says so.
pub(crate) async fn fallback(
    State(house): State<Arc<House>>,
    about: About,
    request: Request,
) -> Response {
    match Path::read(request.uri().path()) {
        Some(path) => serve(house, about, path, request).await,
        None => pages::unknown(&about),
    }
}

async fn serve(house: Arc<House>, about: About, path: Path, request: Request) -> Response {
    let answered = answer(&house, &about, &path, request).await;
    let (status, body, retry) = match &answered {
        Ok(body) => (StatusCode::OK, body.to_string(), None),
        Err(error) => (error.status(), error.body(&about.request_id).to_string(), error.retry),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    let told = [
        (VERSION, path.version.as_str()),
        (TRACE, about.request_id.as_str()),
        (REQUEST, about.request_id.as_str()),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if let Err(error) = &answered {
        if status == StatusCode::UNAUTHORIZED {
            let challenge =
                format!("OAuth \"Facebook Platform\" \"invalid_token\" \"{}\"", error.title());
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
        }
    }
    add_retry(&mut response, retry);
    response
}

async fn answer(
    house: &Arc<House>,
    about: &About,
    path: &Path,
    request: Request,
) -> Result<Value, GraphError> {
    // Who calls comes first: a body of nobody is not read.
    let query = Input::of_query(request.uri().query().unwrap_or_default());
    let bearer = &house.bearer;
    let session = if request.headers().contains_key(AUTHORIZATION) {
        bearer.of_headers(request.headers(), &about.client).await
    } else {
        // As Meta's Business SDK sends it; access logs keep no query.
        let token = query.text("access_token").unwrap_or_default();
        bearer.of_text(&token, &about.client).await
    };
    let session = Arc::new(session?);
    let scope = session.scope();
    house.admission.request(&scope)?;
    let _until_answered = house.admission.call(&scope)?;
    let services = Services::new(Arc::clone(house), session);
    let operation = Operation::of(request.method(), path)?;
    let key = request.headers().get("idempotency-key").cloned();
    let input = query.with_body(request).await?;
    let call = Call::new(services, path, input, key.as_ref())?;
    match operation {
        Operation::Messages => messages::post(&call).await,
    }
}

/// The methods that Meta knows.
const fn is_known(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::POST | Method::DELETE)
}
