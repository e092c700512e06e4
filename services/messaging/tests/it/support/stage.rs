//! Meta's side: a sandbox of the test's own with a business that signed up, and the receiver of its webhooks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use bus::Bus;
use kernel::clock::{Clock as _, SystemClock};
use kernel::time::Timestamp;
use meta::app::MetaApp;
use meta::ids::MetaAppId;
use meta::webhook::ElementKind;
use sandbox::Sandbox;
use serde_json::{Value, json};
use testkit::{until, word};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Number, World, routed};

/// Who hears Meta's webhooks, and whose numbers it knows.
pub(super) struct Hook {
    bus: Arc<dyn Bus>,
    pub(super) numbers: Mutex<Vec<Number>>,
}

/// Meta, with one business.
pub(super) struct Stage {
    pub(super) signed: Signed,
    pub(super) hook: Arc<Hook>,
    pub(super) stop: CancellationToken,
    url: String,
    http: reqwest::Client,
    _tasks: JoinSet<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    pub(super) async fn start(folder: &Path, bus: &Arc<dyn Bus>) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let config = sandbox::Config {
            data: folder.join("sandbox"),
            listen: "127.0.0.1:0".parse().unwrap(),
            drain_ms: 200,
            ..sandbox::Config::default()
        };
        let sandbox = Sandbox::open(config).await.unwrap();
        let url = sandbox.base_url();
        let ends = stop.clone();
        tasks.spawn(async move { sandbox.run(ends).await.unwrap() });
        let hook = Arc::new(Hook { bus: Arc::clone(bus), numbers: Mutex::default() });
        let callback = receiver(&hook, &mut tasks).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let signed = Signed::up(&http, &url, &callback).await;
        Self { signed, hook, stop, url, http, _tasks: tasks }
    }

    /// Where the sandbox's own controls are.
    pub(super) fn control_url(&self, path: &str) -> String {
        format!("{}/_sandbox/v1{path}", self.url)
    }

    /// The app as our configuration has it.
    pub(super) fn app(&self) -> MetaApp {
        self.signed.app(&self.url)
    }
}

impl World {
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = self.stage.control_url(path);
        let request = self.stage.http.request(method.parse().unwrap(), url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// Moves Meta's clock, and waits until ours has followed.
    pub(crate) async fn advance(&self, by: Duration) {
        let before = self.clock.now();
        let micros = i64::try_from(by.as_micros()).unwrap();
        self.control("POST", "/clock", json!({ "advance_us": micros })).await;
        until("the clock", async || self.clock.now() >= before + by).await;
    }

    /// A customer writes; answers the wamid.
    pub(crate) async fn writes(&self, wa_id: &str, message: Value) -> String {
        let body = json!({
            "phone_number_id": self.number.meta_id, "profile_name": "Rui", "message": message,
        });
        let answer = self.control("POST", &format!("/customers/{wa_id}/messages"), body).await;
        answer["wamid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn says(&self, wa_id: &str, text: &str) -> String {
        self.writes(wa_id, json!({"type": "text", "text": {"body": text}})).await
    }

    /// Plants a fault for sends.
    pub(crate) async fn fault(&self, times: u32, action: Value) {
        let body = json!({"operation": "messages", "times": times, "action": action});
        self.control("POST", "/faults", body).await;
    }

    /// What Meta took note of.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let path = format!("/ledger?app_id={}", self.stage.signed.app_id);
        let text = self
            .stage
            .http
            .get(self.stage.control_url(&path))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Where Meta's webhooks go: what webhooks-in would make of them goes to the bus.
async fn receiver(hook: &Arc<Hook>, tasks: &mut JoinSet<()>) -> String {
    let router =
        Router::new().route("/hook", get(challenge).post(take)).with_state(Arc::clone(hook));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn challenge(Query(query): Query<BTreeMap<String, String>>) -> String {
    query.get("hub.challenge").cloned().unwrap_or_default()
}

async fn take(State(hook): State<Arc<Hook>>, body: Bytes) -> StatusCode {
    for element in meta::webhook::split(&body).unwrap() {
        let known = hook
            .numbers
            .lock()
            .unwrap()
            .iter()
            .find(|number| element.phone_number_id.as_deref() == Some(&number.meta_id))
            .cloned();
        let Some(number) = known else { continue };
        let kind = match element.kind {
            ElementKind::Message => "message",
            ElementKind::Status => "status",
            ElementKind::Change => "change",
        };
        let now = SystemClock.now();
        let event = routed(
            &number,
            &element.field,
            kind,
            &element.element_json,
            element.contact_json.as_deref(),
            element.timestamp.map_or(now, Timestamp::from_seconds),
        );
        if hook.bus.publish(vec![event]).await.iter().any(Result::is_err) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}

/// A business that signed up.
pub(super) struct Signed {
    pub(super) app_id: String,
    secret: String,
    pub(super) token: String,
    pub(super) waba: String,
    pub(super) number: String,
}

impl Signed {
    /// Walks the whole path: app, callback, dialog, exchange, subscription, registration.
    async fn up(http: &reqwest::Client, meta: &str, callback: &str) -> Self {
        let installation = word();
        let url = format!("{meta}/_sandbox/v1/apps/{installation}");
        let made = http.put(url).json(&json!({"name": "Test"})).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        let text = |value: &Value, name: &str| {
            value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
        };
        let (app_id, secret) = (text(&made, "app_id"), text(&made, "app_secret"));
        let graph = async |method: &str, path: String, token: &str, body: Value| {
            let url = format!("{meta}/v23.0{path}");
            let request = http.request(method.parse().unwrap(), url).bearer_auth(token);
            let request = if body.is_null() { request } else { request.json(&body) };
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        };
        let subscription = json!({"object": "whatsapp_business_account", "callback_url": callback,
            "verify_token": "vt", "fields": "messages,user_preferences,smb_message_echoes"});
        let own = format!("{app_id}|{secret}");
        graph("POST", format!("/{app_id}/subscriptions"), &own, subscription).await;
        let config = text(&made, "config_id");
        let form = [
            ("client_id", app_id.as_str()),
            ("config_id", &config),
            ("state", "s"),
            ("business_name", "Casa Rosa"),
        ];
        let dialog = http
            .post(format!("{meta}/v23.0/dialog/oauth"))
            .header("accept", "application/json")
            .form(&form)
            .send()
            .await
            .unwrap();
        let dialog: Value = dialog.json().await.unwrap();
        let (code, waba, number) =
            (text(&dialog, "code"), text(&dialog, "waba_id"), text(&dialog, "phone_number_id"));
        let query = [("client_id", app_id.as_str()), ("client_secret", &secret), ("code", &code)];
        let url = format!("{meta}/v23.0/oauth/access_token");
        let token = http.get(url).query(&query).send().await.unwrap();
        let token: Value = token.json().await.unwrap();
        let token = text(&token, "access_token");
        graph("POST", format!("/{waba}/subscribed_apps"), &token, Value::Null).await;
        let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
        graph("POST", format!("/{number}/register"), &token, pin).await;
        Self { app_id, secret, token, waba, number }
    }

    fn app(&self, meta: &str) -> MetaApp {
        MetaApp {
            id: MetaAppId::new(self.app_id.as_str()).unwrap(),
            name: "Test".to_owned(),
            environment: meta::Environment::Sandbox,
            secret: self.secret.clone().into(),
            previous_secret: None,
            verify_token: "vt".into(),
            graph_base_url: meta.to_owned(),
            graph_version: "v23.0".to_owned(),
            signup_configurations: Vec::new(),
            business_id: None,
            system_user_token: None,
        }
    }
}
