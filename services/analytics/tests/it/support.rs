//! The service on a free port over a database and a bus of its own, with messaging, onboarding and callers played by the test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use analytics::{Config, Deps};
use async_trait::async_trait;
use auth::{Claims, Environment, Permission, Reach, Scope, Service, ServiceClaims, Signer, Wabas};
use bus::{About, Bus, EmbeddedBus, Envelope};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::clock::{ManualClock, SystemClock, WallClock};
use kernel::id::{MessageId, NumberId, OperatorId, PartnerId, SessionId, TenantId, UserId, WabaId};
use kernel::ids::{Ids, SystemIds};
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use net::health::Readiness;
use net::http::bind;
use proto::analytics::v1::desk_measure_service_client::DeskMeasureServiceClient;
use proto::analytics::v1::measure_service_client::MeasureServiceClient;
use proto::analytics::v1::{
    GetMeasuresRequest, GetMeasuresResponse, ListTenantFiguresRequest, TenantFigures,
};
use proto::common::v1::MetaError;
use proto::events::v1::{MessageReceived, MessageStepped, TenantChanged, WabaChanged};
use proto::messaging::v1::{Message, Origin};
use proto::onboarding::v1 as onboarding;
use proto::onboarding::v1::{Tenant, TenantState, Waba, WabaState};
use sea_orm_migration::prelude::{
    DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
};
use server::{
    IssuedToken, KeySource, PeerChannel, Peers, RevocationSource, Revoked, RunError, Security,
    SecurityConfig, ServiceRun, Sources, TokenSource,
};
use store::migrate::MigrateConfig;
use store::{Backend, Database, Store, StoreConfig};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::database::TestDatabase;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
const LIFE: Duration = Duration::from_mins(10);
/// 2026-11-23 14:13:20 UTC.
pub(crate) const NOW_S: i64 = 1_795_443_200;

/// A signing key that everybody here trusts.
#[derive(Debug, Clone)]
struct Trust {
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
        let issuer = &self.0.config.issuer;
        let claims = ServiceClaims::new(issuer, self.1, callee, Trust::now(), LIFE, "1".to_owned());
        Ok(IssuedToken { token: self.0.signer.sign_service(&claims).unwrap(), life: LIFE })
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

/// What onboarding answers when it is asked for all; page by page of one.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) wabas: Vec<Waba>,
}

#[tonic::async_trait]
impl onboarding::snapshot_service_server::SnapshotService for Registry {
    async fn snapshot_tenants(
        &self,
        request: Request<onboarding::SnapshotTenantsRequest>,
    ) -> Result<Response<onboarding::SnapshotTenantsResponse>, Status> {
        let after = request.into_inner().after_id;
        let rest = self.tenants.iter().filter(|tenant| tenant.id > after).take(1).cloned();
        Ok(Response::new(onboarding::SnapshotTenantsResponse { items: rest.collect() }))
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

/// The running service and everybody around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) readiness: Readiness,
    bus: Arc<EmbeddedBus>,
    trust: Trust,
    grpc: String,
    gateway: Security,
    ids: SystemIds,
    _stop: tokio_util::sync::DropGuard,
    _running: JoinSet<Result<(), RunError>>,
    _folder: TempDir,
}

impl World {
    /// With a registry that is empty.
    pub(crate) async fn on(backend: Backend) -> Self {
        let world = Self::with(backend, Some(Registry::default())).await;
        within("the read models", world.readiness.wait()).await;
        world
    }

