//! An identity of a test's own: migrated database, embedded bus, real listener, a gateway that calls it
//! with tokens that it issued, and a clock that the test moves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{Service, Signer};
use bus::{About, Bus, EmbeddedBus, Envelope};
use identity::{Config, CreatedOperator, Deps, Identity, NewOperator, Pepper};
use kernel::clock::{ManualClock, SystemClock, WallClock};
use kernel::id::{PartnerId, TenantId};
use kernel::ids::{Ids, SystemIds};
use kernel::page::{Cursors, PageKey};
use kernel::secret::{ExposeSecret as _, SecretString, Zeroizing};
use net::config::SecretRef;
use net::health::Readiness;
use proto::events::v1::PartnerChanged;
use proto::identity::v1 as api;
use proto::identity::v1::api_key_service_client::ApiKeyServiceClient;
use proto::identity::v1::audit_service_client::AuditServiceClient;
use proto::identity::v1::people_service_client::PeopleServiceClient;
use proto::identity::v1::revocation_service_client::RevocationServiceClient;
use proto::identity::v1::session_service_client::SessionServiceClient;
use proto::onboarding::v1 as onboarding;
use server::{PeerChannel, Peers, Refusal, Security, SecurityConfig, ServiceTokens};
use store::Backend;
use testkit::{TestDatabase, embedded_bus, events, serve, until, within};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// A password that nobody refuses.
pub(crate) const PASSWORD: &str = "plover gadget ochre 41";

