//! A gateway with a clock that is moved by hand, tokens of a test's own issuer, and services on a loopback port that
//! answer with what a test put in their mouth. Meta is nowhere in it.

pub(crate) mod fakes;
pub(crate) mod socket;

use std::sync::Arc;
use std::time::Duration;

use ::auth::{
    Claims, Environment, Permission, Reach, Revocation, Scope, Service, ServiceClaims, Signer,
    Wabas,
};
use ::http::{HeaderMap, Request, StatusCode};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use gateway::{Config, Deps};
use http_body_util::BodyExt as _;
use kernel::clock::ManualClock;
use kernel::id::{KeyId, OperatorId, SessionId, TenantId, UserId};
use kernel::ids::SystemIds;
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use net::health::Readiness;
use net::http::{HttpServer, Listener};
use serde_json::{Value, json};
use server::{
    IssuedToken, KeySource, Peers, RevocationSource, Revoked, Security, SecurityConfig, Sources,
    TokenSource,
};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tower::ServiceExt as _;
use uuid::Uuid;

use fakes::Fakes;

pub(crate) const ISSUER: &str = "https://switchboard.test";
pub(crate) const AUDIENCE: &str = "switchboard";
pub(crate) const PUBLIC_URL: &str = "http://127.0.0.1:8080";
pub(crate) const LIFE: Duration = Duration::from_mins(10);
pub(crate) const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(1));
pub(crate) const USER: UserId = UserId::from_uuid(Uuid::from_u128(2));
pub(crate) const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(3));
pub(crate) const KEY: KeyId = KeyId::from_uuid(Uuid::from_u128(4));
pub(crate) const OPERATOR: OperatorId = OperatorId::from_uuid(Uuid::from_u128(6));

/// An id of a kind, told apart by a number.
pub(crate) fn id<K: kernel::id::Kind>(n: u128) -> String {
    kernel::id::Id::<K>::from_uuid(Uuid::from_u128(0x1000 + n)).to_string()
}

