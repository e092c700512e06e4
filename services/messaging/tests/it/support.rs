//! An installation in a nutshell: the messaging service as a process runs it, on a database and a bus of
//! its own, with the sandbox as Meta. Tenants, WABAs, numbers and templates come as their owners' events
//! do; Meta's webhooks come as the receiver's do.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Environment, Permission, Reach, Scope, Service, ServiceClaims, Signer, Wabas};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use bus::{About, Bus, EmbeddedBus, Envelope};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use graph::{Graph, GraphConfig, TokenError};
use kernel::clock::{Clock, SystemClock, WallClock};
use kernel::id::{KeyId, NumberId, SessionId, TemplateId, TenantId, UserId, WabaId};
use kernel::ids::{Ids, SystemIds, random_token};
use kernel::page::{Cursors, PageKey};
use kernel::secret::{ExposeSecret as _, MetaToken, SecretString};
use kernel::time::Timestamp;
use meta::app::{MetaApp, MetaApps};
use meta::ids::MetaAppId;
use meta::webhook::ElementKind;
use net::clock::FollowedClock;
use net::health::Readiness;
use proto::assets::v1 as assets;
use proto::events::v1 as events;
use proto::messaging::v1 as pb;
use proto::messaging::v1::contact_service_client::ContactServiceClient;
use proto::messaging::v1::conversation_service_client::ConversationServiceClient;
use proto::messaging::v1::message_service_client::MessageServiceClient;
use proto::onboarding::v1 as onboarding;
use sandbox::Sandbox;
use serde_json::{Value, json};
use server::{
    IssuedToken, KeySource, Peers, RevocationSource, Revoked, Security, SecurityConfig, ServiceRun,
    Sources, TokenSource,
};
use store::migrate::{self, MigrateConfig};
use store::schema::Roles;
use store::{Database, Pools, Store, StoreConfig};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use uuid::Uuid;

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
const LIFE: Duration = Duration::from_mins(10);
/// All that a tenant's caller may do here.
pub(crate) const ALL: [Permission; 6] = [
    Permission::MessagesRead,
    Permission::MessagesSend,
    Permission::ContactsRead,
    Permission::ContactsWrite,
    Permission::ConversationsRead,
    Permission::ConversationsWrite,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// The value of a future that must not take long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("waited {PATIENCE:?} for {what}");
    };
    value
}

/// Signs tokens, and answers as identity would.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    config: SecurityConfig,
    signer: Signer,
}

impl Identity {
    fn new() -> Self {
        Self {
            config: SecurityConfig::default(),
            signer: Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap(),
        }
    }

    fn service_token(&self, from: Service, to: Service) -> SecretString {
        let now = WallClock::now(&SystemClock);
        let claims = ServiceClaims::new(&self.config.issuer, from, to, now, LIFE, jti());
        self.signer.sign_service(&claims).unwrap()
    }

    fn person(&self, reach: &Reach, permissions: &[Permission]) -> String {
        let (ids, now) = (SystemIds::new(), WallClock::now(&SystemClock));
        let claims = Claims::for_person(
            &self.config.issuer,
            &self.config.audience,
            UserId::mint(&ids, now),
            SessionId::mint(&ids, now),
            reach,
            permissions.iter().copied().collect::<BTreeSet<_>>(),
            now,
            LIFE,
            jti(),
        );
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }

    fn key(&self, reach: &Reach, environment: Environment) -> String {
        let now = WallClock::now(&SystemClock);
        let claims = Claims::for_key(
            &self.config.issuer,
            &self.config.audience,
            KeyId::mint(&SystemIds::new(), now),
            environment,
            reach,
            ALL.into_iter().collect::<BTreeSet<_>>(),
            now,
            LIFE,
            jti(),
        );
        self.signer.sign(&claims).unwrap().expose_secret().to_owned()
    }
}

fn jti() -> String {
    random_token(&SystemIds::new(), 12)
}

#[async_trait]
impl KeySource for Identity {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(json!({ "keys": [self.signer.jwk()] }).to_string())
    }
}

#[async_trait]
impl RevocationSource for Identity {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let first = Revoked { revocations: Vec::new(), complete: true };
        let rest = futures::stream::pending();
        Ok(futures::stream::once(async { Ok(first) }).chain(rest).boxed())
    }

    async fn is_dead(&self, _: &Scope) -> Result<bool, Status> {
        Ok(false)
    }
}

