//! Messaging: contacts, consent, conversations and messages.
//!
//! Nothing accepted is lost, nothing is sent twice. A message that was answered is a row with a state of
//! its own and a deadline; between it and Meta stand a claim, a mark with an attempt, and the word of
//! Meta's that settles it. What customers write is stored once, whatever Meta repeats. Hot paths make no
//! remote call: what a send must know of tenants, WABAs, numbers and templates are read models here.
//!
//! Left to others: tokens (onboarding's vault), review and state of templates and numbers (assets), the
//! receipt of webhooks (webhooks-in), what a message costs (analytics).

mod api;
mod app;
mod config;
mod domain;
mod error;
mod events;
mod failpoint;
mod rows;
mod tokens;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, ConsumerLoop, Relay, TailHub};
use graph::{CachedTokens, Graph, TokenSource};
use kernel::clock::Clock;
use kernel::ids::Ids;
use kernel::page::Cursors;
use proto::messaging::v1::admin_service_server::AdminServiceServer;
use proto::messaging::v1::contact_service_server::ContactServiceServer;
use proto::messaging::v1::conversation_service_server::ConversationServiceServer;
use proto::messaging::v1::message_service_server::MessageServiceServer;
use server::{Peers, Security, Service, sized};
use store::{HousekeepingJob, PartitionJob, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::api::{Admin, Contacts, Conversations, Messages};
use crate::app::accept::AcceptLane;
use crate::app::dispatch::Dispatcher;
use crate::app::ingest::Ingest;
use crate::app::mark::MarkLane;
use crate::app::read_model::ReadModel;
use crate::app::settle::SettleLane;
use crate::tokens::{Vault, WABA_CHANGED};

pub use config::{Config, Deadlines};

/// The service's name, which is its schema's too.
const NAME: &str = "messaging";

/// What the process gives the service.
pub struct Deps {
    /// Its own schema.
    pub store: Store,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn Ids>,
    /// Other services.
    pub peers: Arc<Peers>,
    /// Cursors under this service's page key.
    pub cursors: Arc<Cursors>,
    /// Meta.
    pub graph: Graph,
    /// Judges tokens, for streams that outlive a call.
    pub security: Security,
    /// Ends streams when the process drains.
    pub stop: CancellationToken,
}

/// Puts the service together, with onboarding's vault as the source of tokens.
pub fn service(config: Config, deps: Deps) -> Service {
    let vault = Vault(Arc::clone(&deps.peers));
    service_with(config, deps, vault)
}

/// The same with another source of tokens.
pub fn service_with(config: Config, deps: Deps, source: impl TokenSource + 'static) -> Service {
    let tokens = Arc::new(CachedTokens::new(source));
    let wake = Arc::new(Notify::new());
    let store = deps
        .store
        .with_lane(AcceptLane { deadlines: config.deadlines })
        .with_lane(MarkLane { deadlines: config.deadlines })
        .with_lane(SettleLane { config: config.clone() });
    let keys = vec!["messaging.message.*".to_owned(), WABA_CHANGED.to_owned()];
    let hub = TailHub::new(Arc::clone(&deps.bus), NAME, keys);
    let caches = TailHub::new(Arc::clone(&deps.bus), NAME, vec![WABA_CHANGED.to_owned()]);
    let cached: Arc<dyn TokenSource> = Arc::<CachedTokens<_>>::clone(&tokens);
    let dispatcher = Dispatcher {
        store: store.clone(),
        clock: Arc::clone(&deps.clock),
        graph: deps.graph.clone(),
        tokens: Arc::clone(&cached),
        config: config.clone(),
        wake: Arc::clone(&wake),
    };
    let messages = Messages {
        store: store.clone(),
        clock: deps.clock,
        ids: Arc::clone(&deps.ids),
        cursors: Arc::clone(&deps.cursors),
        graph: deps.graph,
        tokens: cached,
        hub: hub.clone(),
        security: deps.security,
        stop: deps.stop,
        wake,
    };
    let contacts = Contacts { store: store.clone(), cursors: Arc::clone(&deps.cursors) };
    let conversations = Conversations { store: store.clone(), cursors: deps.cursors };
    let relay = Relay::new(store.clone(), Arc::clone(&deps.bus), NAME, deps.ids);
    let consumer =
        |consumer| ConsumerLoop::new(store.clone(), Arc::clone(&deps.bus), NAME, consumer);
    let ingest = consumer(Arc::new(Ingest::new(store.clone(), config.clone())));
    let read_model = consumer(Arc::new(ReadModel::new(store.clone())));
    let (filled, bus, peers) = (store.clone(), Arc::clone(&deps.bus), deps.peers);
    let swept = store.clone();
    let kept = Duration::from_hours(24 * u64::from(config.keep_days));
    let retention = workers::RetentionJob::new(store.clone(), kept);
    let kept = HashMap::from([("message", kept), ("message_step", kept)]);
    let jobs: Vec<Arc<dyn store::job::Job>> = vec![
        Arc::new(PartitionJob::new(store.clone(), kept)),
        Arc::new(HousekeepingJob::new(store.clone())),
        Arc::new(retention),
    ];
    let runner = store::job::Runner::new(store.clone(), jobs);
    let (api_tokens, worker_tokens) = (Arc::clone(&tokens), tokens);
    Service::new(NAME)
        .grpc(sized!(MessageServiceServer::new(messages)))
        .grpc(sized!(ContactServiceServer::new(contacts)))
        .grpc(sized!(ConversationServiceServer::new(conversations)))
        .grpc(sized!(AdminServiceServer::new(Admin(store))))
        .worker("tail", "api", |stop: CancellationToken| async move {
            let follow = tokens::follow(hub.clone(), api_tokens, stop.clone());
            tokio::join!(hub.run(stop), follow);
            Ok::<_, Infallible>(())
        })
        .worker("token_tail", "workers", |stop: CancellationToken| async move {
            let follow = tokens::follow(caches.clone(), worker_tokens, stop.clone());
            tokio::join!(caches.run(stop), follow);
            Ok::<_, Infallible>(())
        })
        .worker("relay", "workers", |stop| async move {
            relay.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("ingest", "workers", |stop| async move {
            ingest.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("read_model", "workers", |stop| async move {
            read_model.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("fill", "workers", move |stop| app::read_model::fill(filled, bus, peers, stop))
        .worker("sweeper", "workers", move |stop| workers::sweeper(swept, config, stop))
        .worker("dispatcher", "workers", move |stop| app::dispatch::run(dispatcher, stop))
        .worker("jobs", "workers", move |stop| runner.run(stop))
}