/// A gateway.
pub(crate) struct Gateway {
    pub(crate) router: Router,
    pub(crate) fakes: Fakes,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stop: CancellationToken,
    pub(crate) sockets: TaskTracker,
    config: Config,
    issuer: Arc<Issuer>,
    tasks: JoinSet<()>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_795_426_200)));
        let issuer = Arc::new(Issuer::new(Arc::clone(&clock)));
        let (stop, readiness) = (CancellationToken::new(), Readiness::new());
        let sources = Sources {
            keys: Arc::clone(&issuer) as Arc<dyn KeySource>,
            revocations: Arc::clone(&issuer) as Arc<dyn RevocationSource>,
            tokens: Arc::clone(&issuer) as Arc<dyn TokenSource>,
        };
        let security = Security::with_sources(
            &SecurityConfig {
                issuer: ISSUER.to_owned(),
                audience: AUDIENCE.to_owned(),
                ..SecurityConfig::default()
            },
            Service::Gateway,
            sources,
            Arc::clone(&clock) as Arc<dyn kernel::clock::WallClock>,
            &readiness,
            &stop,
        );
        readiness.wait().await;

        let fakes = Fakes::default();
        let mut tasks = JoinSet::new();
        let listener = net::http::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address().to_string();
        let serving = net::grpc::serve(
            listener,
            fakes.router(),
            net::grpc::GrpcLimits::default(),
            stop.clone(),
        );
        tasks.spawn(async move { serving.await.unwrap() });
        let services = [
            Service::Identity,
            Service::Onboarding,
            Service::Assets,
            Service::Messaging,
            Service::Webhooks,
            Service::Analytics,
        ];
        let endpoints = services.map(|service| (service, address.clone()));
        let sockets = TaskTracker::new();
        let deps = Deps {
            peers: Peers::new(&security, endpoints).unwrap(),
            security,
            wall: Arc::clone(&clock) as Arc<dyn kernel::clock::WallClock>,
            ids: Arc::new(SystemIds::new()),
            sockets: sockets.clone(),
        };
        let router = gateway::router(&config, deps).unwrap();
        Self { router, fakes, clock, stop, sockets, config, issuer, tasks }
    }

    fn server(&self) -> HttpServer {
        HttpServer::new("gateway", self.router.clone(), self.config.http_limits())
    }

    /// Serves on a loopback port; answers its address.
    pub(crate) async fn listen(&mut self) -> String {
        let listener: Listener = net::http::bind("127.0.0.1:0").await.unwrap();
        let address = listener.address().to_string();
        let serving = self.server().serve(listener, self.stop.clone());
        self.tasks.spawn(async move { serving.await.unwrap() });
        address
    }

    /// A token of a person in the tenant.
    pub(crate) fn token(&self) -> String {
        self.issuer.person(&Reach::Tenant { tenant: TENANT, wabas: Wabas::All })
    }

    /// A token of a person in another tenant.
    pub(crate) fn token_of(&self, tenant: TenantId) -> String {
        self.issuer.person(&Reach::Tenant { tenant, wabas: Wabas::All })
    }

    /// A token of an operator.
    pub(crate) fn operator(&self) -> String {
        self.issuer.person(&Reach::Operator { operator: OPERATOR })
    }

    /// A token that identity would give for an API key.
    pub(crate) fn token_of_key(&self) -> String {
        self.issuer.key()
    }

    /// Gives such a token whenever it is asked.
    pub(crate) fn minting(&self) -> impl Fn() -> String + Clone + Send + Sync + use<> {
        let issuer = Arc::clone(&self.issuer);
        move || issuer.key()
    }

    /// Tells the stream of revocations.
    pub(crate) fn revoke(&self, revocation: Revocation) {
        self.issuer.revoked.send(revocation).unwrap();
    }

    /// Whether the gateway has heard of a revocation is seen by its answer.
    pub(crate) async fn until_refused(&self, token: &str) {
        self.until("the token to be refused", async || {
            let answer = self.graphql_raw(token, "{ __typename }", json!({})).await;
            answer.status == StatusCode::UNAUTHORIZED
        })
        .await;
    }

    /// Looks again and again.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..500 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}");
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let router = self.server().into_router();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// POSTs JSON to GraphQL as programs do.
    pub(crate) async fn graphql_raw(&self, token: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = Request::post("/graphql")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    /// The same; answers the body.
    pub(crate) async fn graphql(&self, token: &str, query: &str, variables: Value) -> Value {
        self.graphql_raw(token, query, variables).await.json()
    }

    /// The same where no error is expected; answers the data.
    pub(crate) async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self.graphql(token, query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer:#}");
        answer["data"].clone()
    }

    /// POSTs JSON to another route.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// GETs a route.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All cookies that it sets.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all("set-cookie").iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

/// The test's own identity.
#[derive(Debug)]
struct Issuer {
    signer: Signer,
    clock: Arc<ManualClock>,
    revoked: broadcast::Sender<Revocation>,
}

impl Issuer {
    fn new(clock: Arc<ManualClock>) -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { signer, clock, revoked: broadcast::channel(16).0 }
    }

    fn person(&self, reach: &Reach) -> String {
        let (now, all) = (self.clock.read(), Permission::ALL.iter().copied());
        let claims = Claims::for_person(
            ISSUER,
            AUDIENCE,
            USER,
            SESSION,
            reach,
            all,
            now,
            LIFE,
            "jti".into(),
        );
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }

    fn key(&self) -> String {
        let reach = Reach::Tenant { tenant: TENANT, wabas: Wabas::All };
        let (now, all) = (self.clock.read(), Permission::ALL.iter().copied());
        let env = Environment::Sandbox;
        let claims =
            Claims::for_key(ISSUER, AUDIENCE, KEY, env, &reach, all, now, LIFE, "jti".into());
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }
}

#[async_trait]
impl KeySource for Issuer {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(json!({ "keys": [self.signer.jwk()] }).to_string())
    }
}

#[async_trait]
impl RevocationSource for Issuer {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let first = Ok(Revoked { revocations: vec![], complete: true });
        let later = BroadcastStream::new(self.revoked.subscribe())
            .map(|one| Ok(Revoked { revocations: vec![one.unwrap()], complete: false }));
        Ok(futures::stream::iter([first]).chain(later).boxed())
    }

    async fn is_dead(&self, _scope: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[async_trait]
impl TokenSource for Issuer {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let now = self.clock.read();
        let claims = ServiceClaims::new(ISSUER, Service::Gateway, callee, now, LIFE, "jti".into());
        Ok(IssuedToken { token: self.signer.sign_service(&claims).unwrap(), life: LIFE })
    }
}
