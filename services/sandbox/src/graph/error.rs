//! Refusals in Meta's envelope, and the table of the codes of messaging.

use serde_json::{Map, Value, json};

use crate::hub::Gone;

/// An answer `{"error": …}`.
#[derive(Debug, Clone)]
pub(crate) struct GraphError {
    pub(crate) http: u16,
    pub(crate) code: i64,
    pub(crate) subcode: Option<i64>,
    kind: &'static str,
    message: String,
    more: Option<Box<More>>,
}

/// What only some refusals carry.
#[derive(Debug, Clone, Default)]
struct More {
    details: Option<String>,
    user: Option<(String, String)>,
    transient: bool,
}

/// Code, HTTP status of a refusal, title without its number.
const MESSAGING: &[(i64, u16, &str)] = &[
    (33, 400, "Parameter value is not valid"),
    (100, 400, "Invalid parameter"),
    (368, 403, "Temporarily blocked for policies violations"),
    (80007, 400, "Rate limit issues"),
    (130_429, 429, "Rate limit hit"),
    (130_472, 400, "User's number is part of an experiment"),
    (130_497, 403, "Business account is restricted from messaging users in this country"),
    (131_000, 500, "Something went wrong"),
    (131_005, 403, "Access denied"),
    (131_008, 400, "Required parameter is missing"),
    (131_009, 400, "Parameter value is not valid"),
    (131_016, 500, "Service unavailable"),
    (131_021, 400, "Recipient cannot be sender"),
    (131_026, 400, "Message undeliverable"),
    (131_030, 400, "Recipient phone number not in allowed list"),
    (131_031, 403, "Business Account locked"),
    (
        131_037,
        400,
        "WhatsApp provided number needs display name approval before message can be sent",
    ),
    (131_042, 400, "Business eligibility payment issue"),
    (131_045, 500, "Incorrect certificate"),
    (131_047, 400, "Re-engagement message"),
    (131_048, 400, "Spam rate limit hit"),
    (131_049, 400, "This message was not delivered to maintain healthy ecosystem engagement."),
    (131_050, 400, "User has stopped receipt of marketing messages"),
    (131_051, 400, "Unsupported message type"),
    (131_052, 400, "Media download error"),
    (131_053, 400, "Media upload error"),
    (131_055, 400, "Method not allowed"),
    (131_056, 429, "(Business Account, Consumer Account) pair rate limit hit"),
    (131_057, 500, "Account in maintenance mode"),
    (131_059, 400, "Invalid cursor"),
    (
        131_062,
        400,
        "Business-scoped User ID (BSUID) recipients are not supported for this message.",
    ),
    (132_000, 400, "Number of parameters does not match the expected number of params"),
    (132_001, 404, "Template name does not exist in the translation"),
    (132_005, 400, "Translated text too long"),
    (132_007, 400, "Template Format Character Policy Violated"),
    (132_012, 400, "Parameter format does not match format in the created template"),
    (132_015, 400, "Template is Paused"),
    (132_016, 400, "Template is disabled"),
    (132_018, 400, "There was an issue with the parameters in your template"),
    (132_068, 400, "Flow is blocked"),
    (132_069, 400, "Flow is throttled"),
    (133_000, 500, "Incomplete Deregistration"),
    (133_004, 503, "Server Temporarily Unavailable"),
    (133_005, 400, "Two step verification PIN Mismatch"),
    (133_006, 400, "Phone number re-verification needed"),
    (133_008, 400, "Too many two step verification PIN guesses"),
    (133_009, 400, "Two step verification PIN guessed too fast"),
    (133_010, 400, "Phone number Not Registered"),
    (133_015, 400, "Please wait a few minutes before attempting to register this phone number"),
    (133_016, 400, "Account register deregister rate limit exceeded"),
    (134_100, 400, "Only marketing messages supported"),
    (134_102, 500, "Template unavailable for use"),
    (135_000, 400, "Generic user error"),
    (136_024, 400, "Request code error"),
    (136_025, 400, "Verify code error"),
    (137_000, 400, "Recipient identity key hash mismatch"),
    (139_100, 400, "Failed to block/unblock some users"),
    (139_101, 400, "Blocklist limit reached"),
];

/// Title of a code, without its number.
pub(crate) fn title(code: i64) -> &'static str {
    MESSAGING
        .iter()
        .find(|(known, ..)| *known == code)
        .map_or("Generic error", |(_, _, title)| title)
}

