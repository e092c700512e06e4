//! What a surface answered, and whether somebody can act on it.

use http::HeaderMap;
use serde_json::Value;

/// Longest answer to bad input: what was sent does not come back at its length.
const LONGEST: usize = 4_000;

/// Words of our inside that help nobody outside.
const INTERNALS: [&str; 12] = [
    "panicked",
    "sqlite",
    "sqlx",
    "SQLSTATE",
    "prost",
    "tonic",
    "serde",
    "struct ",
    ".rs:",
    "h2 ",
    "axum",
    "deserialize",
];

/// An answer to one request.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Told {
    /// Sends a request; a connection that breaks without an answer is status 0.
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Self::none(&error),
        };
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        match answer.text().await {
            Ok(text) => Self { status, headers, text },
            Err(error) => Self::none(&error),
        }
    }

    fn none(error: &reqwest::Error) -> Self {
        Self { status: 0, headers: HeaderMap::new(), text: format!("no answer: {error:?}") }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The word for programs: ours, OAuth's, GraphQL's, or a mutation's.
    pub(super) fn code(&self) -> String {
        let json = self.json();
        let places = ["/error/code", "/error", "/errors/0/extensions/code"];
        let user = user_errors(&json).first().and_then(|error| error.get("code")).cloned();
        let found =
            places.iter().find_map(|place| json.pointer(place)?.as_str().map(str::to_owned));
        found.or_else(|| user?.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The words for people, with the fields that they are about.
    pub(super) fn words(&self) -> String {
        let json = self.json();
        let plain = ["/error/message", "/error_description"];
        let mut words = String::new();
        for text in plain.iter().filter_map(|place| json.pointer(place)?.as_str()) {
            words.extend([text, " "]);
        }
        let errors = json.get("errors").and_then(Value::as_array).into_iter().flatten();
        for error in errors.chain(user_errors(&json)) {
            let field = error.get("field").and_then(Value::as_array).into_iter().flatten();
            let field: Vec<&str> = field.filter_map(Value::as_str).collect();
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
            words.extend([field.join(".").as_str(), " ", message, " "]);
        }
        words.trim().to_owned()
    }
}

/// The refusals in the payloads of mutations.
fn user_errors(json: &Value) -> Vec<&Value> {
    let payloads =
        json.get("data").and_then(Value::as_object).into_iter().flat_map(|data| data.values());
    payloads.filter_map(|payload| payload.get("userErrors")?.as_array()).flatten().collect()
}

/// The cases of one surface, and what was wrong with their answers.
#[derive(Debug)]
pub(super) struct Cases {
    surface: &'static str,
    asked: usize,
    faults: Vec<String>,
}

impl Cases {
    pub(super) const fn of(surface: &'static str) -> Self {
        Self { surface, asked: 0, faults: Vec::new() }
    }

    /// The answer must refuse, with this status and code, and its words must have `says` in them.
    pub(super) fn refused(&mut self, case: &str, told: &Told, status: u16, code: &str, says: &str) {
        self.clear(case, told, says);
        if told.status != status || told.code() != code {
            self.fault(case, &format!("wanted {status} {code}"), told);
        }
    }

    /// The answer must refuse in words that somebody can act on, whatever its code.
    pub(super) fn clear(&mut self, case: &str, told: &Told, says: &str) {
        self.asked += 1;
        let (code, words) = (told.code(), told.words());
        println!("{}: {case}: {} {code}: {words}", self.surface, told.status);
        if !(200..500).contains(&told.status) || code == "INTERNAL" || code == "UNAVAILABLE" {
            self.fault(case, "a fault of ours", told);
        } else if code.is_empty() || words.is_empty() {
            self.fault(case, "no error with a code and words", told);
        } else if !words.contains(says) {
            self.fault(case, &format!("its words do not say `{says}`"), told);
        }
        if let Some(word) = INTERNALS.iter().find(|word| told.text.contains(**word)) {
            self.fault(case, &format!("shows our inside: `{word}`"), told);
        }
        if told.text.len() > LONGEST {
            self.fault(case, &format!("answers {} bytes", told.text.len()), told);
        }
        if told.header("x-request-id").is_empty() {
            self.fault(case, "has no request id", told);
        }
    }

    /// What else must hold.
    pub(super) fn hold(&mut self, case: &str, holds: bool, seen: &dyn std::fmt::Debug) {
        self.asked += 1;
        println!("{}: {case}: {holds}", self.surface);
        if !holds {
            self.faults.push(format!("{case}: {seen:?}"));
        }
    }

    fn fault(&mut self, case: &str, why: &str, told: &Told) {
        let text: String = told.text.chars().take(700).collect();
        self.faults.push(format!("{case}: {why}; was {} {text}", told.status));
    }

    /// Everything that did not hold, at once.
    pub(super) fn finish(self) {
        assert!(self.asked > 0, "{} was asked nothing", self.surface);
        assert!(
            self.faults.is_empty(),
            "{}: {} of {} cases:\n  {}",
            self.surface,
            self.faults.len(),
            self.asked,
            self.faults.join("\n  ")
        );
    }
}
