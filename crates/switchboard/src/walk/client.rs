//! A plain HTTP client for the walk: JSON in, JSON out, every refusal with what was answered.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::dev_json::DevJson;

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Talks to one installation and to the sandbox beside it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    gateway: String,
    control: String,
}

impl Client {
    /// A client for what a dev.json names.
    pub(crate) fn new(dev: &DevJson) -> anyhow::Result<Self> {
        Self::at(&dev.gateway.http, &dev.sandbox.control)
    }

    /// A client for a gateway and a sandbox's control API.
    pub(crate) fn at(gateway: &str, control: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self { http, gateway: gateway.to_owned(), control: control.to_owned() })
    }

    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    pub(crate) fn control(&self) -> &str {
        &self.control
    }

    /// Runs a GraphQL operation and answers its `data`; any top-level error is an error here.
    pub(crate) async fn graphql(
        &self,
        token: &str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let answer = self.graphql_raw(token, query, variables).await?;
        if let Some(errors) = answer.get("errors") {
            bail!("GraphQL answered {errors}");
        }
        answer.get("data").cloned().context("a GraphQL answer without data")
    }

    /// Runs a GraphQL operation and answers the whole body.
    pub(crate) async fn graphql_raw(
        &self,
        token: &str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let response = self
            .http
            .post(format!("{}/graphql", self.gateway))
            .bearer_auth(token)
            .header("accept", "application/json")
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await
            .context("cannot reach the gateway")?;
        response.json().await.context("the gateway did not answer JSON")
    }

    /// POSTs JSON.
    pub(crate) async fn post_json(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        answer(
            self.http.post(url).header("accept", "application/json").json(body).send().await,
            url,
        )
        .await
    }

    /// POSTs JSON with a cookie, as the browser that opened the page would.
    pub(crate) async fn post_json_with_cookie(
        &self,
        url: &str,
        cookie: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let request =
            self.http.post(url).header("accept", "application/json").header("cookie", cookie);
        answer(request.json(body).send().await, url).await
    }

    /// GETs JSON and keeps the cookies that came with it.
    pub(crate) async fn get_json_and_cookie(&self, url: &str) -> anyhow::Result<(Value, String)> {
        let response = self.http.get(url).header("accept", "application/json").send().await;
        let cookie = response.as_ref().map(cookies).unwrap_or_default();
        Ok((answer(response, url).await?, cookie))
    }

    /// POSTs a form and asks for JSON.
    pub(crate) async fn post_form_for_json(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        answer(
            self.http.post(url).header("accept", "application/json").form(form).send().await,
            url,
        )
        .await
    }

    /// PUTs JSON.
    pub(crate) async fn put_json(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        answer(self.http.put(url).header("accept", "application/json").json(body).send().await, url)
            .await
    }

    /// Looks again and again until there is an answer, an error, or no patience left.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let mut look = look;
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if Instant::now() >= end {
                bail!("waited {} s for {what}, in vain", patience.as_secs());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

async fn answer(sent: reqwest::Result<reqwest::Response>, url: &str) -> anyhow::Result<Value> {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let response = sent.with_context(|| format!("cannot reach {path}"))?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("{path} broke off"))?;
    if !status.is_success() {
        bail!("{path} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{path} did not answer JSON"))
}

/// The name and value of each cookie that an answer sets, as a `Cookie` header takes them.
fn cookies(response: &reqwest::Response) -> String {
    let pairs = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned));
    pairs.collect::<Vec<_>>().join("; ")
}

/// The string at a JSON pointer, or an error that shows what was there.
pub(crate) fn string(value: &Value, pointer: &str) -> anyhow::Result<String> {
    match value.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => bail!("no text at {pointer} of {value}"),
    }
}