#[async_trait]
impl TokenSource for Identity {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let token = self.service_token(Service::Messaging, callee);
        Ok(IssuedToken { token, life: LIFE })
    }
}

/// The vault: one token for all.
struct Vault(String);

#[async_trait]
impl graph::TokenSource for Vault {
    async fn token(&self, _: Uuid, _: Uuid) -> Result<MetaToken, TokenError> {
        Ok(MetaToken::new(self.0.clone()))
    }

    async fn invalidate(&self, _: Uuid, _: Uuid) {}
}

/// A number of a tenant's, live at the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) tenant: TenantId,
    pub(crate) waba: WabaId,
    pub(crate) id: NumberId,
    pub(crate) meta_id: String,
    pub(crate) waba_meta_id: String,
    pub(crate) environment: &'static str,
}

#[derive(Default)]
struct Hook {
    bus: OnceLock<Arc<dyn Bus>>,
    numbers: std::sync::Mutex<Vec<Number>>,
}

/// Attaches both tokens to a call.
#[derive(Clone)]
pub(crate) struct Tokens {
    user: String,
    service: String,
}

impl tonic::service::Interceptor for Tokens {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = format!("Bearer {}", self.user).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let own = self.service.parse().unwrap();
        request.metadata_mut().insert("x-switchboard-service", own);
        Ok(request)
    }
}

type Wire = InterceptedService<Channel, Tokens>;

/// A caller of the service.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) messages: MessageServiceClient<Wire>,
    pub(crate) contacts: ContactServiceClient<Wire>,
    pub(crate) conversations: ConversationServiceClient<Wire>,
}

struct Postgres {
    base: String,
    database: String,
}

impl Postgres {
    fn url(&self, user: Option<&str>, database: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap_or(("postgres", rest));
        let host = place.split('/').next().unwrap();
        let login = user.map_or(login.to_owned(), |user| format!("{user}:sbt"));
        format!("{scheme}://{login}@{host}/{database}")
    }

    async fn run(&self, database: &str, sql: &str) {
        use sea_orm::ConnectionTrait as _;
        let db = sea_orm::Database::connect(self.url(None, database)).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close_by_ref().await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.run("postgres", &sql));
            });
        });
    }
}

/// What a world is started with.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) on: On,
    pub(crate) config: messaging::Config,
}

/// The installation.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<FollowedClock>,
    pub(crate) number: Number,
    identity: Identity,
    http: reqwest::Client,
    meta: String,
    app_id: String,
    token: String,
    readiness: Readiness,
    hook: Arc<Hook>,
    migrate: MigrateConfig,
    deps: Deps,
    channel: Channel,
    stop: CancellationToken,
    running: JoinSet<()>,
    _meta: JoinSet<()>,
    meta_stop: CancellationToken,
    _folder: TempDir,
    _postgres: Option<Postgres>,
}

#[derive(Clone)]
struct Deps {
    config: messaging::Config,
    graph: Graph,
    database: Database,
}

impl World {
    /// Everything on, on this database.
    pub(crate) async fn on(on: On) -> Self {
        let config = messaging::Config {
            sole_owner: true,
            sweep_ms: 50,
            poll_ms: 50,
            ..messaging::Config::default()
        };
        Self::start(Wanted { on, config }).await
    }

