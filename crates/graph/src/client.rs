//! The core that all calls go through: address, token, proof, limits, and how an answer is read.

use crate::config::GraphConfig;
use crate::error::{BuildError, Error};
use crate::outcome::{SendOutcome, UnknownReason, decide, not_sent, without_answer};
use crate::usage::{BudgetUse, Usage, UsageBoard};
use crate::{Page, metrics};
use bytes::{Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use kernel::secret::{ExposeSecret, MetaToken};
use meta::{GraphError, MetaApp, MetaAppId, MetaApps};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Largest answer that is read; the largest of Meta's are pages of templates, well below.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Most pages of one list; beyond, something loops.
const MOST_PAGES: usize = 200;

/// The client of the Graph API. Cheap to clone; one a process.
#[derive(Clone)]
pub struct Graph(Arc<Shared>);

struct Shared {
    http: reqwest::Client,
    files: reqwest::Client,
    config: GraphConfig,
    apps: HashMap<String, Arc<AppContext>>,
    usage: UsageBoard,
}

struct AppContext {
    app: MetaApp,
    base: Url,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("apps", &self.0.apps.keys()).finish_non_exhaustive()
    }
}

/// The Graph API as one app sees it. Cheap to clone.
#[derive(Clone)]
pub struct GraphApp {
    shared: Arc<Shared>,
    context: Arc<AppContext>,
}

impl std::fmt::Debug for GraphApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GraphApp").field(&self.context.app.id).finish()
    }
}

impl Graph {
    /// Makes the client for these apps.
    pub fn new(config: GraphConfig, apps: &MetaApps) -> Result<Self, BuildError> {
        let http = net::http::client(&config.client(Duration::from_millis(config.timeout_ms)))
            .map_err(BuildError::Client)?;
        let files = net::http::client(&config.client(Duration::from_secs(config.media_timeout_s)))
            .map_err(BuildError::Client)?;
        let apps = apps
            .iter()
            .map(|app| {
                let base = Url::parse(&app.graph_base_url)
                    .map_err(|source| BuildError::BaseUrl { app: app.id.to_string(), source })?;
                Ok((app.id.to_string(), Arc::new(AppContext { app: app.clone(), base })))
            })
            .collect::<Result<_, BuildError>>()?;
        Ok(Self(Arc::new(Shared { http, files, config, apps, usage: UsageBoard::default() })))
    }

    /// The Graph API as this app sees it.
    pub fn app(&self, id: &str) -> Result<GraphApp, Error> {
        let context = self.0.apps.get(id).ok_or_else(|| Error::UnknownApp(id.to_owned()))?;
        Ok(GraphApp { shared: Arc::clone(&self.0), context: Arc::clone(context) })
    }
}

