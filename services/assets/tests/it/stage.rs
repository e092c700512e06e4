//! Meta's side: a sandbox of the test's own, with an app and businesses on it.

use meta::app::{MetaAppSettings, MetaApps};
use sandbox::{Config, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running sandbox.
pub(crate) struct Stage {
    base: String,
    http: reqwest::Client,
    app: Value,
    _data: TempDir,
    _tasks: JoinSet<()>,
}

/// A customer of the app's.
#[derive(Debug, Clone)]
pub(crate) struct Business {
    pub(crate) token: String,
    pub(crate) waba: String,
    pub(crate) number: String,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let data = TempDir::new().unwrap();
        let config = Config {
            data: data.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            drain_ms: 500,
            ..Config::default()
        };
        let sandbox = Sandbox::open(config).await.unwrap();
        let base = sandbox.base_url();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { sandbox.run(CancellationToken::new()).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut stage = Self { base, http, app: Value::Null, _data: data, _tasks: tasks };
        stage.app = stage.control("PUT", "/apps/test", json!({"name": "Test"})).await;
        // Nothing is decided unless the test says so.
        stage.control("PUT", "/settings", json!({"template_review": "manual"})).await;
        stage
    }

    fn text(&self, name: &str) -> String {
        self.app[name].as_str().unwrap().to_owned()
    }

    pub(crate) fn app_id(&self) -> String {
        self.text("app_id")
    }

    /// The app as our configuration has it.
    pub(crate) fn apps(&self) -> MetaApps {
        let settings: MetaAppSettings<String> = serde_json::from_value(json!({
            "id": self.app_id(), "environment": "sandbox", "secret": self.text("app_secret"),
            "verify_token": "vt", "graph_base_url": self.base,
        }))
        .unwrap();
        let app = settings.resolve(|secret| Ok::<_, ()>(secret.clone().into())).unwrap();
        MetaApps::new(vec![app]).unwrap()
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/v1{path}", self.base);
        let request = self.http.request(method.parse().unwrap(), url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// A call of Graph's that must go well.
    pub(crate) async fn graph(&self, method: &str, path: &str, token: &str, body: Value) -> Value {
        let url = format!("{}/v23.0{path}", self.base);
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// A business with a registered number, through the dialog and the exchange of its code.
    pub(crate) async fn business(&self, name: &str) -> Business {
        let wish = json!({"app_id": self.app_id(), "business_name": name});
        let signed = self.control("POST", "/signups", wish).await;
        let text = |name: &str| signed[name].as_str().unwrap().to_owned();
        let query = [
            ("client_id", self.app_id()),
            ("client_secret", self.text("app_secret")),
            ("code", text("code")),
        ];
        let url = format!("{}/v23.0/oauth/access_token", self.base);
        let exchanged: Value =
            self.http.get(url).query(&query).send().await.unwrap().json().await.unwrap();
        let token = exchanged["access_token"].as_str().unwrap().to_owned();
        let (waba, number) = (text("waba_id"), text("phone_number_id"));
        let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
        self.graph("POST", &format!("/{number}/register"), &token, pin).await;
        Business { token, waba, number }
    }

    /// A template that was made past us.
    pub(crate) async fn template(&self, business: &Business, name: &str) -> String {
        let body = json!({"name": name, "language": "en_US", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Your order is ready."}]});
        let path = format!("/{}/message_templates", business.waba);
        let made = self.graph("POST", &path, &business.token, body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// The names of the templates that Meta has.
    pub(crate) async fn names(&self, business: &Business) -> Vec<String> {
        let path = format!("/{}/message_templates?fields=name&limit=100", business.waba);
        let listed = self.graph("GET", &path, &business.token, Value::Null).await;
        let rows = listed["data"].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What Meta decides about a template.
    pub(crate) async fn decide(&self, template: &str, act: &str, body: Value) {
        self.control("POST", &format!("/templates/{template}/{act}"), body).await;
    }

    /// Plants a fault.
    pub(crate) async fn fault(&self, operation: &str, method: &str, action: Value, times: u32) {
        let fault =
            json!({"operation": operation, "method": method, "action": action, "times": times});
        self.control("POST", "/faults", fault).await;
    }

    pub(crate) async fn heal(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }
}
