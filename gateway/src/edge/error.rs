//! Refusals in Meta's envelope. What Meta itself said goes on unchanged, with its `fbtrace_id`; what we refuse gets the
//! code that Meta has for the same.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use crate::refusal::{Kind, Refusal};

/// An answer `{"error": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphError {
    /// The key for all logic of clients.
    pub(crate) code: i64,
    subcode: Option<i64>,
    /// The text without its number.
    title: String,
    /// Why, for people.
    details: String,
    /// Meta's own, where Meta refused.
    fbtrace_id: String,
    /// When it is worth repeating.
    pub(crate) retry: Option<Duration>,
}

impl GraphError {
    fn new(code: i64, title: impl Into<String>, details: impl Into<String>) -> Self {
        Self {
            code,
            subcode: None,
            title: title.into(),
            details: details.into(),
            fbtrace_id: String::new(),
            retry: None,
        }
    }

    /// A code with Meta's name for it, and why.
    fn coded(code: i64, details: impl Into<String>) -> Self {
        let title = meta::error::explain(code).map_or("Something went wrong", |row| row.title);
        Self::new(code, title, details)
    }

    /// A parameter that can't be taken.
    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::new(100, problem.clone(), problem)
    }

    /// A parameter that is not there.
    pub(crate) fn missing(name: &str) -> Self {
        Self::invalid(format!("The parameter {name} is required."))
    }

    /// An object that is not there, or not the caller's, or can't do this: all the same.
    pub(crate) fn unsupported(method: &Method, id: &str) -> Self {
        let verb = method.as_str().to_ascii_lowercase();
        let id: String = id.chars().take(40).collect();
        let title = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api"
        );
        Self { subcode: Some(33), ..Self::new(100, title, "") }
    }

    /// An edge that no object has.
    pub(crate) fn unknown_path(edge: &[&str]) -> Self {
        let path: String = edge.join("/").chars().take(80).collect();
        Self::new(2500, format!("Unknown path components: /{path}"), "")
    }

    /// A method that is none of the Graph API's.
    pub(crate) fn wrong_method(method: &Method) -> Self {
        let method: String = method.as_str().chars().take(20).collect();
        Self::new(3, format!("The method {method} is not known; use GET, POST or DELETE"), "")
    }

    /// The text without its number.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// The HTTP status that goes with the code.
    pub(crate) const fn status(&self) -> StatusCode {
        match self.code {
            0 | 102 | 104 | 190 => StatusCode::UNAUTHORIZED,
            10 | 200..=299 | 368 | 130_497 | 131_005 | 131_031 => StatusCode::FORBIDDEN,
            4 | 17 | 613 | 80_007 | 80_008 | 130_429 | 131_056 => StatusCode::TOO_MANY_REQUESTS,
            3 => StatusCode::METHOD_NOT_ALLOWED,
            1 | 131_000 => StatusCode::INTERNAL_SERVER_ERROR,
            2 | 131_016 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    const fn kind(&self) -> &'static str {
        match (self.code, self.subcode) {
            (100, Some(33)) => "GraphMethodException",
            _ => "OAuthException",
        }
    }

    /// The body. Without a trace id of Meta's it has the request's.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let message = match (self.code, self.subcode) {
            (100, Some(33)) | (104 | 190 | 2500, _) => self.title.clone(),
            (code, _) => format!("(#{code}) {}", self.title),
        };
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(message));
        error.insert("type".to_owned(), json!(self.kind()));
        error.insert("code".to_owned(), json!(self.code));
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".to_owned(), json!(subcode));
        }
        if matches!(self.code, 1 | 2) {
            error.insert("is_transient".to_owned(), json!(true));
        }
        if !self.details.is_empty() {
            let data = json!({ "messaging_product": "whatsapp", "details": self.details });
            error.insert("error_data".to_owned(), data);
        }
        let trace = if self.fbtrace_id.is_empty() { request_id } else { &self.fbtrace_id };
        error.insert("fbtrace_id".to_owned(), json!(trace));
        json!({ "error": error })
    }

    /// A service's refusal to do something with an object.
    pub(crate) fn about(status: Status, method: &Method, id: &str) -> Self {
        let refusal = Refusal::from(status);
        match (refusal.kind(), refusal.reason.as_str()) {
            // Of what the body names: the node itself is there.
            (Kind::NotFound, "MESSAGE_NOT_FOUND") => Self::coded(131_009, refusal.message),
            (Kind::NotFound, _) => Self::unsupported(method, id),
            _ => refusal.into(),
        }
    }
}

