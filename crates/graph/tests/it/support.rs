//! A Graph API of a few lines on loopback, a raw listener for what HTTP libraries will not do, and a client for both.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use graph::{Graph, GraphApp, GraphConfig};
use kernel::secret::{MetaToken, SecretString};
use meta::{Environment, MetaApp, MetaAppId, MetaApps};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) const SECRET: &str = "app-secret-canary";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
}

/// A Graph API that answers what the test says.
pub(crate) struct Meta {
    pub(crate) base: String,
    shared: Shared,
    _tasks: JoinSet<()>,
}

impl Meta {
    pub(crate) async fn answering(
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared { seen: Arc::default(), answer: Arc::new(answer) };
        let router = Router::new().fallback(handle).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, shared, _tasks: tasks }
    }

    /// One answer to everything.
    pub(crate) async fn saying(status: u16, body: &'static str) -> Self {
        Self::answering(move |_| json(status, body)).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let seen = Seen {
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        authorization: headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()),
        headers,
        body,
    };
    let answer = (shared.answer)(&seen);
    shared.seen.lock().unwrap().push(seen);
    answer
}

pub(crate) fn json(status: u16, body: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_owned())
        .into_response()
}

/// A listener that gets each connection raw and counts the requests that it read whole.
pub(crate) struct Raw {
    pub(crate) base: String,
    pub(crate) connections: Arc<Mutex<usize>>,
    _tasks: JoinSet<()>,
}

impl Raw {
    /// Reads a request if `read`, writes `answer`, closes.
    pub(crate) async fn new(read: bool, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                if read {
                    read_request(&mut stream).await;
                }
                stream.write_all(answer).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self { base, connections, _tasks: tasks }
    }

    /// Reads a request and never answers.
    pub(crate) async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                read_request(&mut stream).await;
                held.push(stream);
            }
        });
        Self { base, connections, _tasks: tasks }
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        got.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&got);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| {
                    line.strip_prefix("content-length: ").and_then(|n| n.trim().parse().ok())
                })
                .unwrap_or(0);
            if body.len() >= length {
                return;
            }
        }
        if n == 0 {
            return;
        }
    }
}

/// An address that nobody listens on.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn app(base: &str, change: impl FnOnce(&mut GraphConfig)) -> GraphApp {
    app_of_version(base, "v23.0", change)
}

pub(crate) fn app_of_version(
    base: &str,
    version: &str,
    change: impl FnOnce(&mut GraphConfig),
) -> GraphApp {
    let app = MetaApp {
        id: MetaAppId::new("634974688").unwrap(),
        name: "test".into(),
        environment: Environment::Sandbox,
        secret: SecretString::from(SECRET),
        previous_secret: None,
        verify_token: SecretString::from("verify-canary"),
        graph_base_url: base.to_owned(),
        graph_version: version.to_owned(),
        signup_configurations: vec![],
        business_id: None,
        system_user_token: None,
    };
    let mut config =
        GraphConfig { connect_timeout_ms: 500, timeout_ms: 5_000, ..GraphConfig::default() };
    change(&mut config);
    Graph::new(config, &MetaApps::new(vec![app]).unwrap()).unwrap().app("634974688").unwrap()
}

pub(crate) fn token() -> MetaToken {
    MetaToken::new("token-canary")
}
