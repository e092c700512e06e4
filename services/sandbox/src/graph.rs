//! Meta's Graph API, as far as a BSP uses it: one route, `/{version}/{id}/{edge}`, dispatched by
//! what the id names. The version may be any or none; the answer says which one served.
//!
//! Order of every call: faults that a test planted, token (190, 104), object (100/33), permission
//! (10), state of the account (131031, 368), limits, parameters. Sends go on as Meta's do: see
//! `messages`.

pub(crate) mod access;
mod analytics;
mod apps;
mod business;
mod dialog;
pub(crate) mod error;
mod fields;
mod flows;
mod media;
mod message_interactive;
mod message_pricing;
mod message_rules;
mod messages;
mod nodes;
mod number_extras;
mod numbers;
mod oauth;
mod profile;
pub(crate) mod request;
mod template_buttons;
mod template_fill;
pub(crate) mod template_life;
mod template_rules;
pub(crate) mod templates;
mod upload;
mod waba;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::faults::{Action, Target};
use crate::hub::Core;
use crate::server::DropConnection;
use crate::world::Kind;

use error::GraphError;
use request::{Call, PublicUrl};

pub(crate) use dialog::{SignUp, sign_up};
pub(crate) use media::{MediaKind, media_url, sample, store as store_media};

/// What a path without a version is served as.
pub(crate) const NEWEST_VERSION: &str = "v24.0";

/// `v23.0` as a number to compare with.
pub(crate) fn version_number(version: &str) -> f64 {
    version.trim_start_matches('v').parse().unwrap_or(24.0)
}

/// What a call is answered with.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(Value),
    /// A body beside the usual envelope, with its status.
    Status(u16, Value),
    Html(u16, String),
    Script(String),
    Redirect(String),
    Bytes(String, Bytes),
    /// The connection closes without an answer.
    Nothing,
}

/// `{"success": true}`.
pub(crate) fn success() -> Reply {
    Reply::Json(json!({"success": true}))
}

type Answer = Result<Reply, GraphError>;

/// A call under way, with the faults that meet it.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) call: &'a Call,
    pub(crate) faults: &'a Action,
}

/// Serves one request.
pub(crate) async fn handle(State(core): State<Arc<Core>>, request: Request<Body>) -> Response {
    let public = PublicUrl { configured: core.config.public_url.as_deref(), own: &core.base_url };
    let (version, answer) = match Call::read(request, &public).await {
        Ok(call) => (call.version.clone(), serve(&core, &call).await),
        Err(error) => (NEWEST_VERSION.to_owned(), Err(error)),
    };
    respond(&version, answer)
}

async fn serve(core: &Arc<Core>, call: &Call) -> Answer {
    let batch = call.path.is_empty() && call.method == "POST" && call.params.contains_key("batch");
    if batch { serve_batch(core, call).await } else { serve_one(core, call).await }
}

