//! A client of one installation: GraphQL, sign-in, and the sandbox's control API.

use std::time::Duration;

use serde_json::{Value, json};

/// Talks to what a dev.json names.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) http: reqwest::Client,
    pub(crate) json: Value,
}

impl Api {
    pub(crate) fn new(dev_json: &Value) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        Self { http, json: dev_json.clone() }
    }

    /// Base address of the gateway.
    pub(crate) fn gateway(&self) -> &str {
        text(&self.json, "/gateway/http")
    }

    /// The API key of a demo tenant.
    pub(crate) fn key(&self, tenant: usize) -> &str {
        text(&self.json, &format!("/tenants/{tenant}/api_key"))
    }

    /// Any text of a demo tenant, such as `/number/id`.
    pub(crate) fn of_tenant(&self, tenant: usize, pointer: &str) -> &str {
        text(&self.json, &format!("/tenants/{tenant}{pointer}"))
    }

    /// Signs the operator in.
    pub(crate) async fn operator(&self) -> String {
        let of = |name: &str| text(&self.json, &format!("/operator/{name}"));
        self.sign_in(of("email"), of("password")).await
    }

    /// Signs somebody in and answers the access token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let answer: Value = self
            .http
            .post(format!("{}/auth/sign-in", self.gateway()))
            .json(&json!({"email": email, "password": password}))
            .send()
            .await
            .expect("the gateway answers")
            .json()
            .await
            .expect("JSON");
        text(&answer, "/access_token").to_owned()
    }

    /// The access token that an API key is exchanged for.
    pub(crate) async fn exchange(&self, key: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("client_secret", key)];
        let url = format!("{}/oauth/token", self.gateway());
        let answer = self.http.post(url).form(&form).send().await.expect("the gateway answers");
        text(&answer.json().await.expect("JSON"), "/access_token").to_owned()
    }

    /// The published keys.
    pub(crate) async fn jwks(&self) -> Value {
        let url = format!("{}/.well-known/jwks.json", self.gateway());
        self.http.get(url).send().await.expect("keys").json().await.expect("JSON")
    }

    /// Runs a GraphQL operation; transport errors are errors, whatever the gateway says is the answer.
    pub(crate) async fn try_graphql(
        &self,
        token: &str,
        query: &str,
        variables: Value,
    ) -> reqwest::Result<Value> {
        self.http
            .post(format!("{}/graphql", self.gateway()))
            .bearer_auth(token)
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await?
            .json()
            .await
    }

    /// Runs a GraphQL operation that must succeed, and answers its data.
    pub(crate) async fn graphql(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer =
            self.try_graphql(token, query, variables).await.expect("the gateway answers JSON");
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        answer.get("data").cloned().expect("data")
    }

    /// GETs JSON from the sandbox's control API.
    pub(crate) async fn control_get(&self, path: &str) -> Value {
        let url = format!("{}{path}", text(&self.json, "/sandbox/control"));
        let answer = self.http.get(&url).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// GETs text from the sandbox's control API.
    pub(crate) async fn control_text(&self, path: &str) -> String {
        let url = format!("{}{path}", text(&self.json, "/sandbox/control"));
        self.http.get(&url).send().await.expect("the sandbox answers").text().await.expect("text")
    }

    /// Sends JSON to the sandbox's control API.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", text(&self.json, "/sandbox/control"));
        let method = method.parse().expect("a method");
        let answer =
            self.http.request(method, &url).json(body).send().await.expect("the sandbox answers");
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

/// The text at a JSON pointer.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}