/// Meta's code for a reason of ours.
fn code_of(refusal: &Refusal) -> i64 {
    match refusal.reason.as_str() {
        "TOKEN_MISSING" => return 104,
        "TOO_MANY_REQUESTS" | "TOO_MANY_AT_ONCE" => return 4,
        "QUOTA_EXHAUSTED" => return 80_007,
        "TENANT_NOT_ACTIVE" => return 368,
        "WABA_NOT_SENDABLE" => return 131_031,
        "NOT_OPTED_IN" => return 131_050,
        "CONVERSATION_HELD" => return 131_005,
        "PAGE_TOKEN_INVALID" => return 131_059,
        _ => {}
    }
    match refusal.kind() {
        Kind::Domain | Kind::NotFound => match refusal.code {
            Code::ResourceExhausted => 130_429,
            _ => 100,
        },
        Kind::Unauthenticated => 190,
        Kind::Denied => 10,
        Kind::Unavailable => 2,
        Kind::Internal => 1,
    }
}

impl From<Refusal> for GraphError {
    fn from(refusal: Refusal) -> Self {
        let told = |name: &str| refusal.metadata.get(name).filter(|text| !text.is_empty());
        let number = |name: &str| told(name).and_then(|text| text.parse::<i64>().ok());
        let code = number("meta_code").unwrap_or_else(|| code_of(&refusal));
        let fields = refusal.violations.iter();
        let fields: Vec<String> = fields.map(|(at, problem)| format!("{at}: {problem}")).collect();
        let details = told("meta_details").cloned().unwrap_or_else(|| {
            if fields.is_empty() { refusal.message.clone() } else { fields.join("; ") }
        });
        let error = match code {
            // Meta has no better name for these than what is wrong.
            100 => Self::new(code, details.clone(), details),
            104 | 190 => Self::new(code, refusal.message.clone(), ""),
            _ => Self::coded(code, details),
        };
        Self {
            subcode: number("meta_subcode"),
            fbtrace_id: told("fbtrace_id").cloned().unwrap_or_default(),
            retry: refusal.retry,
            ..error
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use server::StatusBuilder;

    use super::*;

    fn of(code: Code, reason: &str) -> GraphError {
        let status = StatusBuilder::new(code, reason, "the words of the service").build();
        GraphError::about(status, &Method::POST, "123")
    }

    #[rstest]
    #[case(Code::Unauthenticated, "TOKEN_EXPIRED", 190, 401)]
    #[case(Code::Unauthenticated, "TOKEN_MISSING", 104, 401)]
    #[case(Code::PermissionDenied, "PERMISSION_DENIED", 10, 403)]
    #[case(Code::FailedPrecondition, "TENANT_NOT_ACTIVE", 368, 403)]
    #[case(Code::ResourceExhausted, "TOO_MANY_REQUESTS", 4, 429)]
    #[case(Code::Unavailable, "META_UNAVAILABLE", 2, 503)]
    #[case(Code::Internal, "STORE", 1, 500)]
    #[case(Code::InvalidArgument, "INVALID_ARGUMENT", 100, 400)]
    fn a_refusal_of_ours_has_metas_code_and_status(
        #[case] code: Code,
        #[case] reason: &str,
        #[case] meta: i64,
        #[case] http: u16,
    ) {
        let error = of(code, reason);
        assert_eq!((error.code, error.status().as_u16()), (meta, http));
        assert_eq!(error.body("request")["error"]["fbtrace_id"], "request");
    }

    #[test]
    fn what_the_body_names_and_is_not_there_is_a_value_that_is_not_valid() {
        assert_eq!(of(Code::NotFound, "MESSAGE_NOT_FOUND").code, 131_009);
    }

    #[test]
    fn what_is_not_there_is_an_unknown_object() {
        let body = of(Code::NotFound, "NUMBER_NOT_FOUND").body("r");
        assert_eq!(body["error"]["code"], 100);
        assert_eq!(body["error"]["error_subcode"], 33);
        assert_eq!(body["error"]["type"], "GraphMethodException");
    }

    #[test]
    fn what_meta_said_goes_on_as_it_came() {
        let status = StatusBuilder::new(Code::FailedPrecondition, "META_REFUSED", "Meta refused")
            .metadata("meta_code", "131009")
            .metadata("meta_details", "the details")
            .metadata("fbtrace_id", "Abc")
            .build();
        let body = GraphError::about(status, &Method::POST, "1").body("r");
        assert_eq!(body["error"]["code"], 131_009);
        assert_eq!(body["error"]["error_data"]["details"], "the details");
        assert_eq!(body["error"]["fbtrace_id"], "Abc");
    }
}