async fn serve_one(core: &Arc<Core>, call: &Call) -> Answer {
    let id = call.segment(0).unwrap_or_default();
    let edge = call.segment(1).unwrap_or_default();
    let kind = core.peek(|world| world.kind(id));
    let operation = operation(kind, id, edge);
    let faults = core.act(|world| {
        let number = world.numbers.get(id);
        let template = world.templates.get(id);
        let waba_id = number
            .map(|number| number.waba_id.clone())
            .or_else(|| template.map(|template| template.waba_id.clone()))
            .or_else(|| (kind == Some(Kind::Waba)).then(|| id.to_owned()));
        let number_id = number.map(|number| number.id.clone());
        let app_id = access::app_of(world, call).or_else(|| call.str("client_id"));
        world.take_faults(Target {
            operation,
            method: &call.method,
            app_id: app_id.as_deref(),
            waba_id: waba_id.as_deref(),
            number_id: number_id.as_deref(),
        })
    });
    let faults = faults.await?;
    if let Some(delay) = faults.delay_ms {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if faults.drop_before {
        return Ok(Reply::Nothing);
    }
    let work = Work { core, call, faults: &faults };
    let planted = faults
        .error
        .as_ref()
        .map(GraphError::planted)
        .or_else(|| faults.http_status.map(GraphError::out_of_service));
    // A refused send stands in the ledger too, so `messages` answers its own faults.
    if let (Some(error), false) = (planted, operation == "messages") {
        return if faults.drop_answer { Ok(Reply::Nothing) } else { Err(error) };
    }
    let answer = dispatch(work, kind, id, edge).await;
    if faults.drop_answer { Ok(Reply::Nothing) } else { answer }
}

/// Name of an operation, for faults.
fn operation(kind: Option<Kind>, id: &str, edge: &str) -> &'static str {
    match (kind, edge) {
        (Some(Kind::Number), "messages" | "marketing_messages") => "messages",
        (Some(Kind::Number), "media") | (Some(Kind::Media), _) => "media",
        (Some(Kind::Number), "register") => "register",
        (Some(Kind::Number), "deregister") => "deregister",
        (Some(Kind::Number), "request_code") => "request_code",
        (Some(Kind::Number), "verify_code") => "verify_code",
        (Some(Kind::Number), "whatsapp_business_profile") => "profile",
        (Some(Kind::Number), "settings") => "settings",
        (Some(Kind::Number), _) => "number",
        (Some(Kind::Waba), "message_templates") | (Some(Kind::Template), _) => "templates",
        (Some(Kind::Waba), "phone_numbers") => "phone_numbers",
        (Some(Kind::Waba), "subscribed_apps") => "subscribed_apps",
        (Some(Kind::Waba), "flows") | (Some(Kind::Flow), _) => "flows",
        (Some(Kind::Waba), _) => "waba",
        (Some(Kind::App), "subscriptions") => "subscriptions",
        (Some(Kind::App), "uploads") => "upload",
        (Some(Kind::Business), _) => "business",
        (Some(Kind::Credit | Kind::Allocation), _) => "credit",
        (None, _) if id == "oauth" => "code_exchange",
        (None, _) if id == "debug_token" => "debug_token",
        (None, _) if id.starts_with("upload:") => "upload",
        (Some(Kind::App | Kind::User) | None, _) => "other",
    }
}

async fn dispatch(work: Work<'_>, kind: Option<Kind>, id: &str, edge: &str) -> Answer {
    let call = work.call;
    if call.path.len() > 3 {
        return Err(GraphError::no_path(&call.path.join("/")));
    }
    match (kind, id, edge) {
        (Some(Kind::Number), _, "messages" | "marketing_messages") => {
            messages::send(work, id).await
        }
        (Some(Kind::Number), _, "media") => media::upload(work, id).await,
        (Some(Kind::Number), ..) => numbers::serve(work, id, edge).await,
        (Some(Kind::Media), ..) => media::serve(work, id).await,
        (Some(Kind::Waba), _, "message_templates") => templates::of_waba(work, id).await,
        (Some(Kind::Template), ..) => templates::node(work, id, edge).await,
        (Some(Kind::Waba), _, "flows") => flows::of_waba(work, id).await,
        (Some(Kind::Flow), ..) => flows::node(work, id, edge).await,
        (Some(Kind::Waba), ..) => waba::serve(work, id, edge).await,
        (Some(Kind::App), _, "uploads") => upload::begin(work, id).await,
        (Some(Kind::App), ..) => apps::serve(work, id, edge).await,
        (Some(Kind::Business), ..) => business::serve(work, id, edge),
        (Some(Kind::Credit | Kind::Allocation), ..) => business::credit(work, id, edge).await,
        (None, "oauth", "access_token") => oauth::exchange(work).await,
        (None, "dialog", "oauth") => dialog::serve(work).await,
        (None, "debug_token", "") => oauth::debug_token(work),
        (Some(Kind::User), ..) | (None, "me", _) => oauth::me(work),
        (None, "app", "") => apps::of_token(work),
        (None, "whatsapp_business", "attachments") => media::download(work).await,
        (None, _, "sdk.js") | (None, "sdk.js", _) => Ok(Reply::Script(dialog::sdk(&call.base_url))),
        (None, ..) if id.starts_with("upload:") => upload::proceed(work, id).await,
        (None, "", _) => {
            Err(GraphError::new(400, 2500, "An unknown error occurred: no path was given."))
        }
        (None, ..) => {
            // Whether an id exists is told to valid tokens alone.
            work.core.peek(|world| access::caller(world, call, work.core.now_us()))?;
            Err(GraphError::no_object(&call.method, id))
        }
    }
}

