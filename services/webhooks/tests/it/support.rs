//! The service on free ports over a database and a bus of its own, with Meta, onboarding, assets and an operator played by
//! the test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Permission, Reach, Scope, Service, ServiceClaims, Signer, Wabas};
use bus::{About, Bus, Deliveries, EmbeddedBus, Envelope, GroupSpec};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::clock::{ManualClock, SystemClock, WallClock};
use kernel::id::{NumberId, OperatorId, SessionId, TenantId, UserId, WabaId};
use kernel::ids::{Ids, SystemIds};
use kernel::page::{Cursors, PageKey};
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use meta::app::{Environment, MetaApp, MetaApps};
use meta::ids::MetaAppId;
use net::health::Readiness;
use net::http::bind;
use proto::assets::v1::Number;
use proto::events::v1::{ElementRouted, NumberChanged, WabaChanged, WabaHeard};
use proto::onboarding::v1::{Waba, WabaState};
use proto::webhooks::v1::quarantine_service_client::QuarantineServiceClient;
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
};
use server::{
    IssuedToken, KeySource, PeerChannel, Peers, RevocationSource, Revoked, RunError, Security,
    SecurityConfig, ServiceRun, Sources, TokenSource,
};
use sha2::Sha256;
use store::migrate::MigrateConfig;
use store::{Backend, Database, Store, StoreConfig, Uuid};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use webhooks::{Config, Deps};

use crate::database::TestDatabase;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const LIFE: Duration = Duration::from_mins(10);
/// 2026-11-23 14:13:20 UTC.
pub(crate) const NOW_S: i64 = 1_795_443_200;

pub(crate) const APP: &str = "634974688";
pub(crate) const SECRET: &str = "secret-of-now";
pub(crate) const PREVIOUS: &str = "secret-of-before";
pub(crate) const OTHER_APP: &str = "999000111";
pub(crate) const OTHER_SECRET: &str = "secret-of-another-app";
pub(crate) const VERIFY: &str = "verify-me";

/// A signing key that everybody here trusts.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    config: SecurityConfig,
    signer: Signer,
}

#[derive(Debug)]
struct Own(Trust, Service);

impl Trust {
    fn new() -> Self {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        Self { config: SecurityConfig::default(), signer }
    }

    fn now() -> Timestamp {
        WallClock::now(&SystemClock)
    }

    fn service_token(&self, caller: Service, callee: Service) -> SecretString {
        let issuer = &self.config.issuer;
        let claims = ServiceClaims::new(issuer, caller, callee, Self::now(), LIFE, "1".to_owned());
        self.signer.sign_service(&claims).unwrap()
    }

    fn token(&self, reach: &Reach, permissions: &[Permission]) -> SecretString {
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let claims = Claims::for_person(
            &self.config.issuer,
            &self.config.audience,
            UserId::from_uuid(user),
            SessionId::from_uuid(session),
            reach,
            permissions.iter().copied().collect::<BTreeSet<_>>(),
            Self::now(),
            LIFE,
            "2".to_owned(),
        );
        self.signer.sign(&claims).unwrap()
    }

    async fn security(
        &self,
        me: Service,
        readiness: &Readiness,
        stop: &CancellationToken,
    ) -> Security {
        let sources = Sources {
            keys: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
            tokens: Arc::new(Own(self.clone(), me)),
        };
        let clock: Arc<dyn WallClock> = Arc::new(SystemClock);
        let made = Security::with_sources(&self.config, me, sources, clock, readiness, stop);
        within("security", readiness.wait()).await;
        made
    }
}

#[async_trait]
impl KeySource for Trust {
    async fn jwks(&self) -> Result<String, Status> {
        Ok(format!("{{\"keys\":[{}]}}", self.signer.jwk()))
    }
}

#[async_trait]
impl RevocationSource for Trust {
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
impl TokenSource for Own {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        Ok(IssuedToken { token: self.0.service_token(self.1, callee), life: LIFE })
    }
}

struct BusLog;

impl MigratorTrait for BusLog {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(BusTables)]
    }
}

struct BusTables;

