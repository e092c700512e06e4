//! An installation in a nutshell: the messaging service as a process runs it, on a database and a bus of
//! its own, with the sandbox as Meta. Tenants, WABAs, numbers and templates come as their owners' events
//! do; Meta's webhooks come as the receiver's do.

mod callers;
mod stage;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth::Service;
use bus::Bus;
use graph::{AccessToken, Graph, GraphConfig, TokenError};
use kernel::clock::{Clock, SystemClock, WallClock};
use kernel::id::{NumberId, TenantId, WabaId};
use kernel::ids::{Ids, SystemIds};
use kernel::page::{Cursors, PageKey};
use kernel::secret::MetaToken;
use meta::app::MetaApps;
use net::clock::FollowedClock;
use net::health::Readiness;
use proto::messaging::v1 as pb;
use serde_json::json;
use server::Peers;
use store::{Backend, Store};
use testkit::{Issuer, PATIENCE, TestDatabase, embedded_bus, ids, serve, within};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;

pub(crate) use self::callers::Caller;
use self::stage::Stage;
pub(crate) use self::told::routed;

/// The vault: one token for all, of the first credential.
struct Vault {
    token: String,
    panics: Arc<AtomicU32>,
}

#[async_trait]
impl graph::TokenSource for Vault {
    async fn token(&self, _: Uuid, _: Uuid) -> Result<AccessToken, TokenError> {
        let fewer = |left: u32| left.checked_sub(1);
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        assert!(panics.is_err(), "as the test asked for");
        Ok(AccessToken { secret: MetaToken::new(self.token.clone()), generation: 1 })
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

/// What a world is started with.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) backend: Backend,
    pub(crate) config: messaging::Config,
}

/// The installation.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<FollowedClock>,
    pub(crate) number: Number,
    /// How many more questions the vault panics at.
    pub(crate) vault_panics: Arc<AtomicU32>,
    database: TestDatabase,
    config: messaging::Config,
    graph: Graph,
    issuer: Issuer,
    stage: Stage,
    channel: Channel,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl World {
    /// Everything on, on this database.
    pub(crate) async fn on(backend: Backend) -> Self {
        let config = messaging::Config {
            sole_owner: true,
            sweep_ms: 50,
            poll_ms: 50,
            ..messaging::Config::default()
        };
        Self::start(Wanted { backend, config }).await
    }

    pub(crate) async fn start(wanted: Wanted) -> Self {
        let database = TestDatabase::of("messaging", wanted.backend).await;
        let bus: Arc<dyn Bus> = Arc::new(embedded_bus(database.folder()).await);
        let stage = Stage::start(database.folder(), &bus).await;
        let readiness = Readiness::new();
        let url = stage.control_url("/clock");
        let clock = FollowedClock::follow(&url, readiness.clone(), stage.stop.clone()).unwrap();
        within("the clock", readiness.wait()).await;
        let graph = Graph::new(
            GraphConfig { timeout_ms: 3_000, ..GraphConfig::default() },
            &MetaApps::new(vec![stage.app()]).unwrap(),
        )
        .unwrap();
        let now = clock.now();
        let number = Number {
            tenant: TenantId::mint(ids(), now),
            waba: WabaId::mint(ids(), now),
            id: NumberId::mint(ids(), now),
            meta_id: stage.signed.number.clone(),
            waba_meta_id: stage.signed.waba.clone(),
            environment: "sandbox",
        };
        let mut world = Self {
            store: database.open(Arc::<FollowedClock>::clone(&clock)).await,
            bus,
            clock,
            number: number.clone(),
            vault_panics: Arc::default(),
            database,
            config: wanted.config,
            graph,
            issuer: Issuer::generate(),
            stage,
            // Nobody, until the service runs.
            channel: Channel::from_static("http://127.0.0.1:9").connect_lazy(),
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        };
        world.run().await;
        world.tell_of(&number).await;
        // Most stories here do not begin with a customer who writes.
        world.control("PUT", "/settings", json!({ "enforce_window": false })).await;
        world
    }

    /// Starts the service on the world's data.
    async fn run(&mut self) {
        let business: Arc<dyn Clock> = Arc::<FollowedClock>::clone(&self.clock);
        let (stop, readiness) = (CancellationToken::new(), Readiness::new());
        let security = self.issuer.security(Service::Messaging, &readiness, &stop).await;
        let none: [(Service, &str); 0] = [];
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        let service = messaging::service_with(
            self.config.clone(),
            messaging::Deps {
                store: self.store.clone(),
                bus: Arc::clone(&self.bus),
                clock: business,
                ids: Arc::new(SystemIds::new()) as Arc<dyn Ids>,
                peers: Arc::new(Peers::new(&security, none).unwrap()),
                cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), wall)),
                graph: self.graph.clone(),
                security: security.clone(),
                stop: stop.clone(),
            },
            Vault {
                token: self.stage.signed.token.clone(),
                panics: Arc::clone(&self.vault_panics),
            },
        );
        let address = serve(service, security, readiness, &stop, &mut self.running).await;
        self.channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        self.stop = stop;
    }

    /// What the database's catalogue has against the rules.
    pub(crate) async fn catalogue_faults(&self) -> Vec<String> {
        store::schema::catalogue_faults(&self.database.migrate, "messaging").await.unwrap()
    }

    /// One number, read past all walls.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database.count(sql).await
    }

    /// Changes the database past all walls.
    pub(crate) async fn change(&self, sql: &str) {
        self.database.change(sql).await;
    }

    /// An id as the database's SQL writes it.
    pub(crate) fn literal(&self, id: Uuid) -> String {
        self.database.literal(id)
    }

    /// Ends the service without a farewell, as kill -9 would, and starts it anew on the same data.
    pub(crate) async fn crash(&mut self) {
        self.running.shutdown().await;
        self.store = self.database.open(Arc::<FollowedClock>::clone(&self.clock)).await;
        self.run().await;
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

/// A request for a template whose body has these parameters.
pub(crate) fn template(world: &World, name: &str, parameters: &[&str]) -> pb::SendMessageRequest {
    let parameters: Vec<_> =
        parameters.iter().map(|text| json!({"type": "text", "text": text})).collect();
    let body = json!({"type": "template", "template": {
        "name": name, "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }});
    pb::SendMessageRequest {
        body_json: body.to_string(),
        ..send(&world.number, "+351912000111", "")
    }
}
