//! A running assets service: its database, a bus, an onboarding service that the test plays, and callers of every kind.

mod onboarding;
mod told;

use std::sync::{Arc, atomic::Ordering};

use assets::{Config, Deps};
use auth::{Environment, Permission, Reach, Role, Service as Name, Wabas};
use bus::{Bus, Envelope, GroupSpec};
use kernel::{
    clock::SystemClock,
    id::{OperatorId, PartnerId, TenantId, WabaId},
    ids::SystemIds,
    page::{Cursors, PageKey},
    secret::SecretString,
};
use net::health::Readiness;
use proto::{
    assets::v1::{
        Number, Template, number_service_client::NumberServiceClient,
        snapshot_service_client::SnapshotServiceClient,
        template_service_client::TemplateServiceClient,
    },
    onboarding::v1::{
        Tenant, Waba, WabaState, snapshot_service_server::SnapshotServiceServer,
        vault_service_server::VaultServiceServer,
    },
};
use server::{PeerChannel, Peers, Service};
use store::{Backend, Store};
use testkit::{Issuer, TestDatabase, embedded_bus, fresh, serve, until, within};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use self::told::{element, tenant, tenant_changed, waba_changed};
use self::{onboarding::Onboarding, told::uuid_of};
use crate::stage::{Business, Stage};

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) templates: TemplateServiceClient<PeerChannel>,
    pub(crate) numbers: NumberServiceClient<PeerChannel>,
}

/// The service, and all around it.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
    issuer: Issuer,
    onboarding: Onboarding,
    gateway: Arc<Peers>,
    messaging: Arc<Peers>,
    stop: CancellationToken,
    _parts: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A WABA of a tenant's that is imported.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) tenant: TenantId,
    pub(crate) waba: WabaId,
    pub(crate) business: Business,
}

impl World {
    pub(crate) async fn on(backend: Backend) -> Self {
        Self::with(backend, Config { settle_after_ms: 300, ..Config::default() }).await
    }

    pub(crate) async fn with(backend: Backend, config: Config) -> Self {
        Self::start(backend, config, Onboarding::default()).await
    }