impl MigrationName for BusTables {
    fn name(&self) -> &'static str {
        "m20261123_000001_bus"
    }
}

#[async_trait]
impl MigrationTrait for BusTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        store::schema::bus_log(manager).await
    }
}

async fn embedded_bus(folder: &TempDir) -> EmbeddedBus {
    let path = folder.path().join("bus.sqlite");
    let migrate = MigrateConfig::Sqlite { path: path.clone() };
    store::migrate::run::<BusLog>(&migrate, "bus").await.unwrap();
    let config = StoreConfig { service: "bus", database: Database::Sqlite { path } };
    let store = Store::open(config, Arc::new(SystemClock), Arc::new(SystemIds::new())).await;
    EmbeddedBus::open(store.unwrap()).await.unwrap()
}

fn app(id: &str, secret: &str, previous: Option<&str>) -> MetaApp {
    MetaApp {
        id: MetaAppId::new(id).unwrap(),
        name: String::new(),
        environment: Environment::Sandbox,
        secret: secret.into(),
        previous_secret: previous.map(Into::into),
        verify_token: VERIFY.into(),
        graph_base_url: "http://127.0.0.1:1".to_owned(),
        graph_version: "v23.0".to_owned(),
        signup_configurations: Vec::new(),
        business_id: None,
        system_user_token: None,
    }
}

/// What a test's service is like.
pub(crate) struct Setup {
    pub(crate) backend: Backend,
    pub(crate) roles: Option<&'static [&'static str]>,
    pub(crate) config: Config,
    pub(crate) owners: Option<Owners>,
}

impl Setup {
    pub(crate) fn on(backend: Backend) -> Self {
        let config = Config {
            store_within_ms: 1_000,
            poll_ms: 20,
            quarantine_poll_ms: 50,
            ..Config::default()
        };
        Self { backend, roles: None, config, owners: None }
    }

    /// Takes deliveries in and does nothing else.
    pub(crate) fn receiving_alone(mut self) -> Self {
        self.roles = Some(&["webhooks-in"]);
        self
    }

    pub(crate) async fn start(self) -> World {
        World::start(self).await
    }
}

/// What onboarding and assets answer when they are asked for all.
#[derive(Clone, Default)]
pub(crate) struct Owners {
    pub(crate) wabas: Vec<Waba>,
    pub(crate) numbers: Vec<Number>,
}

mod owners {
    use proto::assets::v1 as assets;
    use proto::onboarding::v1 as onboarding;
    use tonic::{Request, Response, Status};

    use super::Owners;

    #[tonic::async_trait]
    impl onboarding::snapshot_service_server::SnapshotService for Owners {
        async fn snapshot_tenants(
            &self,
            _: Request<onboarding::SnapshotTenantsRequest>,
        ) -> Result<Response<onboarding::SnapshotTenantsResponse>, Status> {
            Err(Status::unimplemented("not asked here"))
        }

        async fn snapshot_wabas(
            &self,
            request: Request<onboarding::SnapshotWabasRequest>,
        ) -> Result<Response<onboarding::SnapshotWabasResponse>, Status> {
            let after = request.into_inner().after_id;
            let rest = self.wabas.iter().filter(|waba| waba.id > after).take(1).cloned();
            Ok(Response::new(onboarding::SnapshotWabasResponse { items: rest.collect() }))
        }

        async fn snapshot_partners(
            &self,
            _: Request<onboarding::SnapshotPartnersRequest>,
        ) -> Result<Response<onboarding::SnapshotPartnersResponse>, Status> {
            Err(Status::unimplemented("not asked here"))
        }
    }

    #[tonic::async_trait]
    impl assets::snapshot_service_server::SnapshotService for Owners {
        async fn snapshot_numbers(
            &self,
            request: Request<assets::SnapshotNumbersRequest>,
        ) -> Result<Response<assets::SnapshotNumbersResponse>, Status> {
            let after = request.into_inner().after_id;
            let rest = self.numbers.iter().filter(|number| number.id > after).take(1).cloned();
            Ok(Response::new(assets::SnapshotNumbersResponse { items: rest.collect() }))
        }