    pub(crate) async fn start(wanted: Wanted) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (migrate, database, postgres) = database(&folder, wanted.on).await;
        migrate::run::<migrations::messaging::Migrator>(&migrate, "messaging").await.unwrap();
        let meta_stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let config = sandbox::Config {
            data: folder.path().join("sandbox"),
            listen: "127.0.0.1:0".parse().unwrap(),
            drain_ms: 200,
            ..sandbox::Config::default()
        };
        let sandbox = Sandbox::open(config).await.unwrap();
        let meta = sandbox.base_url();
        let until = meta_stop.clone();
        tasks.spawn(async move { sandbox.run(until).await.unwrap() });
        let bus = embedded(&folder).await;
        let hook = Arc::new(Hook::default());
        hook.bus.set(Arc::clone(&bus)).ok().unwrap();
        let callback = receiver(&hook, &mut tasks).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let signed = Signed::up(&http, &meta, &callback).await;
        let readiness = Readiness::new();
        let url = format!("{meta}/_sandbox/v1/clock");
        let clock = FollowedClock::follow(&url, readiness.clone(), meta_stop.clone()).unwrap();
        soon("the clock", readiness.wait()).await;
        let graph = Graph::new(
            GraphConfig { timeout_ms: 3_000, ..GraphConfig::default() },
            &MetaApps::new(vec![signed.app(&meta)]).unwrap(),
        )
        .unwrap();
        let identity = Identity::new();
        let ids = SystemIds::new();
        let now = clock.now();
        let number = Number {
            tenant: TenantId::mint(&ids, now),
            waba: WabaId::mint(&ids, now),
            id: NumberId::mint(&ids, now),
            meta_id: signed.number.clone(),
            waba_meta_id: signed.waba.clone(),
            environment: "sandbox",
        };
        let deps = Deps { config: wanted.config, graph, database };
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        let (store, channel) =
            run(&deps, &bus, &clock, &identity, &signed.token, &stop, &mut running).await;
        let world = Self {
            store,
            bus,
            clock,
            number: number.clone(),
            identity,
            http,
            meta,
            app_id: signed.app_id,
            token: signed.token,
            readiness,
            hook,
            migrate,
            deps,
            channel,
            stop,
            running,
            _meta: tasks,
            meta_stop,
            _folder: folder,
            _postgres: postgres,
        };
        world.tell_of(&number).await;
        // Most stories here do not begin with a customer who writes.
        world.control("PUT", "/settings", json!({ "enforce_window": false })).await;
        world
    }

    /// What the database's catalogue has against the rules.
    pub(crate) async fn catalogue_faults(&self) -> Vec<String> {
        store::schema::catalogue_faults(&self.migrate, "messaging").await.unwrap()
    }

    /// Ends the service without a farewell, as kill -9 would, and starts it anew on the same data.
    pub(crate) async fn crash(&mut self) {
        self.running.shutdown().await;
        self.stop = CancellationToken::new();
        let (store, channel) = run(
            &self.deps,
            &self.bus,
            &self.clock,
            &self.identity,
            &self.token,
            &self.stop,
            &mut self.running,
        )
        .await;
        self.store = store;
        self.channel = channel;
    }

    /// Has the owners tell of a number, its WABA and its tenant, and waits until messaging knows.
    pub(crate) async fn tell_of(&self, number: &Number) {
        self.hook.numbers.lock().unwrap().push(number.clone());
        let tenant = onboarding::Tenant {
            id: number.tenant.to_string(),
            name: "Casa Rosa".to_owned(),
            state: onboarding::TenantState::Active.into(),
            version: 1,
            ..Default::default()
        };
        self.publish(
            About::state(number.tenant.uuid(), 1).of(number.tenant),
            &events::TenantChanged { tenant: Some(tenant) },
        )
        .await;
        self.waba_says(number, onboarding::WabaState::Live, 1).await;
        let event = events::NumberChanged {
            number: Some(number_proto(number, 1)),
            partner_id: String::new(),
        };
        let about = About::state(number.id.uuid(), 1).of(number.tenant).within(number.waba);
        self.publish(about, &event).await;
        self.wait("the read model", async || self.knows(number).await).await;
    }

    async fn knows(&self, number: &Number) -> bool {
        let mut caller = self.caller_of(number);
        let mut probe = send(number, "+351912000999", "probe");
        // No such template: refused, but only once the number is known.
        probe.body_json =
            json!({"type": "template", "template": {"name": "none", "language": {"code": "en"}}})
                .to_string();
        let refused = caller.messages.send_message(probe).await.unwrap_err();
        refused.message().contains("132001")
    }

    pub(crate) async fn waba_says(
        &self,
        number: &Number,
        state: onboarding::WabaState,
        version: i64,
    ) {
        let waba = onboarding::Waba {
            id: number.waba.to_string(),
            tenant_id: number.tenant.to_string(),
            meta_id: number.waba_meta_id.clone(),
            environment: number.environment.to_owned(),
            state: state.into(),
            app_id: self.app_id.clone(),
            credential_generation: version,
            version,
            ..Default::default()
        };
        let about = About::state(number.waba.uuid(), version).of(number.tenant).within(number.waba);
        let event = events::WabaChanged { waba: Some(waba), partner_id: String::new() };
        self.publish(about, &event).await;
    }

    /// Publishes a change of the number, as assets would.
    pub(crate) async fn number_says(&self, change: impl FnOnce(&mut assets::Number)) {
        let version = self.clock.now().as_micros();
        let mut number = number_proto(&self.number, version);
        change(&mut number);
        let about = About::state(self.number.id.uuid(), version)
            .of(self.number.tenant)
            .within(self.number.waba);
        self.publish(
            about,
            &events::NumberChanged { number: Some(number), partner_id: String::new() },
        )
        .await;
    }

    /// Publishes a template, as assets would.
    pub(crate) async fn template_says(&self, name: &str, category: &str, status: &str, body: &str) {
        let version = self.clock.now().as_micros();
        let id = TemplateId::from_uuid(Uuid::from_u128(u128::from(name.len() as u64) + 7_000));
        let template = assets::Template {
            id: id.to_string(),
            tenant_id: self.number.tenant.to_string(),
            waba_id: self.number.waba.to_string(),
            name: name.to_owned(),
            language: "en_US".to_owned(),
            category: category.to_owned(),
            status: status.to_owned(),
            parameter_format: "POSITIONAL".to_owned(),
            components_json: json!([{ "type": "BODY", "text": body }]).to_string(),
            version,
            ..Default::default()
        };
        let about =
            About::state(id.uuid(), version).of(self.number.tenant).within(self.number.waba);
        let event = events::TemplateChanged { template: Some(template), shape_json: String::new() };
        self.publish(about, &event).await;
    }

    /// Publishes an event as its owner would, once a group is bound to its key.
    pub(crate) async fn publish<M: bus::EventMessage>(&self, about: About, message: &M) {
        let event = bus::event(&SystemIds::new(), self.clock.now(), about, message);
        self.publish_raw(envelope(event)).await;
    }

    pub(crate) async fn publish_raw(&self, envelope: Envelope) {
        self.wait("somebody to hear", async || {
            let answers = self.bus.publish(vec![envelope.clone()]).await;
            answers.iter().all(Result::is_ok)
        })
        .await;
    }

    fn caller_with(&self, user: String) -> Caller {
        let service = self.identity.service_token(Service::Gateway, Service::Messaging);
        let tokens = Tokens { user, service: service.expose_secret().to_owned() };
        let wire = || InterceptedService::new(self.channel.clone(), tokens.clone());
        Caller {
            messages: MessageServiceClient::new(wire()),
            contacts: ContactServiceClient::new(wire()),
            conversations: ConversationServiceClient::new(wire()),
        }
    }

    /// A person of the tenant who may do everything.
    pub(crate) fn caller(&self) -> Caller {
        self.caller_of(&self.number)
    }

    pub(crate) fn caller_of(&self, number: &Number) -> Caller {
        let reach = Reach::Tenant { tenant: number.tenant, wabas: Wabas::All };
        self.caller_with(self.identity.person(&reach, &ALL))
    }

    /// A key that sees one WABA.
    pub(crate) fn key(&self, tenant: TenantId, waba: WabaId, environment: Environment) -> Caller {
        let reach = Reach::Tenant { tenant, wabas: Wabas::one(waba) };
        self.caller_with(self.identity.key(&reach, environment))
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/_sandbox/v1{path}", self.meta);
        let request = self.http.request(method.parse().unwrap(), url);
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
        self.wait("the clock", async || self.clock.now() >= before + by).await;
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
        let url = format!("{}/_sandbox/v1/ledger?app_id={}", self.meta, self.app_id);
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until something holds.
    pub(crate) async fn wait(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(what, wait).await;
    }

    pub(crate) async fn get(&self, id: &str) -> pb::Message {
        let request = pb::GetMessageRequest { message_id: id.to_owned() };
        let answer = self.caller().messages.get_message(request).await.unwrap();
        answer.into_inner().message.unwrap()
    }

    /// Waits until a message has a status; answers it then.
    pub(crate) async fn until(&self, id: &str, status: &str) -> pb::Message {
        let wait = async {
            loop {
                let message = self.get(id).await;
                if message.status == status {
                    return message;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Ok(message) = tokio::time::timeout(PATIENCE, wait).await else {
            let message = self.get(id).await;
            let steps = self.steps(id).await;
            panic!(
                "wanted {status} within {PATIENCE:?}; was {}/{} ({}), steps {steps:?}",
                message.status, message.dispatch, message.failure_reason
            );
        };
        message
    }

    pub(crate) async fn steps(&self, id: &str) -> Vec<String> {
        let request = pb::ListMessageStepsRequest { message_id: id.to_owned() };
        let answer = self.caller().messages.list_message_steps(request).await.unwrap();
        answer.into_inner().steps.into_iter().map(|step| step.name).collect()
    }

    /// Messages of the tenant, oldest first.
    pub(crate) async fn list(&self) -> Vec<pb::Message> {
        let page = proto::common::v1::Page {
            page_size: 100,
            order: proto::common::v1::Order::OldestFirst.into(),
            ..Default::default()
        };
        let request = pb::ListMessagesRequest { page: Some(page), ..Default::default() };
        self.caller().messages.list_messages(request).await.unwrap().into_inner().items
    }

    /// Sends a text as the tenant, and answers the message.
    pub(crate) async fn text(&self, to: &str, text: &str) -> pb::Message {
        let request = send(&self.number, to, text);
        let answer = self.caller().messages.send_message(request).await.unwrap();
        answer.into_inner().message.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.meta_stop.cancel();
        let _ = &self.readiness;
    }
}

/// A text.
pub(crate) fn send(number: &Number, to: &str, text: &str) -> pb::SendMessageRequest {
    pb::SendMessageRequest {
        number_id: number.id.to_string(),
        to: to.to_owned(),
        body_json: json!({"type": "text", "text": {"body": text}}).to_string(),
        ..Default::default()
    }
}

fn number_proto(number: &Number, version: i64) -> assets::Number {
    assets::Number {
        id: number.id.to_string(),
        tenant_id: number.tenant.to_string(),
        waba_id: number.waba.to_string(),
        meta_id: number.meta_id.clone(),
        e164: "+15550009999".to_owned(),
        status: "CONNECTED".to_owned(),
        throughput_mps: 80,
        registered: true,
        environment: number.environment.to_owned(),
        version,
        ..Default::default()
    }
}

pub(crate) fn envelope(event: store::Event) -> Envelope {
    Envelope {
        id: event.id,
        key: event.key,
        kind: event.kind.to_owned(),
        tenant: event.tenant,
        waba: event.waba,
        aggregate: event.aggregate,
        version: event.version,
        body: event.body.into(),
        traceparent: event.traceparent,
    }
}

/// A routed element, as webhooks-in publishes it.
pub(crate) fn routed(
    number: &Number,
    field: &str,
    kind: &str,
    element: &str,
    contact: Option<&str>,
    received: Timestamp,
) -> Envelope {
    let body = events::ElementRouted {
        tenant_id: number.tenant.to_string(),
        waba_id: number.waba.to_string(),
        waba_meta_id: number.waba_meta_id.clone(),
        phone_number_meta_id: number.meta_id.clone(),
        number_id: number.id.to_string(),
        field: field.to_owned(),
        element_kind: kind.to_owned(),
        element: element.as_bytes().to_vec(),
        contact: contact.unwrap_or_default().as_bytes().to_vec(),
        received_us: received.as_micros(),
        raw_id: "inbound_test".to_owned(),
        ..Default::default()
    };
    let about = About::fact(number.waba.uuid()).of(number.tenant).within(number.waba);
    let key = format!("webhooks.element.{field}");
    envelope(bus::event_as(&SystemIds::new(), received, key, about, &body))
}

async fn database(folder: &TempDir, on: On) -> (MigrateConfig, Database, Option<Postgres>) {
    if on == On::Sqlite {
        let path = folder.path().join("messaging.sqlite");
        return (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None);
    }
    let base = std::env::var_os("DATABASE_URL")
        .and_then(|url| url.into_string().ok())
        .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let name = random_token(&SystemIds::new(), 9).to_ascii_lowercase().replace('-', "_");
    let server = Postgres { base, database: format!("sbt_messaging_{name}") };
    server.run("postgres", &format!("CREATE DATABASE \"{}\"", server.database)).await;
    let names = ["sbt_messaging", "sbt_messaging_sys", "sbt_messaging_desk"];
    let passwords = names.iter().map(|role| ((*role).to_owned(), "sbt".into())).collect();
    let roles = Roles { prefix: "sbt".to_owned(), passwords, ..Roles::default() };
    let url = server.url(None, &server.database).into();
    let of = |role: &str| server.url(Some(role), &server.database).into();
    let database = Database::Postgres {
        scoped_url: of("sbt_messaging"),
        system_url: of("sbt_messaging_sys"),
        desk_url: of("sbt_messaging_desk"),
        pools: Pools { scoped: 4, system: 3, desk: 1, ..Pools::default() },
    };
    (MigrateConfig::Postgres { url, roles }, database, Some(server))
}

async fn embedded(folder: &TempDir) -> Arc<dyn Bus> {
    let path = folder.path().join("bus.sqlite");
    let config = MigrateConfig::Sqlite { path: path.clone() };
    migrate::run::<migrations::bus::Migrator>(&config, "bus").await.unwrap();
    let config = StoreConfig { service: "bus", database: Database::Sqlite { path } };
    let store = Store::open(config, Arc::new(SystemClock), Arc::new(SystemIds::new())).await;
    Arc::new(EmbeddedBus::open(store.unwrap()).await.unwrap())
}

async fn run(
    deps: &Deps,
    bus: &Arc<dyn Bus>,
    clock: &Arc<FollowedClock>,
    identity: &Identity,
    token: &str,
    stop: &CancellationToken,
    running: &mut JoinSet<()>,
) -> (Store, Channel) {
    let ids: Arc<dyn Ids> = Arc::new(SystemIds::new());
    let config = StoreConfig { service: "messaging", database: deps.database.clone() };
    let business: Arc<dyn Clock> = Arc::<FollowedClock>::clone(clock);
    let store = Store::open(config, Arc::clone(&business), Arc::clone(&ids)).await.unwrap();
    let readiness = Readiness::new();
    let sources = Sources {
        keys: Arc::new(identity.clone()),
        revocations: Arc::new(identity.clone()),
        tokens: Arc::new(identity.clone()),
    };
    let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
    let security = Security::with_sources(
        &identity.config,
        Service::Messaging,
        sources,
        Arc::clone(&wall),
        &readiness,
        stop,
    );
    soon("security", readiness.wait()).await;
    let none: [(Service, &str); 0] = [];
    let service = messaging::service_with(
        deps.config.clone(),
        messaging::Deps {
            store: store.clone(),
            bus: Arc::clone(bus),
            clock: business,
            ids,
            peers: Arc::new(Peers::new(&security, none).unwrap()),
            cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), wall)),
            graph: deps.graph.clone(),
            security: security.clone(),
            stop: stop.clone(),
        },
        Vault(token.to_owned()),
    );
    let listener = net::http::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address();
    let run = ServiceRun {
        grpc: Some(listener),
        http: None,
        roles: None,
        reflection: false,
        security,
        readiness,
        stop: stop.clone(),
    };
    running.spawn(async move { service.run(run).await.unwrap() });
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    (store, channel)
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

async fn challenge(Query(query): Query<std::collections::BTreeMap<String, String>>) -> String {
    query.get("hub.challenge").cloned().unwrap_or_default()
}

async fn take(State(hook): State<Arc<Hook>>, body: Bytes) -> StatusCode {
    let bus = hook.bus.get().unwrap();
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
        let now = Clock::now(&SystemClock);
        let event = routed(
            &number,
            &element.field,
            kind,
            &element.element_json,
            element.contact_json.as_deref(),
            element.timestamp.map_or(now, Timestamp::from_seconds),
        );
        if bus.publish(vec![event]).await.iter().any(Result::is_err) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}

/// A business that signed up.
struct Signed {
    app_id: String,
    secret: String,
    token: String,
    waba: String,
    number: String,
}

impl Signed {
    /// Walks the whole path: app, callback, dialog, exchange, subscription, registration.
    async fn up(http: &reqwest::Client, meta: &str, callback: &str) -> Self {
        let installation = random_token(&SystemIds::new(), 6);
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