    /// With this registry, or with none that answers.
    pub(crate) async fn with(backend: Backend, registry: Option<Registry>) -> Self {
        let database = TestDatabase::fresh(backend).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW_S)));
        let store = database.open(Arc::clone(&clock) as Arc<dyn kernel::clock::Clock>).await;
        let folder = tempfile::tempdir().unwrap();
        let bus = Arc::new(embedded_bus(&folder).await);
        let (trust, stop) = (Trust::new(), CancellationToken::new());
        let (readiness, mut running) = (Readiness::new(), JoinSet::new());
        let security = trust.security(Service::Analytics, &readiness, &stop).await;
        let mut endpoints = Vec::new();
        if let Some(registry) = registry {
            let (listener, ready) = (bind("127.0.0.1:0").await.unwrap(), Readiness::new());
            endpoints.push((Service::Onboarding, listener.address().to_string()));
            let service = server::Service::new("onboarding").grpc(server::sized!(
                onboarding::snapshot_service_server::SnapshotServiceServer::new(registry)
            ));
            running.spawn(service.run(ServiceRun {
                grpc: Some(listener),
                http: None,
                roles: None,
                reflection: false,
                security: trust.security(Service::Onboarding, &ready, &stop).await,
                readiness: ready,
                stop: stop.clone(),
            }));
        }
        let deps = Deps {
            store,
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            clock,
            peers: Peers::new(&security, endpoints).unwrap(),
            readiness: readiness.clone(),
        };
        let service = analytics::service(Config::default(), deps);
        let listener = bind("127.0.0.1:0").await.unwrap();
        let grpc = listener.address().to_string();
        running.spawn(service.run(ServiceRun {
            grpc: Some(listener),
            http: None,
            roles: None,
            reflection: false,
            security,
            readiness: readiness.clone(),
            stop: stop.clone(),
        }));
        let gateway = trust.security(Service::Gateway, &Readiness::new(), &stop).await;
        Self {
            database,
            readiness,
            bus,
            trust,
            grpc,
            gateway,
            ids: SystemIds::new(),
            _stop: stop.drop_guard(),
            _running: running,
            _folder: folder,
        }
    }

    /// Publishes what can be handled, and waits until the service has handled it all.
    pub(crate) async fn tell(&self, events: Vec<Envelope>) {
        let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
        let before = self.handled().await;
        self.publish(events).await;
        until("the events to be handled", async || {
            self.handled().await - before == i64::try_from(ids.len()).unwrap()
        })
        .await;
    }

    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        until("the service's queues", async || {
            self.bus.publish(events.clone()).await.iter().all(Result::is_ok)
        })
        .await;
    }

    async fn handled(&self) -> i64 {
        self.database.count("SELECT count(*) FROM inbox").await
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

    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> Envelope {
        let id: TenantId = tenant.id.parse().unwrap();
        let message = TenantChanged { tenant: Some(tenant.clone()) };
        let about = About::state(id.uuid(), tenant.version).of(id);
        Self::envelope(bus::event(&self.ids, Timestamp::from_seconds(NOW_S), about, &message))
    }

    pub(crate) fn of_waba(&self, waba: &Waba) -> Envelope {
        let (id, tenant) = (waba.id.parse::<WabaId>().unwrap(), waba.tenant_id.parse().unwrap());
        let message = WabaChanged { waba: Some(waba.clone()), partner_id: String::new() };
        let about = About::state(id.uuid(), waba.version).of(tenant).within(id);
        Self::envelope(bus::event(&self.ids, Timestamp::from_seconds(NOW_S), about, &message))
    }

    /// A tenant with a WABA; nobody knows of them yet.
    pub(crate) fn business(
        &self,
        name: &str,
        timezone: &str,
        partner: Option<PartnerId>,
    ) -> Business {
        let at = Timestamp::from_seconds(NOW_S);
        let (tenant, waba) = (TenantId::mint(&self.ids, at), WabaId::mint(&self.ids, at));
        Business {
            tenant_id: tenant,
            waba_id: waba,
            number: NumberId::mint(&self.ids, at),
            tenant: Tenant {
                id: tenant.to_string(),
                name: name.to_owned(),
                partner_id: partner.map(|partner| partner.to_string()).unwrap_or_default(),
                state: TenantState::Active.into(),
                created_us: at.as_micros(),
                version: 1,
                ..Tenant::default()
            },
            waba: Waba {
                id: waba.to_string(),
                tenant_id: tenant.to_string(),
                timezone: timezone.to_owned(),
                environment: "sandbox".to_owned(),
                state: WabaState::Live.into(),
                version: 1,
                ..Waba::default()
            },
        }
    }

    /// The same, known to analytics.
    pub(crate) async fn known(&self, name: &str, timezone: &str) -> Business {
        let business = self.business(name, timezone, None);
        self.tell(vec![self.of_tenant(&business.tenant), self.of_waba(&business.waba)]).await;
        business
    }

    pub(crate) fn message(&self, of: &Business, category: &str) -> Message {
        Message {
            id: MessageId::mint(&self.ids, Timestamp::from_seconds(NOW_S)).to_string(),
            tenant_id: of.tenant_id.to_string(),
            waba_id: of.waba_id.to_string(),
            number_id: of.number.to_string(),
            origin: Origin::Api.into(),
            category: category.to_owned(),
            ..Message::default()
        }
    }

    fn fact<M: bus::EventMessage>(&self, message: &Message, event: &M) -> Envelope {
        let about = About::fact(message.id.parse::<MessageId>().unwrap().uuid())
            .of(message.tenant_id.parse().unwrap())
            .within(message.waba_id.parse().unwrap());
        Self::envelope(bus::event(&self.ids, Timestamp::from_seconds(NOW_S), about, event))
    }

    /// The event that a message took a step; a new one each time it is told.
    pub(crate) fn stepped(&self, message: &Message, step: &str, at: &str) -> Envelope {
        let event = MessageStepped {
            message: Some(message.clone()),
            step: step.to_owned(),
            at_us: instant(at),
            ..MessageStepped::default()
        };
        self.fact(message, &event)
    }

    pub(crate) fn received(&self, message: &Message, at: &str) -> Envelope {
        let event = MessageReceived { message: Some(message.clone()), at_us: instant(at) };
        self.fact(message, &event)
    }

    fn peers(&self) -> Peers {
        Peers::new(&self.gateway, [(Service::Analytics, self.grpc.as_str())]).unwrap()
    }

    fn token(
        &self,
        reach: &Reach,
        environment: Environment,
        permissions: &[Permission],
    ) -> SecretString {
        let (issuer, audience) = (&self.trust.config.issuer, &self.trust.config.audience);
        let permissions = permissions.iter().copied();
        let (now, session) = (Trust::now(), Uuid::from_u128(2));
        let claims = if environment == Environment::Any {
            let (user, session) =
                (UserId::from_uuid(Uuid::from_u128(1)), SessionId::from_uuid(session));
            let jti = "2".to_owned();
            Claims::for_person(issuer, audience, user, session, reach, permissions, now, LIFE, jti)
        } else {
            let key = kernel::id::KeyId::from_uuid(session);
            let jti = "2".to_owned();
            Claims::for_key(issuer, audience, key, environment, reach, permissions, now, LIFE, jti)
        };
        self.trust.signer.sign(&claims).unwrap()
    }

    /// Somebody of a tenant.
    pub(crate) fn caller(
        &self,
        tenant: TenantId,
        wabas: Wabas,
        environment: Environment,
    ) -> MeasureServiceClient<PeerChannel> {
        let reach = Reach::Tenant { tenant, wabas };
        let token = self.token(&reach, environment, &[Permission::AnalyticsRead]);
        MeasureServiceClient::new(self.peers().for_token(Service::Analytics, &token))
    }

    /// What the tenant itself sees of its WABA.
    pub(crate) async fn measures(
        &self,
        of: &Business,
        from: &str,
        to: &str,
        granularity: i32,
    ) -> GetMeasuresResponse {
        let mut caller = self.caller(of.tenant_id, Wabas::All, Environment::Any);
        let asked = asked(of.waba_id, from, to, granularity);
        caller.get_measures(asked).await.unwrap().into_inner()
    }

    fn desk_as(&self, reach: &Reach) -> DeskMeasureServiceClient<PeerChannel> {
        let token = self.token(reach, Environment::Any, Permission::ALL);
        DeskMeasureServiceClient::new(self.peers().for_token(Service::Analytics, &token))
    }

    pub(crate) fn operator(&self) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Operator { operator: OperatorId::from_uuid(Uuid::from_u128(4)) })
    }

    pub(crate) fn partner(&self, partner: PartnerId) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Partner { partner })
    }

    pub(crate) fn tenant_at_desk(&self, tenant: TenantId) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Tenant { tenant, wabas: Wabas::All })
    }

    pub(crate) fn fresh_partner(&self) -> PartnerId {
        PartnerId::from_uuid(self.ids.v7(Timestamp::from_seconds(NOW_S)))
    }
}

/// All that a desk sees.
pub(crate) async fn figures(
    desk: &mut DeskMeasureServiceClient<PeerChannel>,
) -> Vec<TenantFigures> {
    desk.list_tenant_figures(ListTenantFiguresRequest::default()).await.unwrap().into_inner().items
}

pub(crate) fn asked(waba: WabaId, from: &str, to: &str, granularity: i32) -> GetMeasuresRequest {
    GetMeasuresRequest {
        waba_id: waba.to_string(),
        from_day: from.to_owned(),
        to_day: to.to_owned(),
        granularity,
        ..GetMeasuresRequest::default()
    }
}

/// A failure with Meta's code.
pub(crate) fn with_meta_code(mut message: Message, code: i64) -> Message {
    message.meta_error = Some(MetaError { code, ..MetaError::default() });
    message
}

/// A tenant and what it holds.
#[derive(Clone)]
pub(crate) struct Business {
    pub(crate) tenant_id: TenantId,
    pub(crate) waba_id: WabaId,
    pub(crate) number: NumberId,
    pub(crate) tenant: Tenant,
    pub(crate) waba: Waba,
}

fn instant(text: &str) -> i64 {
    Timestamp::parse_rfc3339(text).unwrap().as_micros()
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
