//! GraphQL over HTTP: POST, JSON, `Authorization`, and nothing else (AUTH-20), by the GraphQL over HTTP
//! specification. Every refusal has a GraphQL body, also those of who has no token.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::call::Services;
use super::execute::{self, Answer, Asked, Stopped, error_body, plain_error_body};
use crate::house::House;
use crate::refusal::{Kind, Refusal};
use crate::request::{About, add_retry, is_json, preferred};

/// The media types of answers, the one for who has no wish first.
const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// 200 for whatever is a well-formed request, as it has always been.
    Json,
    /// The status says what became of the request.
    Graphql,
}

impl Media {
    fn of(headers: &HeaderMap) -> Option<Self> {
        preferred(headers, &[JSON, GRAPHQL])
            .map(|at| if at == 0 { Self::Json } else { Self::Graphql })
    }

    const fn header(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
            Self::Graphql => {
                HeaderValue::from_static("application/graphql-response+json; charset=utf-8")
            }
        }
    }
}

/// `POST /graphql`.
pub(crate) async fn serve(
    State(house): State<Arc<House>>,
    about: About,
    request: Request,
) -> Response {
    let media = Media::of(request.headers());
    let plain = |status: StatusCode, code: &str, message: &str| {
        let body = plain_error_body(code, message, &about.request_id);
        respond(status, media.unwrap_or(Media::Json), &body)
    };
    let Some(media) = media else {
        let message = format!("answers are `{JSON}` or `{GRAPHQL}`; Accept names neither");
        return plain(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", &message);
    };
    if request.method() != Method::POST {
        let mut response =
            plain(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "GraphQL is asked by POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if is_encoded(request.headers()) {
        let message = "encoded request bodies are not accepted";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message);
    }
    if !is_json(request.headers()) {
        let message = "the body is JSON in UTF-8: `Content-Type: application/json`";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message);
    }
    // Who calls comes first: a body of nobody is not read.
    let session = match house.bearer.of_headers(request.headers(), &about.client).await {
        Ok(session) => Arc::new(session),
        Err(refusal) => return refuse(&house, media, &refusal, &about),
    };
    let scope = session.scope();
    let admitted = house.admission.request(&scope).and_then(|()| house.admission.call(&scope));
    let _until_answered = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(&house, media, &refusal, &about),
    };
    let limit = house.settings.graphql.body_bytes;
    let body = match read(request, limit).await {
        Ok(body) => body,
        Err(status) => {
            let message = format!("the body has more than {limit} bytes, or broke off");
            return plain(status, "BODY_TOO_LARGE", &message);
        }
    };
    let services = Services::new(Arc::clone(&house), session);
    let ready = match Asked::read(&body).map_err(Stopped::Malformed) {
        Ok(asked) => execute::prepare(&house, asked).await,
        Err(stopped) => Err(stopped),
    };
    let answer = match ready {
        Err(Stopped::Malformed(why)) => {
            return plain(StatusCode::BAD_REQUEST, "BAD_REQUEST", &why.0);
        }
        Err(Stopped::Refused { code, errors }) => Answer::Refused { code, errors },
        Ok(ready) if ready.kind == OperationType::Subscription => Answer::Refused {
            code: "SUBSCRIPTION_OVER_HTTP",
            errors: vec![ServerError::new("subscriptions are served on /graphql/ws", None)],
        },
        Ok(ready) => execute::run(&house, services, ready).await,
    };
    if let Answer::Refused { errors, .. } = &answer
        && let Some(refusal) = errors.first().and_then(|error| error.source::<Refusal>())
    {
        return refuse(&house, media, refusal, &about);
    }
    let status = match (&answer, media) {
        (Answer::Ran(_), _) | (Answer::Refused { .. }, Media::Json) => StatusCode::OK,
        (Answer::Refused { .. }, Media::Graphql) => StatusCode::BAD_REQUEST,
        (Answer::TimedOut(_), _) => StatusCode::GATEWAY_TIMEOUT,
    };
    respond(status, media, &answer.body(&about.request_id))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    values.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The body, as far as it may be long. What says that it is longer is not read at all.
async fn read(request: Request, limit: usize) -> Result<axum::body::Bytes, StatusCode> {
    if request.body().size_hint().lower() > limit as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    to_bytes(request.into_body(), limit).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}

/// 401 for who has no good token, 503 where that could not be found out, 429 for who has asked for too much.
fn refuse(house: &House, media: Media, refusal: &Refusal, about: &About) -> Response {
    let body = error_body(refusal, house.wall.now(), &about.request_id);
    let mut response = respond(refusal.http_status(), media, &body);
    add_retry(&mut response, refusal.retry);
    if refusal.kind() == Kind::Unauthenticated {
        let challenge = if refusal.reason == "TOKEN_MISSING" {
            HeaderValue::from_static("Bearer")
        } else {
            HeaderValue::from_static("Bearer error=\"invalid_token\"")
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn respond<T: serde::Serialize>(status: StatusCode, media: Media, body: &T) -> Response {
    let text = serde_json::to_string(body)
        .unwrap_or_else(|_| r#"{"errors":[{"message":"internal error"}]}"#.to_owned());
    (status, [(CONTENT_TYPE, media.header())], Body::from(text)).into_response()
}