    async fn start(backend: Backend, config: Config, onboarding: Onboarding) -> Self {
        let database = TestDatabase::of("assets", backend).await;
        let clock = Arc::new(SystemClock);
        let store = database.open(Arc::<SystemClock>::clone(&clock)).await;
        let bus: Arc<dyn Bus> = Arc::new(embedded_bus(database.folder()).await);
        let stage = Stage::start().await;
        let (issuer, stop) = (Issuer::generate(), CancellationToken::new());
        let mut parts = JoinSet::new();

        let theirs = Service::new("onboarding")
            .grpc(server::sized!(VaultServiceServer::new(onboarding.clone())))
            .grpc(server::sized!(SnapshotServiceServer::new(onboarding.clone())));
        let readiness = Readiness::new();
        let security = issuer.security(Name::Onboarding, &readiness, &stop).await;
        let at = serve(theirs, security, readiness, &stop, &mut parts).await;
        let readiness = Readiness::new();
        let security = issuer.security(Name::Assets, &readiness, &stop).await;
        let peers = Arc::new(Peers::new(&security, [(Name::Onboarding, at)]).unwrap());
        let deps = Deps {
            store: store.clone(),
            bus: Arc::clone(&bus),
            clock: Arc::<SystemClock>::clone(&clock),
            wall: Arc::<SystemClock>::clone(&clock),
            ids: Arc::new(SystemIds::new()),
            peers,
            cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), clock)),
            graph: graph::Graph::new(graph::GraphConfig::default(), &stage.apps()).unwrap(),
        };
        let ours = assets::service(config, deps);
        let at = serve(ours, security, readiness, &stop, &mut parts).await;
        let gateway = issuer.security(Name::Gateway, &Readiness::new(), &stop).await;
        let gateway = Arc::new(Peers::new(&gateway, [(Name::Assets, at.clone())]).unwrap());
        let messaging = issuer.security(Name::Messaging, &Readiness::new(), &stop).await;
        let messaging = Arc::new(Peers::new(&messaging, [(Name::Assets, at)]).unwrap());
        Self {
            stage,
            bus,
            store,
            database,
            issuer,
            onboarding,
            gateway,
            messaging,
            stop,
            _parts: parts,
        }
    }

    /// A world whose onboarding knew a WABA before assets came to be.
    pub(crate) async fn late(backend: Backend) -> (Self, Tenant, Waba) {
        let onboarding = Onboarding::default();
        let (tenant, waba) = (tenant(None), fresh());
        let waba = Waba {
            id: WabaId::from_uuid(waba).to_string(),
            tenant_id: tenant.id.clone(),
            meta_id: "1".to_owned(),
            environment: "sandbox".to_owned(),
            state: WabaState::Claimed.into(),
            credential_generation: 1,
            version: 1,
            ..Waba::default()
        };
        {
            let mut known = onboarding.known.lock().unwrap();
            known.tenants.insert(uuid_of::<TenantId>(&tenant.id), tenant.clone());
            known.wabas.insert(uuid_of::<WabaId>(&waba.id), waba.clone());
        }
        let world = Self::start(backend, Config::default(), onboarding).await;
        (world, tenant, waba)
    }

    fn caller(&self, token: &SecretString) -> Caller {
        let channel = self.gateway.for_token(Name::Assets, token);
        Caller {
            templates: TemplateServiceClient::new(channel.clone()),
            numbers: NumberServiceClient::new(channel),
        }
    }

    /// A person of the tenant, who may do all.
    pub(crate) fn person(&self, tenant: TenantId) -> Caller {
        let reach = Reach::Tenant { tenant, wabas: Wabas::All };
        self.caller(&self.issuer.person(&reach, Role::TenantOwner.permissions()))
    }

    /// The same, limited to some WABAs.
    pub(crate) fn limited(&self, tenant: TenantId, wabas: &[WabaId]) -> Caller {
        let wabas = Wabas::Only(wabas.iter().copied().collect());
        let reach = Reach::Tenant { tenant, wabas };
        self.caller(&self.issuer.person(&reach, Role::TenantAdmin.permissions()))
    }

    /// An API key of an environment.
    pub(crate) fn key(&self, tenant: TenantId, environment: Environment) -> Caller {
        let reach = Reach::Tenant { tenant, wabas: Wabas::All };
        let permissions =
            [Permission::TemplatesRead, Permission::TemplatesWrite, Permission::NumbersRead];
        self.caller(&self.issuer.key(&reach, environment, &permissions))
    }

    pub(crate) fn operator(&self) -> Caller {
        let reach = Reach::Operator { operator: OperatorId::from_uuid(fresh()) };
        self.caller(&self.issuer.person(&reach, Role::OperatorOwner.permissions()))
    }

    pub(crate) fn partner(&self, partner: PartnerId) -> Caller {
        let reach = Reach::Partner { partner };
        self.caller(&self.issuer.person(&reach, Role::PartnerAdmin.permissions()))
    }

    pub(crate) fn snapshots(&self) -> SnapshotServiceClient<PeerChannel> {
        SnapshotServiceClient::new(self.messaging.as_service(Name::Assets))
    }

    /// How often the vault was asked.
    pub(crate) fn vault_asked(&self) -> u32 {
        self.onboarding.asked.load(Ordering::Relaxed)
    }

    /// Puts a token into the vault.
    pub(crate) fn set_token(&self, waba: WabaId, token: &str) {
        self.onboarding.known.lock().unwrap().tokens.insert(waba.uuid(), token.to_owned());
    }

    /// Publishes as another service would.
    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        let answers = self.bus.publish(events).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    /// Publishes each event twice.
    pub(crate) async fn publish_twice(&self, events: Vec<Envelope>) {
        self.publish(events.clone()).await;
        self.publish(events).await;
    }

    /// The state of a WABA of a business, as its event.
    pub(crate) fn waba(
        &self,
        account: &Account,
        state: WabaState,
        generation: i64,
        version: i64,
    ) -> Waba {
        Waba {
            id: account.waba.to_string(),
            tenant_id: account.tenant.to_string(),
            meta_id: account.business.waba.clone(),
            environment: "sandbox".to_owned(),
            app_id: self.stage.app_id(),
            state: state.into(),
            credential_generation: generation,
            version,
            ..Waba::default()
        }
    }

    /// A business of a new tenant, not told of yet.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let business = self.stage.business(name).await;
        let (tenant, waba) = (TenantId::from_uuid(fresh()), WabaId::from_uuid(fresh()));
        self.set_token(waba, &business.token);
        Account { tenant, waba, business }
    }

    /// A business of a new tenant whose numbers and templates are here.
    pub(crate) async fn imported(&self, name: &str) -> Account {
        let account = self.account(name).await;
        self.import(&account).await;
        account
    }

    pub(crate) async fn import(&self, account: &Account) {
        let waba = self.waba(account, WabaState::Claimed, 1, 1);
        self.publish(vec![waba_changed(&waba)]).await;
        self.until_imported(account).await;
    }

    pub(crate) async fn until_imported(&self, account: &Account) {
        let sql = format!(
            "SELECT count(*) FROM assets.waba_import WHERE due_us IS NULL AND imported_us > 0 AND waba_id = {}",
            self.database.literal(account.waba.uuid())
        );
        until("the import", async || self.database.count(&sql).await == 1).await;
    }

    pub(crate) async fn numbers(&self, caller: &Caller) -> Vec<Number> {
        let request = proto::assets::v1::ListNumbersRequest::default();
        caller.numbers.clone().list_numbers(request).await.unwrap().into_inner().items
    }

    pub(crate) async fn templates(&self, caller: &Caller) -> Vec<Template> {
        let request = proto::assets::v1::ListTemplatesRequest::default();
        caller.templates.clone().list_templates(request).await.unwrap().into_inner().items
    }

    pub(crate) async fn template(&self, caller: &Caller, id: &str) -> Result<Template, Status> {
        let request = proto::assets::v1::GetTemplateRequest { template_id: id.to_owned() };
        let answer = caller.templates.clone().get_template(request).await?;
        Ok(answer.into_inner().template.unwrap())
    }

    /// What is published under a key from now on.
    pub(crate) async fn listen(&self, key: &str) -> Box<dyn bus::Deliveries> {
        let spec = GroupSpec {
            service: "messaging".to_owned(),
            group: format!("messaging.test-{}", fresh().simple()),
            bindings: vec![key.to_owned()],
            prefetch: bus::PREFETCH,
        };
        self.bus.subscribe(spec).await.unwrap()
    }
}

/// Waits for an event that a test looks for.
pub(crate) async fn heard<M: bus::EventMessage>(
    deliveries: &mut Box<dyn bus::Deliveries>,
    wanted: impl Fn(&M) -> bool,
) -> (Envelope, M) {
    let search = async {
        loop {
            for delivery in deliveries.next(100).await.unwrap() {
                let envelope = delivery.event.unwrap();
                let message = bus::decode::<M>(&envelope).unwrap();
                if wanted(&message) {
                    return (envelope, message);
                }
            }
        }
    };
    within("the event", search).await
}
