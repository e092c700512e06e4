//! Meta: a sandbox of a test's own, and a door before it that can change what it answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use sandbox::{Config, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What changes an answer: the path, and the body as it came.
type Change = Arc<dyn Fn(&str, Value) -> Value + Send + Sync>;

/// A running sandbox with its door.
pub(crate) struct Meta {
    /// Where the door is.
    pub(crate) url: String,
    http: reqwest::Client,
    sandbox: String,
    door: Door,
    _data: TempDir,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Door {
    http: reqwest::Client,
    sandbox: String,
    change: Arc<Mutex<Option<Change>>>,
    hold: Arc<Mutex<Option<(&'static str, &'static str)>>>,
}

/// An app of the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct SandboxApp {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) config_id: String,
    /// Of the BSP's own system user: sees every account.
    pub(crate) token: String,
}

impl Meta {
    pub(crate) async fn start() -> Self {
        let data = TempDir::new().unwrap();
        let config = Config {
            data: data.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            drain_ms: 100,
            ..Config::default()
        };
        let opened = Sandbox::open(config).await.unwrap();
        let sandbox = opened.base_url();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { opened.run(CancellationToken::new()).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let door = Door {
            http: http.clone(),
            sandbox: sandbox.clone(),
            change: Arc::default(),
            hold: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(door.clone());
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, http, sandbox, door, _data: data, _tasks: tasks }
    }

    /// Has answers changed from now on.
    pub(crate) fn change(&self, change: impl Fn(&str, Value) -> Value + Send + Sync + 'static) {
        *self.door.change.lock().unwrap() = Some(Arc::new(change));
    }

    /// Has Meta do what it is asked by this method at paths with this end, and never answer.
    pub(crate) fn hold(&self, held: Option<(&'static str, &'static str)>) {
        *self.door.hold.lock().unwrap() = held;
    }

    /// An act of the control API's.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/v1{path}", self.sandbox);
        let request = self.http.request(method.parse().unwrap(), url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    pub(crate) async fn app(&self, installation: &str) -> SandboxApp {
        let path = format!("/apps/{installation}");
        let answer = self.control("PUT", &path, json!({"name": "Test"})).await;
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        SandboxApp {
            id: text("app_id"),
            secret: text("app_secret"),
            config_id: text("config_id"),
            token: text("token"),
        }
    }

    /// Plants a fault for calls of an operation; it strikes so often.
    pub(crate) async fn plant(&self, operation: &str, action: &Value, times: Option<u32>) {
        let fault = json!({"operation": operation, "action": action, "times": times});
        self.control("POST", "/faults", fault).await;
    }

    pub(crate) async fn heal(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// How often planted faults will still strike, all together.
    pub(crate) async fn open_faults(&self) -> u64 {
        let faults = self.control("GET", "/faults", Value::Null).await;
        faults["data"].as_array().unwrap().iter().filter_map(|one| one["times"].as_u64()).sum()
    }

    /// A business goes through the dialog; answers `code`, `waba_id`, `phone_number_id`, `business_id`.
    pub(crate) async fn dialog(&self, app: &SandboxApp, mut wish: Value) -> Signed {
        wish["app_id"] = json!(app.id);
        let answer = self.control("POST", "/signups", wish).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Signed { code: text("code"), waba: text("waba_id"), number: text("phone_number_id") }
    }

    /// The same business goes through the dialog once more, for the same account and number.
    pub(crate) async fn dialog_again(&self, app: &SandboxApp, before: &Signed) -> Signed {
        let number = self.number(&before.number).await;
        let wish = json!({"waba_id": before.waba, "phone_number": number["digits"]});
        self.dialog(app, wish).await
    }

    pub(crate) async fn number(&self, id: &str) -> Value {
        self.control("GET", &format!("/numbers/{id}"), Value::Null).await
    }

    /// The business turns two-step verification off in WhatsApp Manager; no call of the API's does.
    pub(crate) async fn turn_two_step_off(&self, number: &str) {
        self.control("POST", &format!("/numbers/{number}/pin_changed"), json!({})).await;
    }

    /// The apps that are subscribed to an account, as Meta lists them to the BSP.
    pub(crate) async fn subscriptions(&self, app: &SandboxApp, waba: &str) -> usize {
        let url = format!("{}/v23.0/{waba}/subscribed_apps", self.sandbox);
        let answer = self.http.get(url).bearer_auth(&app.token).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        body["data"].as_array().unwrap_or_else(|| panic!("{body}")).len()
    }
}

/// What the dialog told the browser.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) code: String,
    pub(crate) waba: String,
    pub(crate) number: String,
}

async fn pass(
    State(door): State<Door>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = method.clone();
    let mut request = door.http.request(method, format!("{}{uri}", door.sandbox)).body(body);
    for name in ["authorization", "content-type"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    // What the sandbox does not answer is not answered here either, as far as a caller can tell.
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let held = *door.hold.lock().unwrap();
    let held = held.is_some_and(|(verb, end)| asked == verb && uri.path().ends_with(end));
    if held {
        futures::future::pending::<()>().await;
    }
    let change = door.change.lock().unwrap().clone();
    let body = match (change, serde_json::from_slice(&body)) {
        (Some(change), Ok(json)) => change(uri.path(), json).to_string().into(),
        _ => body,
    };
    (status, [("content-type", "application/json")], body).into_response()
}
