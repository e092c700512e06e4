//! From JSON that asks to JSON that answers, whatever carries it: HTTP or a socket.
//!
//! A request is refused as early as it can be: its size before it is parsed, its document before it is validated,
//! its variables before it runs. What is refused before it runs has no `data`. Every error leaves with a code and
//! the request's id, and with nothing else of us.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{PathSegment, Pos, Request, Response, ServerError, Value, Variables};
use kernel::time::Timestamp;
use net::grpc::deadline::{Deadline, within};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tokio::time::Instant;

use super::call::{Call, Services};
use super::error::server_error;
use super::limits;
use crate::house::House;
use crate::refusal::Refusal;
use crate::request::{nul_in, nul_refused};

/// Longest message of an error, in characters: messages may quote what was sent.
const LONGEST_MESSAGE: usize = 600;
/// What the library says of a document that costs too much, without the limit.
const TOO_COMPLEX: &str = "Query is too complex.";
/// Most errors of an answer.
pub(crate) const MOST_ERRORS: usize = 20;

/// A request, as JSON carries it. Unknown members are ignored, as the GraphQL over HTTP specification asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with `query`")]
pub(crate) struct Asked {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Map<String, serde_json::Value>>,
    #[serde(default)]
    extensions: Option<Map<String, serde_json::Value>>,
}

/// Why nothing was even tried: the request itself is malformed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl Asked {
    /// Reads a body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(Malformed("batches are not taken: send one request a call".to_owned()));
        }
        serde_json::from_slice(body)
            .map_err(|error| Malformed(format!("the body is no GraphQL request: {error}")))
    }

    /// The same from JSON that was read already.
    pub(crate) fn of(value: serde_json::Value) -> Result<Self, Malformed> {
        serde_json::from_value(value)
            .map_err(|error| Malformed(format!("the payload is no GraphQL request: {error}")))
    }
}

/// A request that may run.
pub(crate) struct Ready {
    request: Request,
    pub(crate) kind: OperationType,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a request does not run.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It is none.
    Malformed(Malformed),
    /// Its document, or what goes with it, can't be taken.
    Refused {
        /// Of the errors that have none.
        code: &'static str,
        errors: Vec<ServerError>,
    },
}

fn refused(code: &'static str, error: ServerError) -> Stopped {
    Stopped::Refused { code, errors: vec![error] }
}

/// The parser draws the line and points at the place, which may be a long line: what it expected is at the end, and
/// where it is stands in `locations`.
fn unparsed(mut error: ServerError) -> ServerError {
    let expected = error.message.rsplit_once("\n  = ").map(|(_, expected)| expected.trim());
    if let (Some(expected), Some(place)) = (expected, error.locations.first()) {
        error.message = format!(
            "the document can't be read at line {}, column {}: {expected}",
            place.line, place.column
        );
    }
    error
}

/// Parses and measures.
pub(crate) async fn prepare(house: &House, asked: Asked) -> Result<Ready, Stopped> {
    let Asked { query, operation_name, variables, extensions } = asked;
    let limits = &house.settings.graphql;
    let malformed = |text: &str| Stopped::Malformed(Malformed(text.to_owned()));
    let long = query.as_ref().is_some_and(|query| query.len() > limits.document_bytes);
    if long {
        let message = format!("the document has more than {} bytes", limits.document_bytes);
        return Err(refused("DOCUMENT_TOO_LARGE", ServerError::new(message, None)));
    }
    let (variables, extensions) = (variables.unwrap_or_default(), extensions.unwrap_or_default());
    let variables = serde_json::Value::Object(variables);
    let texts = [("operationName", &operation_name), ("query", &query)];
    let nul = texts
        .iter()
        .find(|(_, text)| text.as_ref().is_some_and(|text| text.contains('\0')))
        .map(|(name, _)| (*name).to_owned())
        .or_else(|| nul_in(&variables).map(|place| format!("variables{place}")));
    if let Some(place) = nul {
        return Err(malformed(&nul_refused(&place)));
    }
    let query = house
        .persisted
        .resolve(query, &extensions)
        .await
        .map_err(|why| refused(why.code(), why.error()))?;
    let Some(query) = query else { return Err(malformed("the request has no `query`")) };

    let mut request = Request::new(query).variables(Variables::from_json(variables));
    request.operation_name = operation_name;
    let name = request.operation_name.clone();
    let given = request.variables.clone();
    let document =
        request.parsed_query().map_err(|error| refused("GRAPHQL_PARSE_FAILED", unparsed(error)))?;
    limits::check(document, limits).map_err(|error| refused("DOCUMENT_TOO_COMPLEX", error))?;
    let operation = limits::operation(document, name.as_deref()).ok_or_else(|| {
        let message =
            "the document has several operations, or not the one that `operationName` names";
        refused("OPERATION_UNKNOWN", ServerError::new(message, None))
    })?;
    limits::check_variables(operation, &given).map_err(|error| refused("BAD_USER_INPUT", error))?;
    let kind = operation.ty;
    Ok(Ready { request, kind })
}