/// An identity that runs.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) bus: Arc<EmbeddedBus>,
    pub(crate) identity: Identity,
    pub(crate) operator: CreatedOperator,
    pub(crate) database: TestDatabase,
    ids: Arc<SystemIds>,
    /// The address of each tenant's first owner.
    owners: Mutex<HashMap<TenantId, String>>,
    security: SecurityConfig,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl World {
    pub(crate) async fn on(backend: Backend) -> Self {
        Self::with(backend, Config::default()).await
    }

    pub(crate) async fn with(backend: Backend, mut config: Config) -> Self {
        let database = TestDatabase::of("identity", backend).await;
        let ids = Arc::new(SystemIds::new());
        // Starts at the machine's own time: what the database minted is then not from another year.
        let clock = Arc::new(ManualClock::new(WallClock::now(&SystemClock)));
        let business: Arc<ManualClock> = Arc::clone(&clock);
        let store = database.open(business).await;
        let bus = Arc::new(embedded_bus(database.folder()).await);

        let gateway = Signer::generate().unwrap();
        let half = Signer::from_pkcs8(&gateway).unwrap().public_key().to_owned();
        let key = database.folder().join("gateway.key");
        std::fs::write(&key, &*gateway).unwrap();
        config.service_keys.insert("gateway".to_owned(), vec![half]);
        let mut security =
            SecurityConfig { service_key: SecretRef::in_file(&key), ..Default::default() };
        config.issuer.clone_from(&security.issuer);
        config.audience.clone_from(&security.audience);

        let wall: Arc<ManualClock> = Arc::clone(&clock);
        let page_key = PageKey::new([7; 32]);
        let cursor_clock: Arc<ManualClock> = Arc::clone(&clock);
        let deps = Deps {
            store,
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            wall,
            ids: Arc::clone(&ids) as Arc<dyn Ids>,
            cursors: Arc::new(Cursors::new(page_key, cursor_clock)),
            keks: seal::Kek::new(&Zeroizing::new([3; 32])).unwrap().into(),
            peppers: Pepper::new(Zeroizing::new([5; 32])).into(),
        };
        let identity = Identity::new(config, deps).unwrap();
        let operator = identity
            .create_operator(&NewOperator {
                email: "operator@switchboard.test".to_owned(),
                name: "Op".to_owned(),
                password: Some(PASSWORD.into()),
            })
            .await
            .unwrap();

        let (stop, readiness) = (CancellationToken::new(), Readiness::new());
        let judge: Arc<ManualClock> = Arc::clone(&clock);
        let own = Security::with_sources(
            &security,
            Service::Identity,
            identity.sources(),
            judge,
            &readiness,
            &stop,
        );
        let nobody: [(Service, &str); 0] = [];
        let peers = Arc::new(Peers::new(&own, nobody).unwrap());
        let service = identity.service(peers);
        let mut running = JoinSet::new();
        security.identity = serve(service, own, readiness.clone(), &stop, &mut running).await;
        within("identity to be ready", readiness.wait()).await;
        let owners = Mutex::default();
        Self { clock, bus, identity, operator, database, ids, owners, security, stop, running }
    }

    /// The gateway's connections, with fresh service tokens.
    pub(crate) fn gateway(&self) -> Peers {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let tokens = ServiceTokens::remote(&self.security, Service::Gateway, clock).unwrap();
        Peers::with_tokens(tokens, [(Service::Identity, self.security.identity.as_str())]).unwrap()
    }

    fn own(&self) -> PeerChannel {
        self.gateway().as_service(Service::Identity)
    }

    fn of(&self, token: &str) -> PeerChannel {
        self.gateway().for_token(Service::Identity, &token.into())
    }

    /// A channel without any token.
    pub(crate) fn naked(&self) -> PeerChannel {
        self.gateway().channel(Service::Identity)
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<PeerChannel> {
        SessionServiceClient::new(self.own())
    }

    pub(crate) fn revocations(&self) -> RevocationServiceClient<PeerChannel> {
        RevocationServiceClient::new(self.own())
    }

    pub(crate) fn people(&self, token: &str) -> PeopleServiceClient<PeerChannel> {
        PeopleServiceClient::new(self.of(token))
    }

    pub(crate) fn keys(&self, token: &str) -> ApiKeyServiceClient<PeerChannel> {
        ApiKeyServiceClient::new(self.of(token))
    }

    pub(crate) fn audit(&self, token: &str) -> AuditServiceClient<PeerChannel> {
        AuditServiceClient::new(self.of(token))
    }

    pub(crate) fn now_us(&self) -> i64 {
        WallClock::now(&*self.clock).as_micros()
    }

    pub(crate) fn ids(&self) -> &SystemIds {
        &self.ids
    }

    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
    ) -> Result<api::SessionTokens, Status> {
        self.sign_in_as(api::SignInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn sign_in_as(
        &self,
        request: api::SignInRequest,
    ) -> Result<api::SessionTokens, Status> {
        Ok(self.sessions().sign_in(request).await?.into_inner().tokens.unwrap())
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<api::SessionTokens, Status> {
        let request =
            api::RefreshRequest { refresh_token: token.to_owned(), tenant: String::new() };
        Ok(self.sessions().refresh(request).await?.into_inner().tokens.unwrap())
    }

    /// A fresh token of the operator.
    pub(crate) async fn operator(&self) -> String {
        self.sign_in("operator@switchboard.test", PASSWORD).await.unwrap().access_token
    }

    /// Whether a token is let in.
    pub(crate) async fn viewer(&self, token: &str) -> Result<api::GetViewerResponse, Status> {
        Ok(self.people(token).get_viewer(api::GetViewerRequest {}).await?.into_inner())
    }

    /// Waits until a token is refused, and says why.
    pub(crate) async fn refused(&self, token: &str) -> String {
        let wait = async {
            loop {
                match self.viewer(token).await {
                    Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Err(status) => break reason(&status),
                }
            }
        };
        within("the token to be refused", wait).await
    }

    /// Publishes a tenant's state as onboarding would.
    pub(crate) async fn tell_tenant(
        &self,
        id: TenantId,
        partner: Option<PartnerId>,
        state: onboarding::TenantState,
        version: i64,
    ) {
        let tenant = onboarding::Tenant {
            id: id.to_string(),
            name: "Demo Bakery".to_owned(),
            partner_id: partner.map(|id| id.to_string()).unwrap_or_default(),
            region: "eu".to_owned(),
            state: state.into(),
            created_us: 1,
            version,
            ..Default::default()
        };
        self.publish(vec![events::tenant_changed(WallClock::now(&*self.clock), &tenant)]).await;
    }

    /// Publishes envelopes until the bus has them.
    pub(crate) async fn publish(&self, envelopes: Vec<Envelope>) {
        until("the bus to take events", async || {
            self.bus.publish(envelopes.clone()).await.iter().all(Result::is_ok)
        })
        .await;
    }

    /// An active tenant that identity knows.
    pub(crate) async fn tenant(&self, partner: Option<PartnerId>) -> TenantId {
        let id = TenantId::mint(&*self.ids, WallClock::now(&*self.clock));
        self.tell_tenant(id, partner, onboarding::TenantState::Active, 1).await;
        id
    }

    /// A partner that identity knows.
    pub(crate) async fn partner(&self) -> PartnerId {
        let at = WallClock::now(&*self.clock);
        let id = PartnerId::mint(&*self.ids, at);
        let partner = onboarding::Partner {
            id: id.to_string(),
            name: "Reseller".to_owned(),
            created_us: 1,
            version: 1,
        };
        let about = About::state(id.uuid(), 1);
        let message = PartnerChanged { partner: Some(partner) };
        self.publish(vec![events::event(at, about, &message)]).await;
        id
    }

    /// Adds somebody by the desk, once identity knows the place, and answers the link.
    pub(crate) async fn add(
        &self,
        token: &str,
        request: api::CreateDeskPersonRequest,
    ) -> api::CreateDeskPersonResponse {
        let wait = async {
            loop {
                match self.people(token).create_desk_person(request.clone()).await {
                    Ok(added) => break added.into_inner(),
                    Err(status) if status.code() == Code::NotFound => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    Err(status) => panic!("{status:?}"),
                }
            }
        };
        within("the place to be known", wait).await
    }

    /// A person of a tenant with a password, and their tokens: added by the desk until there is an
    /// owner, and then by the owner.
    pub(crate) async fn member(&self, tenant: TenantId, email: &str, role: &str) -> Member {
        let owner = self.owners.lock().unwrap().get(&tenant).cloned();
        let (added, link) = if let Some(owner) = owner {
            let owner = self.sign_in(&owner, PASSWORD).await.unwrap().access_token;
            let added = self.people(&owner).create_person(colleague(email, role)).await;
            let added = added.unwrap().into_inner();
            (added.person, added.set_password_token)
        } else {
            let request = api::CreateDeskPersonRequest {
                tenant_id: tenant.to_string(),
                ..person(email, role)
            };
            let added = self.add(&self.operator().await, request).await;
            (added.person, added.set_password_token)
        };
        self.set_password(&link, PASSWORD).await.unwrap();
        if role == "tenant.owner" {
            self.owners.lock().unwrap().entry(tenant).or_insert_with(|| email.to_owned());
        }
        let tokens = self.sign_in(email, PASSWORD).await.unwrap();
        Member { id: added.unwrap().id, tokens }
    }

    pub(crate) async fn set_password(&self, token: &str, password: &str) -> Result<String, Status> {
        let request =
            api::SetPasswordRequest { token: token.to_owned(), password: password.to_owned() };
        Ok(self.sessions().set_password(request).await?.into_inner().email)
    }

    pub(crate) async fn exchange(&self, key: &str) -> Result<String, Status> {
        let request =
            api::ExchangeApiKeyRequest { api_key: key.to_owned(), client_address: String::new() };
        Ok(self.sessions().exchange_api_key(request).await?.into_inner().access_token)
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.bus.close().await;
    }
}

/// A person and what they signed in with.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) tokens: api::SessionTokens,
}

impl Member {
    pub(crate) fn token(&self) -> &str {
        &self.tokens.access_token
    }
}

pub(crate) fn person(email: &str, role: &str) -> api::CreateDeskPersonRequest {
    api::CreateDeskPersonRequest {
        email: email.to_owned(),
        name: "Somebody Else".to_owned(),
        role: role.to_owned(),
        ..Default::default()
    }
}

/// A person whom somebody of a tenant adds to it.
pub(crate) fn colleague(email: &str, role: &str) -> api::CreatePersonRequest {
    api::CreatePersonRequest {
        email: email.to_owned(),
        name: "Cid".to_owned(),
        role: role.to_owned(),
        idempotency_key: String::new(),
    }
}

/// The stable reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    Refusal::of(status).reason
}

/// The status of a call that must be refused. Answers with secrets in them have no `Debug`.
pub(crate) fn refused<T>(answer: Result<T, Status>) -> Status {
    answer.err().expect("to be refused")
}

/// Code and reason of a call that must be refused.
pub(crate) fn refusal<T>(answer: Result<T, Status>) -> (Code, String) {
    let status = refused(answer);
    (status.code(), reason(&status))
}

pub(crate) fn secret(text: &SecretString) -> String {
    text.expose_secret().to_owned()
}
