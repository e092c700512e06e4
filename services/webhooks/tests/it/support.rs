//! The service on free ports over a database and a bus of its own, with Meta, onboarding, assets and an operator played by
//! the test.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth::{Permission, Reach, Service, Wabas};
use bus::{About, Bus, Deliveries, EmbeddedBus, Envelope, GroupSpec};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::clock::{ManualClock, SystemClock, WallClock};
use kernel::id::{NumberId, OperatorId, TenantId, WabaId};
use kernel::page::{Cursors, PageKey};
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use meta::app::{Environment, MetaApp, MetaApps};
use meta::ids::MetaAppId;
use net::health::Readiness;
use net::http::bind;
use proto::assets::v1::Number;
use proto::events::v1::{ElementRouted, WabaHeard};
use proto::onboarding::v1::{Waba, WabaState};
use proto::webhooks::v1::quarantine_service_client::QuarantineServiceClient;
use server::{PeerChannel, Peers, Security, ServiceRun};
use sha2::Sha256;
use store::{Backend, Store, Uuid};
use testkit::{
    Issuer, Owners, TestDatabase, embedded_bus, events, ids, serve, until, within, word,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use webhooks::{Config, Deps};

/// 2026-11-23 14:13:20 UTC.
pub(crate) const NOW_S: i64 = 1_795_443_200;

pub(crate) const APP: &str = "634974688";
pub(crate) const SECRET: &str = "secret-of-now";
pub(crate) const PREVIOUS: &str = "secret-of-before";
pub(crate) const OTHER_APP: &str = "999000111";
pub(crate) const OTHER_SECRET: &str = "secret-of-another-app";
pub(crate) const VERIFY: &str = "verify-me";

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

/// The running service and everybody around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    bus: Arc<EmbeddedBus>,
    heard: tokio::sync::Mutex<Box<dyn Deliveries>>,
    issuer: Issuer,
    grpc: String,
    gateway: Security,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let database = TestDatabase::of("webhooks", setup.backend).await;
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
        // Started over, a service meets a bus that is as new as it is itself.
        let folder = database.folder().join(word());
        std::fs::create_dir(&folder).unwrap();
        let bus = Arc::new(embedded_bus(&folder).await);
        let heard = GroupSpec {
            service: "messaging".to_owned(),
            group: "test".to_owned(),
            bindings: vec!["webhooks.#".to_owned()],
            prefetch: bus::PREFETCH,
        };
        let heard = bus.subscribe(heard).await.unwrap();
        let (issuer, stop) = (Issuer::generate(), CancellationToken::new());
        let mut running = JoinSet::new();
        let readiness = Readiness::new();
        let security = issuer.security(Service::Webhooks, &readiness, &stop).await;
        let mut endpoints = Vec::new();
        if let Some(owners) = setup.owners {
            let (onboarding, assets) = (owners.clone().onboarding(), owners.assets());
            for (service, name) in [(onboarding, Service::Onboarding), (assets, Service::Assets)] {
                let ready = Readiness::new();
                let own = issuer.security(name, &ready, &stop).await;
                endpoints.push((name, serve(service, own, ready, &stop, &mut running).await));
            }
        }
        let apps = [app(APP, SECRET, Some(PREVIOUS)), app(OTHER_APP, OTHER_SECRET, None)];
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let deps = Deps {
            store: store.clone(),
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            clock: Arc::clone(&clock) as Arc<dyn kernel::clock::Clock>,
            wall: Arc::clone(&wall),
            ids: Arc::new(kernel::ids::SystemIds::new()),
            cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), wall)),
            apps: Arc::new(MetaApps::new(apps.to_vec()).unwrap()),
            peers: Peers::new(&security, endpoints).unwrap(),
        };
        let (http, grpc) = (bind("127.0.0.1:0").await.unwrap(), bind("127.0.0.1:0").await.unwrap());
        let (url, grpc_at) = (format!("http://{}", http.address()), grpc.address().to_string());
        let run = ServiceRun {
            grpc: Some(grpc),
            http: Some(http),
            roles: setup.roles.map(|roles| roles.iter().map(|&role| role.to_owned()).collect()),
            reflection: false,
            security,
            readiness,
            stop: stop.clone(),
        };
        let service = webhooks::service(setup.config, deps);
        running.spawn(async move { service.run(run).await.unwrap() });
        let gateway = issuer.security(Service::Gateway, &Readiness::new(), &stop).await;
        Self {
            database,
            store,
            clock,
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            bus,
            heard: tokio::sync::Mutex::new(heard),
            issuer,
            grpc: grpc_at,
            gateway,
            stop,
            running,
        }
    }

    /// Stops the service; the database stays.
    pub(crate) async fn end(mut self) -> (TestDatabase, Store, Arc<ManualClock>) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
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
        until("deliveries worked on and events published", async || {
            self.database.count("SELECT count(*) FROM inbound_raw WHERE state = 'new'").await == 0
                && self.database.count("SELECT count(*) FROM outbox").await == 0
        })
        .await;
    }

    /// All events that webhooks published since the last call.
    pub(crate) async fn events(&self) -> Vec<Envelope> {
        // The log is one: when this has come, everything published before it has.
        let about = About::fact(Uuid::nil());
        let at = Timestamp::from_seconds(NOW_S);
        let end = events::event_as(at, "webhooks.test.end", about, &WabaHeard::default());
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

    /// The event that onboarding tells of a WABA's state.
    pub(crate) fn of_waba(waba: &Waba) -> Envelope {
        events::waba_changed(Timestamp::from_seconds(NOW_S), waba)
    }

    /// The event that assets tells of a number's state.
    pub(crate) fn of_number(number: &Number) -> Envelope {
        events::number_changed(Timestamp::from_seconds(NOW_S), number)
    }

    /// Publishes, and waits until the service has handled it.
    pub(crate) async fn tell(&self, events: Vec<Envelope>) {
        let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
        let wanted = i64::try_from(ids.len()).unwrap();
        let before = self.handled().await;
        self.publish(events).await;
        until("the events to be handled", async || self.handled().await == before + wanted).await;
    }

    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        until("the service's queue", async || {
            self.bus.publish(events.clone()).await.iter().all(Result::is_ok)
        })
        .await;
    }

    async fn handled(&self) -> i64 {
        self.database.count("SELECT count(*) FROM inbox").await
    }

    /// A tenant with a WABA and a number that webhooks knows of.
    pub(crate) async fn known(&self, waba: &str, number: &str) -> Held {
        let held = Self::held(waba, number);
        self.tell(vec![Self::of_waba(&held.waba), Self::of_number(&held.number)]).await;
        held
    }

    /// A tenant with a WABA and a number that webhooks does not know of yet.
    pub(crate) fn held(waba: &str, number: &str) -> Held {
        let at = Timestamp::from_seconds(NOW_S);
        let (tenant, waba_id) = (TenantId::mint(ids(), at), WabaId::mint(ids(), at));
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
            id: NumberId::mint(ids(), at).to_string(),
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
        self.quarantine_as(&self.issuer.person(&Reach::Operator { operator }, &permissions))
    }

    /// Somebody of a tenant who has every permission there is.
    pub(crate) fn tenant(&self) -> QuarantineServiceClient<PeerChannel> {
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let reach = Reach::Tenant { tenant, wabas: Wabas::All };
        self.quarantine_as(&self.issuer.person(&reach, Permission::ALL))
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
    message_of(NOW_S - 1, waba, number, wamid)
}

/// The same, written at a second of Meta's.
pub(crate) fn message_of(at_s: i64, waba: &str, number: &str, wamid: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"{waba}","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"351300111222","phone_number_id":"{number}"}},"contacts":[{{"profile":{{"name":"Zo\u00eb"}},"wa_id":"351911222333","user_id":"PT.1"}}],"messages":[{{"from":"351911222333","from_user_id":"PT.1","id":"{wamid}","timestamp":"{at_s}","type":"text","text":{{"body":"caf\u00e9 \ud83d\ude00 a\/b"}}}}]}}}}]}}]}}"#
    )
}