/// What a call carries.
pub(crate) enum Payload<'a> {
    Nothing,
    Json(&'a Value),
    Form(&'a [(&'a str, &'a str)]),
    Multipart(Box<reqwest::multipart::Form>),
}

/// A call.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) token: Option<&'a MetaToken>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Call<'a> {
    pub(crate) const fn get(
        operation: &'static str,
        token: &'a MetaToken,
        path: &'a [&'a str],
    ) -> Self {
        Self {
            operation,
            method: Method::GET,
            path,
            query: &[],
            token: Some(token),
            payload: Payload::Nothing,
        }
    }

    pub(crate) const fn post(
        operation: &'static str,
        token: &'a MetaToken,
        path: &'a [&'a str],
        payload: Payload<'a>,
    ) -> Self {
        Self { operation, method: Method::POST, path, query: &[], token: Some(token), payload }
    }

    pub(crate) const fn delete(
        operation: &'static str,
        token: &'a MetaToken,
        path: &'a [&'a str],
    ) -> Self {
        Self {
            operation,
            method: Method::DELETE,
            path,
            query: &[],
            token: Some(token),
            payload: Payload::Nothing,
        }
    }

    pub(crate) const fn query(mut self, query: &'a [(&'a str, &'a str)]) -> Self {
        self.query = query;
        self
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl GraphApp {
    /// The app.
    #[must_use]
    pub fn id(&self) -> &MetaAppId {
        &self.context.app.id
    }

    /// What the configuration says of it.
    #[must_use]
    pub fn settings(&self) -> &MetaApp {
        &self.context.app
    }

    /// The app's own token: for its subscriptions and for `debug_token`.
    #[must_use]
    pub fn app_token(&self) -> MetaToken {
        MetaToken::new(format!(
            "{}|{}",
            self.context.app.id,
            self.context.app.secret.expose_secret()
        ))
    }

    /// Our system user's token, where the app has one.
    #[must_use]
    pub fn system_user_token(&self) -> Option<MetaToken> {
        self.context
            .app
            .system_user_token
            .as_ref()
            .map(|token| MetaToken::new(token.expose_secret()))
    }

    /// The last word on the app's own budget of calls.
    #[must_use]
    pub fn app_budget(&self) -> Option<BudgetUse> {
        self.shared.usage.of_app(self.context.app.id.as_str())
    }

    /// The last word on the budget of a WABA (or whatever object Meta counts by).
    #[must_use]
    pub fn budget(&self, object_id: &str) -> Option<BudgetUse> {
        self.shared.usage.of_account(self.context.app.id.as_str(), object_id)
    }

    /// Whether the app's version is at least v`major`.
    pub(crate) fn version_at_least(&self, major: u16) -> bool {
        let version = self.context.app.graph_version.trim_start_matches('v');
        version.split('.').next().and_then(|n| n.parse::<u16>().ok()).is_some_and(|n| n >= major)
    }

    pub(crate) fn config(&self) -> &GraphConfig {
        &self.shared.config
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    pub(crate) fn files(&self) -> &reqwest::Client {
        &self.shared.files
    }

    pub(crate) fn base(&self) -> &Url {
        &self.context.base
    }

    /// `{base}/{version}/{path…}`; each part is one segment, so no id can climb out of its place.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.context.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&self.context.app.graph_version).extend(path);
        }
        url
    }

    /// `appsecret_proof`: HMAC-SHA256 of the token under the app secret. Shows that the caller has both, and is of no use without the token.
    pub(crate) fn proof(&self, token: &MetaToken) -> String {
        let secret = self.context.app.secret.expose_secret();
        match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
            Ok(mut mac) => {
                mac.update(token.expose().as_bytes());
                hex::encode(mac.finalize().into_bytes())
            }
            // HMAC takes keys of any length.
            Err(_) => String::new(),
        }
    }

    pub(crate) fn request(
        &self,
        client: &reqwest::Client,
        call: Call<'_>,
    ) -> reqwest::RequestBuilder {
        let mut url = self.url(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        if let Some(token) = call.token {
            url.query_pairs_mut().append_pair("appsecret_proof", &self.proof(token));
        }
        let mut request = client.request(call.method, url);
        if let Some(token) = call.token {
            request = request.bearer_auth(token.expose());
        }
        match call.payload {
            Payload::Nothing => request,
            Payload::Json(body) => request.json(body),
            Payload::Form(fields) => request.form(fields),
            Payload::Multipart(form) => request.multipart(*form),
        }
    }

    /// Sends a request and reads its whole answer.
    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        tracing::Span::current().record("http.status_code", status);
        let usage = Usage::from_headers(response.headers());
        metrics::budget(&usage);
        self.shared.usage.note(self.context.app.id.as_str(), &usage);
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                break;
            }
        }
        Ok(Answer { status, body: body.freeze() })
    }

    /// A management call or a read whose answer is a `T`.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let operation = call.operation;
        let client = if matches!(call.payload, Payload::Multipart(_)) {
            &self.shared.files
        } else {
            &self.shared.http
        };
        let request = self.request(client, call);
        self.answer(operation, request).await
    }

    pub(crate) async fn answer<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let result = match self.exchange(request).await {
            Ok(answer) => read(operation, &answer),
            Err(source) => Err(lost(operation, source)),
        };
        let outcome = match &result {
            Ok(_) => "ok",
            Err(Error::Api { .. }) => "refused",
            Err(Error::NotSent { .. }) => "not_sent",
            Err(Error::Transport { .. }) => "lost",
            Err(
                Error::Decode { .. }
                | Error::UnknownApp(_)
                | Error::HostNotAllowed { .. }
                | Error::TooLarge { .. },
            ) => "unreadable",
        };
        metrics::call(operation, outcome, started.elapsed());
        result
    }

    /// A `POST` of a message: made once, judged by I2.
    pub(crate) async fn send(&self, call: Call<'_>) -> SendOutcome {
        let started = Instant::now();
        let operation = call.operation;
        let request = self.request(&self.shared.http, call);
        let outcome = match self.exchange(request).await {
            Ok(answer) if answer.body.len() > LARGEST_ANSWER => {
                SendOutcome::Unknown(UnknownReason::Unreadable(answer.status))
            }
            Ok(answer) => {
                decide(answer.status, &answer.body, &self.shared.config.refused_before_send)
            }
            Err(error) => without_answer(&error),
        };
        metrics::call(operation, outcome.label(), started.elapsed());
        outcome
    }

    /// One page of an edge.
    pub(crate) async fn page<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Page<T>, Error> {
        let listed: Listed<T> = self.call(call).await?;
        let after = listed.paging.and_then(|paging| {
            paging.next?;
            paging.cursors?.after
        });
        Ok(Page { items: listed.data, after })
    }

    /// All pages of an edge. A list that goes on for ever is an error, not a loop.
    pub(crate) async fn all_pages<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        token: &MetaToken,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.push(("limit", "100"));
            if let Some(after) = &after {
                query.push(("after", after));
            }
            let page = self.page::<T>(Call::get(operation, token, path).query(&query)).await?;
            items.extend(page.items);
            match page.after {
                Some(next) if Some(&next) != after.as_ref() => after = Some(next),
                Some(_) | None => return Ok(items),
            }
        }
        Err(Error::Decode {
            operation,
            status: 200,
            reason: format!("a list of at most {MOST_PAGES} pages"),
        })
    }
}

#[derive(serde::Deserialize)]
struct Listed<T> {
    data: Vec<T>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(serde::Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Option<Cursors>,
    // Its presence says that there is a next page; its content may hold a token and is never used.
    #[serde(default)]
    next: Option<serde::de::IgnoredAny>,
}

#[derive(serde::Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

fn read<T: DeserializeOwned>(operation: &'static str, answer: &Answer) -> Result<T, Error> {
    let Answer { status, body } = answer;
    if let Some(error) = GraphError::from_body(body) {
        return Err(Error::Api { operation, status: *status, error: Box::new(error) });
    }
    if !(200..300).contains(status) {
        return Err(Error::Decode {
            operation,
            status: *status,
            reason: "an error envelope".to_owned(),
        });
    }
    serde_json::from_slice(body).map_err(|error| {
        // serde's words may quote the answer; its place in it does not.
        let reason = format!(
            "{} (line {}, column {})",
            std::any::type_name::<T>(),
            error.line(),
            error.column()
        );
        Error::Decode { operation, status: *status, reason }
    })
}

pub(crate) fn lost(operation: &'static str, error: reqwest::Error) -> Error {
    let sent = not_sent(&error).is_none();
    let source = error.without_url();
    if sent { Error::Transport { operation, source } } else { Error::NotSent { operation, source } }
}
