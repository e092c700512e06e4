//! The control API, `/_sandbox/v1`: what Meta, the customers and time itself do. JSON in and out,
//! errors `{"error":{"message"}}`, no authentication: it listens on loopback unless told otherwise.

mod apps;
mod customers;
mod reads;
mod states;
mod tuning;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::StatusCode;
use serde_json::{Value, json};

use crate::graph::error::GraphError;
use crate::hub::{Core, Gone};

/// A refusal of the control API.
#[derive(Debug)]
pub(crate) struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    fn absent(kind: &str, id: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {kind} {id}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": {"message": self.1}}))).into_response()
    }
}

impl From<Gone> for Refusal {
    fn from(_gone: Gone) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, "the sandbox is stopping".to_owned())
    }
}

impl From<crate::error::Error> for Refusal {
    fn from(error: crate::error::Error) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a read of the state file failed"
        );
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

impl From<GraphError> for Refusal {
    fn from(error: GraphError) -> Self {
        let body = error.body();
        let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        Self::bad(message)
    }
}

type Outcome = Result<Json<Value>, Refusal>;

/// A body that may be absent.
type MaybeBody<T> = Result<Json<T>, JsonRejection>;

/// The body, or its default where there is none at all.
fn body_or_default<T: Default>(body: MaybeBody<T>) -> Result<T, Refusal> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(JsonRejection::MissingJsonContentType(_)) => Ok(T::default()),
        Err(other) => Err(other.into()),
    }
}

pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route("/clock", get(tuning::read_clock).post(tuning::move_clock))
        .route("/settings", get(tuning::read_settings).put(tuning::change_settings))
        .route("/faults", get(tuning::faults).post(tuning::plant).delete(tuning::heal_all))
        .route("/faults/{id}", delete(tuning::heal))
        .route("/apps", get(apps::list))
        .route("/apps/{installation}", put(apps::put).get(apps::get))
        .route("/signups", post(apps::sign_up))
        .route("/ledger", get(reads::ledger))
        .route("/messages", get(reads::messages))
        .route("/inbound", get(reads::inbound))
        .route("/webhooks", get(reads::webhooks))
        .route("/webhooks/flush", post(reads::flush))
        .route("/templates", get(reads::templates))
        .route("/templates/{id}/{act}", post(states::template))
        .route("/numbers/{id}", get(reads::number))
        .route("/numbers/{id}/{act}", post(states::number))
        .route("/wabas/{id}/{act}", post(states::waba))
        .route("/businesses/{id}/{act}", post(states::business))
        .route("/customers/{wa_id}", put(customers::put).get(customers::get))
        .route("/customers/{wa_id}/{act}", post(customers::act))
        .route("/media", post(customers::upload))
        .fallback(async || Refusal(StatusCode::NOT_FOUND, "no such control".to_owned()))
}