/// Runs a query or a mutation.
pub(crate) async fn run(house: &Arc<House>, services: Services, ready: Ready) -> Answer {
    let limit = Duration::from_secs(house.settings.graphql.timeout_seconds);
    let request = ready.request.data(Call::new(services));
    let running = house.schema.0.execute(request);
    // Calls that resolvers place end with it.
    let end = Deadline(Instant::now() + limit);
    match tokio::time::timeout(limit, within(end, running)).await {
        Ok(mut response) => {
            for error in response.errors.iter_mut().filter(|error| error.message == TOO_COMPLEX) {
                error.message = format!(
                    "the document is too complex: it costs more than {} fields; ask for smaller pages, or for less of each item",
                    house.settings.graphql.complexity
                );
            }
            Answer::of(response)
        }
        Err(_elapsed) => {
            let message = format!("the request took longer than {} s", limit.as_secs());
            Answer::TimedOut(ServerError::new(message, None))
        }
    }
}

/// Starts a subscription.
pub(crate) fn start(
    house: &Arc<House>,
    services: Services,
    ready: Ready,
) -> futures::stream::BoxStream<'static, Response> {
    house.schema.0.execute_stream(ready.request.data(Call::new(services)))
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It ran.
    Ran(Response),
    /// It was refused before it ran.
    Refused { code: &'static str, errors: Vec<ServerError> },
    /// It ran out of time; what it changed is not known.
    TimedOut(ServerError),
}

impl Answer {
    /// Validation refuses with errors that have no path; what ran has a path in each.
    pub(crate) fn of(response: Response) -> Self {
        let nowhere = response.errors.iter().all(|error| error.path.is_empty());
        if !response.errors.is_empty() && nowhere && response.data == Value::Null {
            return Self::Refused { code: "GRAPHQL_VALIDATION_FAILED", errors: response.errors };
        }
        Self::Ran(response)
    }

    /// As JSON.
    pub(crate) fn body(&self, request_id: &str) -> Body<'_> {
        match self {
            Self::Ran(response) => Body {
                data: Some(&response.data),
                errors: errors(&response.errors, "BAD_USER_INPUT", request_id),
            },
            Self::Refused { code, errors: all } => {
                Body { data: None, errors: errors(all, code, request_id) }
            }
            Self::TimedOut(error) => Body {
                data: None,
                errors: errors(std::slice::from_ref(error), "DEADLINE_EXCEEDED", request_id),
            },
        }
    }
}

/// The body of an answer; fields in the order that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Told<'a>>,
}

/// An error as it leaves.
#[derive(Debug, Serialize)]
pub(crate) struct Told<'a> {
    message: String,
    #[serde(skip_serializing_if = "<[Pos]>::is_empty")]
    locations: &'a [Pos],
    #[serde(skip_serializing_if = "<[PathSegment]>::is_empty")]
    path: &'a [PathSegment],
    extensions: Map<String, serde_json::Value>,
}

/// Errors as they leave: with a code, the request's id, and a message of bounded length.
pub(crate) fn errors<'a>(errors: &'a [ServerError], code: &str, request_id: &str) -> Vec<Told<'a>> {
    let told = |error: &'a ServerError| {
        let known = error.extensions.as_ref();
        let text = |name: &str| known.and_then(|known| known.get(name)).cloned();
        let mut extensions = Map::new();
        let code = text("code").map_or_else(|| json!(code), |code| json!(code));
        extensions.insert("code".to_owned(), code);
        for name in ["reason", "retryAt"] {
            if let Some(value) = text(name) {
                extensions.insert(name.to_owned(), json!(value));
            }
        }
        extensions.insert("requestId".to_owned(), request_id.into());
        let mut message: String = error.message.chars().take(LONGEST_MESSAGE).collect();
        if message.ends_with(r#"expected type "DateTime""#) {
            message.push_str(": RFC 3339, such as 2026-11-23T09:30:00Z");
        }
        Told { message, locations: &error.locations, path: &error.path, extensions }
    };
    errors.iter().take(MOST_ERRORS).map(told).collect()
}

/// A body with one error and no data, for what is refused before GraphQL has a word.
pub(crate) fn error_body(refusal: &Refusal, now: Timestamp, request_id: &str) -> serde_json::Value {
    let error = server_error(refusal, now);
    json!({ "errors": errors(&[error], refusal.code_name(), request_id) })
}

/// The same with a code of its own.
pub(crate) fn plain_error_body(code: &str, message: &str, request_id: &str) -> serde_json::Value {
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    json!({ "errors": [{ "message": message, "extensions": { "code": code, "requestId": request_id } }] })
}