/// Plain parts of a batch request: each is a call of its own; one failing part fails alone.
async fn serve_batch(core: &Arc<Core>, call: &Call) -> Answer {
    let Some(Value::Array(parts)) = call.json("batch") else {
        return Err(GraphError::param("Param batch must be an array."));
    };
    if parts.len() > 50 {
        return Err(GraphError::param("Too many requests in batch: the most is 50."));
    }
    let mut answers = Vec::with_capacity(parts.len());
    for part in &parts {
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        let uri = format!("/{}", text("relative_url").trim_start_matches('/'));
        let method = if text("method").is_empty() { "GET" } else { text("method") };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(text("body").to_owned()))
            .map_err(|_bad| GraphError::param("A part of the batch is not a valid request."))?;
        let public = PublicUrl { configured: Some(&call.base_url), own: &core.base_url };
        let answer = match Call::read(request, &public).await {
            Ok(mut part) => {
                part.token = part.token.or_else(|| call.token.clone());
                Box::pin(serve_one(core, &part)).await
            }
            Err(error) => Err(error),
        };
        let (code, body) = match answer {
            Ok(Reply::Json(body)) => (200, body),
            Ok(Reply::Status(code, body)) => (code, body),
            Ok(_) => {
                answers.push(Value::Null);
                continue;
            }
            Err(error) => (error.http, error.body()),
        };
        answers.push(json!({"code": code, "headers": [], "body": body.to_string()}));
    }
    Ok(Reply::Json(Value::Array(answers)))
}

fn respond(version: &str, answer: Answer) -> Response {
    let json_of = |http: u16, body: &Value| {
        let status = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/json; charset=UTF-8");
        (status, [(header::CONTENT_TYPE, kind)], crate::wire::escape(&body.to_string()))
            .into_response()
    };
    let mut response = match answer {
        Ok(Reply::Json(body)) => json_of(200, &body),
        Ok(Reply::Status(http, body)) => json_of(http, &body),
        Ok(Reply::Html(http, page)) => {
            let status = StatusCode::from_u16(http).unwrap_or(StatusCode::OK);
            (status, axum::response::Html(page)).into_response()
        }
        Ok(Reply::Script(script)) => {
            ([(header::CONTENT_TYPE, "application/javascript; charset=utf-8")], script)
                .into_response()
        }
        Ok(Reply::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Ok(Reply::Bytes(mime, bytes)) => ([(header::CONTENT_TYPE, mime)], bytes).into_response(),
        Ok(Reply::Nothing) => {
            let mut response = StatusCode::BAD_GATEWAY.into_response();
            response.extensions_mut().insert(DropConnection);
            return response;
        }
        Err(error) => json_of(error.http, &error.body()),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("facebook-api-version", version.to_owned()),
        ("x-fb-request-id", crate::ids::alphanumeric(22)),
        ("x-fb-trace-id", crate::ids::alphanumeric(11)),
        ("x-fb-rev", "1000000001".to_owned()),
        ("x-fb-debug", crate::ids::alphanumeric(44)),
        ("x-app-usage", r#"{"call_count":0,"total_cputime":0,"total_time":0}"#.to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