        async fn snapshot_templates(
            &self,
            _: Request<assets::SnapshotTemplatesRequest>,
        ) -> Result<Response<assets::SnapshotTemplatesResponse>, Status> {
            Err(Status::unimplemented("not asked here"))
        }
    }
}

/// The running service and everybody around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    bus: Arc<EmbeddedBus>,
    heard: tokio::sync::Mutex<Box<dyn Deliveries>>,
    trust: Trust,
    grpc: String,
    gateway: Security,
    ids: SystemIds,
    stop: CancellationToken,
    running: JoinSet<Result<(), RunError>>,
    _folder: TempDir,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let database = TestDatabase::fresh(setup.backend).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW_S)));
        let store = database.open(Arc::clone(&clock) as Arc<dyn kernel::clock::Clock>).await;
        Self::start_over(setup, database, store, clock).await
    }

    pub(crate) async fn start_over(
        setup: Setup,
        database: TestDatabase,
        store: Store,
        clock: Arc<ManualClock>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = Arc::new(embedded_bus(&folder).await);
        let heard = GroupSpec {
            service: "messaging".to_owned(),
            group: "test".to_owned(),
            bindings: vec!["webhooks.#".to_owned()],
            prefetch: bus::PREFETCH,
        };
        let heard = bus.subscribe(heard).await.unwrap();
        let (trust, stop) = (Trust::new(), CancellationToken::new());
        let mut running = JoinSet::new();
        let readiness = Readiness::new();
        let security = trust.security(Service::Webhooks, &readiness, &stop).await;
        let mut endpoints = Vec::new();
        if let Some(owners) = setup.owners {
            let onboarding = server::Service::new("onboarding").grpc(server::sized!(
                proto::onboarding::v1::snapshot_service_server::SnapshotServiceServer::new(
                    owners.clone()
                )
            ));
            let assets = server::Service::new("assets").grpc(server::sized!(
                proto::assets::v1::snapshot_service_server::SnapshotServiceServer::new(owners)
            ));
            for (service, name) in [(onboarding, Service::Onboarding), (assets, Service::Assets)] {
                let (listener, readiness) = (bind("127.0.0.1:0").await.unwrap(), Readiness::new());
                endpoints.push((name, listener.address().to_string()));
                running.spawn(service.run(ServiceRun {
                    grpc: Some(listener),
                    http: None,
                    roles: None,
                    reflection: false,
                    security: trust.security(name, &readiness, &stop).await,
                    readiness,
                    stop: stop.clone(),
                }));
            }
        }
        let apps = [app(APP, SECRET, Some(PREVIOUS)), app(OTHER_APP, OTHER_SECRET, None)];
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let deps = Deps {
            store: store.clone(),
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            clock: Arc::clone(&clock) as Arc<dyn kernel::clock::Clock>,
            wall: Arc::clone(&wall),
            ids: Arc::new(SystemIds::new()),
            cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), wall)),
            apps: Arc::new(MetaApps::new(apps.to_vec()).unwrap()),
            peers: Peers::new(&security, endpoints).unwrap(),
        };
        let (http, grpc) = (bind("127.0.0.1:0").await.unwrap(), bind("127.0.0.1:0").await.unwrap());
        let (url, grpc_at) = (format!("http://{}", http.address()), grpc.address().to_string());
        running.spawn(webhooks::service(setup.config, deps).run(ServiceRun {
            grpc: Some(grpc),
            http: Some(http),
            roles: setup.roles.map(|roles| roles.iter().map(|&role| role.to_owned()).collect()),
            reflection: false,
            security,
            readiness,
            stop: stop.clone(),
        }));
        let gateway = trust.security(Service::Gateway, &Readiness::new(), &stop).await;
        Self {
            database,
            store,
            clock,
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            bus,
            heard: tokio::sync::Mutex::new(heard),
            trust,
            grpc: grpc_at,
            gateway,
            ids: SystemIds::new(),
            stop,
            running,
            _folder: folder,
        }
    }

    /// Stops the service; the database stays.
    pub(crate) async fn end(mut self) -> (TestDatabase, Store, Arc<ManualClock>) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
        (self.database, self.store, self.clock)
    }

    pub(crate) fn now_us(&self) -> i64 {
        kernel::clock::Clock::now(&*self.clock).as_micros()
    }

    /// Delivers a body as Meta does, signed by the app's secret, and answers the status.
    pub(crate) async fn deliver(&self, body: impl Into<Vec<u8>>) -> u16 {
        self.deliver_to(APP, SECRET, body).await
    }

    pub(crate) async fn deliver_to(
        &self,
        app: &str,
        secret: &str,
        body: impl Into<Vec<u8>>,
    ) -> u16 {
        let body = body.into();
        let signature = sign(secret, &body);
        self.post(app, &[&signature], body).await
    }

    pub(crate) async fn post(&self, app: &str, signatures: &[&str], body: Vec<u8>) -> u16 {
        let mut request = self.http.post(format!("{}/webhooks/meta/{app}", self.url));
        for signature in signatures {
            request = request.header("x-hub-signature-256", *signature);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    }

    /// Waits until all deliveries are worked on and all events are on the bus.
    pub(crate) async fn settled(&self) {
        self.until("deliveries worked on and events published", async || {
            self.database.count("SELECT count(*) FROM inbound_raw WHERE state = 'new'").await == 0
                && self.database.count("SELECT count(*) FROM outbox").await == 0
        })
        .await;
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        until(what, holds).await;
    }

    /// All events that webhooks published since the last call.
    pub(crate) async fn events(&self) -> Vec<Envelope> {
        // The log is one: when this has come, everything published before it has.
        let end = Self::envelope(bus::event_as(
            &self.ids,
            Timestamp::from_seconds(NOW_S),
            "webhooks.test.end",
            About::fact(Uuid::nil()),
            &WabaHeard::default(),
        ));
        let id = end.id;
        assert!(self.bus.publish(vec![end]).await.iter().all(Result::is_ok));
        let mut heard = self.heard.lock().await;
        let mut all = Vec::new();
        loop {
            let some = within("events", heard.next(100)).await.unwrap();
            heard.ack().await.unwrap();
            for delivery in some {
                let event = delivery.event.unwrap();
                if event.id == id {
                    return all;
                }
                all.push(event);
            }
        }
    }

    /// The elements among them.
    pub(crate) async fn elements(&self) -> Vec<ElementRouted> {
        elements(&self.events().await)
    }

    fn envelope(event: store::Event) -> Envelope {
        Envelope {
            id: event.id,
            key: event.key,
            kind: event.kind.to_owned(),
            tenant: event.tenant,
            waba: event.waba,
            aggregate: event.aggregate,
            version: event.version,
            body: event.body.into(),
            traceparent: None,
        }
    }

    /// The event that onboarding tells of a WABA's state.
    pub(crate) fn of_waba(&self, waba: &Waba) -> Envelope {
        let (id, tenant) = (waba.id.parse::<WabaId>().unwrap(), waba.tenant_id.parse().unwrap());
        let message = WabaChanged { waba: Some(waba.clone()), partner_id: String::new() };
        let about = About::state(id.uuid(), waba.version).of(tenant).within(id);
        Self::envelope(bus::event(&self.ids, Timestamp::from_seconds(NOW_S), about, &message))
    }

    /// The event that assets tells of a number's state.
    pub(crate) fn of_number(&self, number: &Number) -> Envelope {
        let (id, tenant) =
            (number.id.parse::<NumberId>().unwrap(), number.tenant_id.parse().unwrap());
        let message = NumberChanged { number: Some(number.clone()), partner_id: String::new() };
        let waba = number.waba_id.parse().unwrap();
        let about = About::state(id.uuid(), number.version).of(tenant).within(waba);
        Self::envelope(bus::event(&self.ids, Timestamp::from_seconds(NOW_S), about, &message))
    }

    /// Publishes, and waits until the service has handled it.
    pub(crate) async fn tell(&self, events: Vec<Envelope>) {
        let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
        let wanted = i64::try_from(ids.len()).unwrap();
        let before = self.handled().await;
        self.until("the service's queue", async || {
            let answers = self.bus.publish(events.clone()).await;
            answers.iter().all(Result::is_ok)
        })
        .await;
        self.until("the events to be handled", async || self.handled().await == before + wanted)
            .await;
    }

    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        self.until("the service's queue", async || {
            self.bus.publish(events.clone()).await.iter().all(Result::is_ok)
        })
        .await;
    }

    async fn handled(&self) -> i64 {
        self.database.count("SELECT count(*) FROM inbox").await
    }

    /// A tenant with a WABA and a number that webhooks knows of.
    pub(crate) async fn known(&self, waba: &str, number: &str) -> Held {
        let held = self.held(waba, number);
        self.tell(vec![self.of_waba(&held.waba), self.of_number(&held.number)]).await;
        held
    }

    /// A tenant with a WABA and a number that webhooks does not know of yet.
    pub(crate) fn held(&self, waba: &str, number: &str) -> Held {
        let at = Timestamp::from_seconds(NOW_S);
        let (tenant, waba_id) = (TenantId::mint(&self.ids, at), WabaId::mint(&self.ids, at));
        let waba = Waba {
            id: waba_id.to_string(),
            tenant_id: tenant.to_string(),
            meta_id: waba.to_owned(),
            environment: "sandbox".to_owned(),
            state: WabaState::Claimed.into(),
            created_us: at.as_micros(),
            version: 1,
            app_id: APP.to_owned(),
            credential_generation: 1,
            ..Waba::default()
        };
        let number = Number {
            id: NumberId::from_uuid(self.ids.v7(at)).to_string(),
            tenant_id: tenant.to_string(),
            waba_id: waba_id.to_string(),
            meta_id: number.to_owned(),
            version: 1,
            ..Number::default()
        };
        Held { tenant, waba, number }
    }

    fn quarantine_as(&self, token: &SecretString) -> QuarantineServiceClient<PeerChannel> {
        let endpoints = [(Service::Webhooks, self.grpc.as_str())];
        let peers = Peers::new(&self.gateway, endpoints).unwrap();
        QuarantineServiceClient::new(peers.for_token(Service::Webhooks, token))
    }

    /// An operator at the desk.
    pub(crate) fn desk(&self) -> QuarantineServiceClient<PeerChannel> {
        let operator = OperatorId::from_uuid(Uuid::from_u128(4));
        let permissions = [Permission::DeskQuarantineRead, Permission::DeskQuarantineWrite];
        self.quarantine_as(&self.trust.token(&Reach::Operator { operator }, &permissions))
    }

    /// Somebody of a tenant who has every permission there is.
    pub(crate) fn tenant(&self) -> QuarantineServiceClient<PeerChannel> {
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let reach = Reach::Tenant { tenant, wabas: Wabas::All };
        self.quarantine_as(&self.trust.token(&reach, Permission::ALL))
    }
}

/// What a tenant holds.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) tenant: TenantId,
    pub(crate) waba: Waba,
    pub(crate) number: Number,
}

pub(crate) fn elements(events: &[Envelope]) -> Vec<ElementRouted> {
    let routed = events.iter().filter(|event| bus::is::<ElementRouted>(event));
    routed.map(|event| bus::decode(event).unwrap()).collect()
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A delivery with one inbound message, as Meta writes it: escaped to ASCII.
pub(crate) fn message(waba: &str, number: &str, wamid: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"{waba}","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"351300111222","phone_number_id":"{number}"}},"contacts":[{{"profile":{{"name":"Zo\u00eb"}},"wa_id":"351911222333","user_id":"PT.1"}}],"messages":[{{"from":"351911222333","from_user_id":"PT.1","id":"{wamid}","timestamp":"1795443199","type":"text","text":{{"body":"caf\u00e9 \ud83d\ude00 a\/b"}}}}]}}}}]}}]}}"#
    )
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for: {what}"))
}

pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The three of them in every order.
pub(crate) fn orders<T: Clone>(of: &[T; 3]) -> Vec<Vec<T>> {
    let all = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    all.iter().map(|order| order.iter().map(|&at| of[at].clone()).collect()).collect()
}
