//! A sandbox of one's own, a callback that records what it gets, and a business that is onboarded
//! through the product's own path.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use sandbox::{Config, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One running sandbox.
pub(crate) struct Stage {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) data: Option<TempDir>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

pub(crate) async fn stage() -> Stage {
    Stage::on(TempDir::new().unwrap()).await
}

impl Stage {
    pub(crate) async fn on(data: TempDir) -> Self {
        let config = Config {
            data: data.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            drain_ms: 1_000,
            ..Config::default()
        };
        let sandbox = Sandbox::open(config).await.unwrap();
        let base = sandbox.base_url();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let until = stop.clone();
        tasks.spawn(async move { sandbox.run(until).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { base, http, data: Some(data), stop, tasks }
    }

    /// Stops in good order and starts again on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        Self::on(self.data.take().unwrap()).await
    }

    /// Ends it without any farewell and starts again on the same data.
    pub(crate) async fn crash(mut self) -> Self {
        self.tasks.shutdown().await;
        Self::on(self.data.take().unwrap()).await
    }

    pub(crate) fn path(&self) -> &Path {
        self.data.as_ref().unwrap().path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().unwrap();
        let request = self.http.request(method, self.url(&format!("/_sandbox/v1{path}")));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    pub(crate) async fn ledger(&self, app_id: &str) -> Vec<Value> {
        let url = self.url(&format!("/_sandbox/v1/ledger?app_id={app_id}"));
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn app(&self, installation: &str) -> App {
        let answer =
            self.control("PUT", &format!("/apps/{installation}"), json!({"name": "Test"})).await;
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        App {
            id: text("app_id"),
            secret: text("app_secret"),
            token: text("token"),
            business_id: text("business_id"),
            config_id: text("config_id"),
        }
    }

    /// A call of Graph's; answers status and body.
    pub(crate) async fn graph(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Value,
    ) -> (u16, Value) {
        let request =
            self.http.request(method.parse().unwrap(), self.url(&format!("/v23.0{path}")));
        let request = request.bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    /// Portfolio, WABA and number through the dialog; the code is not exchanged yet.
    pub(crate) async fn dialog(&self, app: &App, business: &str, phone: Option<&str>) -> Value {
        let mut form = vec![
            ("client_id", app.id.as_str()),
            ("config_id", app.config_id.as_str()),
            ("state", "st-1"),
            ("business_name", business),
        ];
        if let Some(phone) = phone {
            form.push(("phone_number", phone));
        }
        let request =
            self.http.post(self.url("/v23.0/dialog/oauth")).header("accept", "application/json");
        let answer = request.form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub(crate) async fn exchange(&self, app: &App, code: &str) -> (u16, Value) {
        let query =
            [("client_id", app.id.as_str()), ("client_secret", &app.secret), ("code", code)];
        let url = self.url("/v23.0/oauth/access_token");
        let answer = self.http.get(url).query(&query).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The whole path: app, callback, dialog, exchange, subscription, registration.
    pub(crate) async fn onboard(&self, installation: &str, receiver: &Receiver) -> Business {
        let app = self.app(installation).await;
        self.subscribe_app(&app, receiver).await;
        self.join(app, "Casa Rosa").await
    }

    pub(crate) async fn subscribe_app(&self, app: &App, receiver: &Receiver) {
        let fields = "messages,account_update,message_template_status_update,message_template_quality_update,\
                      template_category_update,phone_number_quality_update,business_capability_update,\
                      user_preferences,message_template_components_update,phone_number_name_update";
        let body = json!({"object": "whatsapp_business_account", "callback_url": receiver.url,
            "verify_token": "vt", "fields": fields});
        let token = format!("{}|{}", app.id, app.secret);
        let (status, body) =
            self.graph("POST", &format!("/{}/subscriptions", app.id), &token, body).await;
        assert_eq!((status, body), (200, json!({"success": true})));
    }

    /// One more customer of an app.
    pub(crate) async fn join(&self, app: App, name: &str) -> Business {
        let signed = self.dialog(&app, name, None).await;
        let text = |name: &str| signed[name].as_str().unwrap().to_owned();
        let (status, exchanged) = self.exchange(&app, &text("code")).await;
        assert_eq!(status, 200, "{exchanged}");
        let token = exchanged["access_token"].as_str().unwrap().to_owned();
        let (waba, number) = (text("waba_id"), text("phone_number_id"));
        let (status, _) =
            self.graph("POST", &format!("/{waba}/subscribed_apps"), &token, Value::Null).await;
        assert_eq!(status, 200);
        let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
        let (status, body) = self.graph("POST", &format!("/{number}/register"), &token, pin).await;
        assert_eq!(status, 200, "{body}");
        Business { app, token, waba, number, portfolio: text("business_id") }
    }

    /// A customer writes; answers the wamid.
    pub(crate) async fn writes(&self, business: &Business, wa_id: &str, text: &str) -> String {
        let body = json!({"phone_number_id": business.number, "profile_name": "Rui",
            "message": {"type": "text", "text": {"body": text}}});
        let answer = self.control("POST", &format!("/customers/{wa_id}/messages"), body).await;
        answer["wamid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, business: &Business, body: Value) -> (u16, Value) {
        let mut body = body;
        body["messaging_product"] = json!("whatsapp");
        self.graph("POST", &format!("/{}/messages", business.number), &business.token, body).await
    }

    pub(crate) async fn text(&self, business: &Business, to: &str, callback: &str) -> (u16, Value) {
        let body = json!({"to": to, "type": "text", "text": {"body": "Olá 👍"}, "biz_opaque_callback_data": callback});
        self.send(business, body).await
    }
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) business_id: String,
    pub(crate) config_id: String,
}

/// A customer business that is live.
pub(crate) struct Business {
    pub(crate) app: App,
    pub(crate) token: String,
    pub(crate) waba: String,
    pub(crate) number: String,
    pub(crate) portfolio: String,
}

/// One POST that the callback got.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) signature: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inbox {
    deliveries: Mutex<Vec<Delivery>>,
    /// Answers to come before 200 again.
    failures: Mutex<u32>,
}

/// A callback.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inbox: Arc<Inbox>,
    _server: JoinSet<()>,
}

pub(crate) async fn receiver() -> Receiver {
    let inbox = Arc::new(Inbox::default());
    let router =
        Router::new().route("/hook", get(challenge).post(take)).with_state(Arc::clone(&inbox));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Receiver { url, inbox, _server: server }
}

async fn challenge(Query(query): Query<Vec<(String, String)>>) -> (StatusCode, String) {
    let value =
        |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let right = value("hub.mode").as_deref() == Some("subscribe")
        && value("hub.verify_token").as_deref() == Some("vt");
    if right {
        (StatusCode::OK, value("hub.challenge").unwrap())
    } else {
        (StatusCode::FORBIDDEN, String::new())
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, raw: Bytes) -> StatusCode {
    {
        let mut failures = inbox.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    let signature =
        headers.get("x-hub-signature-256").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&raw).unwrap();
    let delivery = Delivery { signature: signature.unwrap_or_default(), headers, raw, body };
    inbox.deliveries.lock().unwrap().push(delivery);
    StatusCode::OK
}

impl Receiver {
    pub(crate) fn fail_next(&self, times: u32) {
        *self.inbox.failures.lock().unwrap() = times;
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.inbox.deliveries.lock().unwrap().clone()
    }

    /// Every `changes[].value` of a field, in order of arrival.
    pub(crate) fn values(&self, field: &str) -> Vec<Value> {
        let mut values = Vec::new();
        for delivery in self.deliveries() {
            for entry in delivery.body["entry"].as_array().unwrap() {
                for change in entry["changes"].as_array().unwrap() {
                    if change["field"] == field {
                        values.push(change["value"].clone());
                    }
                }
            }
        }
        values
    }

    /// The statuses of a message, in order of arrival.
    pub(crate) fn statuses(&self, wamid: &str) -> Vec<Value> {
        let values = self.values("messages");
        let all = values.iter().filter_map(|value| value["statuses"].as_array()).flatten();
        all.filter(|status| status["id"] == wamid).cloned().collect()
    }

    pub(crate) fn status_names(&self, wamid: &str) -> Vec<String> {
        self.statuses(wamid)
            .iter()
            .map(|status| status["status"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) async fn wait_statuses(&self, wamid: &str, names: &[&str]) -> Vec<Value> {
        wait(&format!("statuses {names:?}"), async || self.status_names(wamid) == names).await;
        self.statuses(wamid)
    }
}

/// Waits for a condition, ten seconds at most.
pub(crate) async fn wait(what: &str, condition: impl AsyncFn() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(tokio::time::Instant::now() < limit, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn wamid(answer: &Value) -> String {
    answer["messages"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no wamid in {answer}"))
        .to_owned()
}

pub(crate) fn code(body: &Value) -> i64 {
    body["error"]["code"].as_i64().unwrap_or_default()
}