fn http_of(code: i64) -> u16 {
    match code {
        190 | 0 | 104 => 401,
        10 | 200..=299 => 403,
        2 => 503,
        4 | 613 | 80_008 => 429,
        _ => MESSAGING.iter().find(|(known, ..)| *known == code).map_or(400, |(_, http, _)| *http),
    }
}

impl GraphError {
    pub(crate) fn new(http: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            http,
            code,
            subcode: None,
            kind: "OAuthException",
            message: message.into(),
            more: None,
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// One of the codes of messaging, with the human reason.
    pub(crate) fn coded(code: i64, details: impl Into<String>) -> Self {
        let mut error = Self::new(http_of(code), code, format!("(#{code}) {}", title(code)));
        error.more().details = Some(details.into());
        error
    }

    /// What a planted fault asked for.
    pub(crate) fn planted(fault: &crate::faults::ErrorAction) -> Self {
        let mut error = Self::new(
            fault.http_status.unwrap_or_else(|| http_of(fault.code)),
            fault.code,
            fault
                .message
                .clone()
                .unwrap_or_else(|| format!("(#{}) {}", fault.code, title(fault.code))),
        );
        error.subcode = fault.subcode;
        error.more().details.clone_from(&fault.details);
        error.more().transient = matches!(fault.code, 1 | 2 | 131_000 | 131_016);
        error
    }

    /// Meta is out of service, with this HTTP status.
    pub(crate) fn out_of_service(http: u16) -> Self {
        let code = if http == 503 { 2 } else { 1 };
        let mut error = Self::new(http, code, "Service temporarily unavailable");
        error.more().transient = true;
        error
    }

    pub(crate) fn param(message: impl AsRef<str>) -> Self {
        Self::new(400, 100, format!("(#100) {}", message.as_ref()))
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::param(format!("The parameter {name} is required."))
    }

    pub(crate) fn one_of(name: &str, allowed: &[&str], got: &str) -> Self {
        Self::param(format!(
            "Param {name} must be one of {{{}}} - got \"{got}\".",
            allowed.join(", ")
        ))
    }

    /// An id that is unknown, foreign, or of a kind that cannot do this.
    pub(crate) fn no_object(method: &str, id: &str) -> Self {
        let verb = method.to_ascii_lowercase();
        let mut error = Self::new(
            400,
            100,
            format!(
                "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded \
                 due to missing permissions, or does not support this operation. Please read the \
                 Graph API documentation at https://developers.facebook.com/docs/graph-api"
            ),
        );
        error.subcode = Some(33);
        error.kind = "GraphMethodException";
        error
    }

    pub(crate) fn no_path(path: &str) -> Self {
        Self::new(400, 2500, format!("Unknown path components: /{path}"))
    }

    pub(crate) fn no_permission() -> Self {
        Self::new(403, 10, "(#10) Application does not have permission for this action")
    }

    pub(crate) fn with_subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn with_http(mut self, http: u16) -> Self {
        self.http = http;
        self
    }

    pub(crate) fn with_user(mut self, title: &str, message: impl Into<String>) -> Self {
        self.more().user = Some((title.to_owned(), message.into()));
        self
    }

    pub(crate) fn with_details(mut self, details: impl Into<String>) -> Self {
        self.more().details = Some(details.into());
        self
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(self.message));
        error.insert("type".to_owned(), json!(self.kind));
        error.insert("code".to_owned(), json!(self.code));
        let more = self.more.as_deref().cloned().unwrap_or_default();
        if let Some(details) = &more.details {
            let data = json!({"messaging_product": "whatsapp", "details": details});
            error.insert("error_data".to_owned(), data);
        }
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".to_owned(), json!(subcode));
        }
        if more.transient || more.user.is_some() {
            error.insert("is_transient".to_owned(), json!(more.transient));
        }
        if let Some((title, message)) = &more.user {
            error.insert("error_user_title".to_owned(), json!(title));
            error.insert("error_user_msg".to_owned(), json!(message));
        }
        error.insert("fbtrace_id".to_owned(), json!(crate::ids::fbtrace()));
        json!({ "error": error })
    }
}

impl From<Gone> for GraphError {
    fn from(_gone: Gone) -> Self {
        Self::out_of_service(500)
    }
}

/// The same error inside a webhook.
pub(crate) fn in_webhook(code: i64, details: &str) -> Value {
    let title = title(code);
    json!({
        "code": code, "title": title, "message": title, "error_data": {"details": details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}
