//! Assets: phone numbers with their profiles, and templates; their quality, limits and history.
//!
//! It promises that what Meta tells of them, by webhook or when read, ends in the same state in whatever order it comes, and that a
//! write to Meta is made once: its outcome is settled by reading. Tokens are onboarding's, sending is messaging's. A
//! process that dies in the middle leaves rows: an import that is due, a request without an end. Both are taken up again.

mod api;
mod app;
mod config;
mod domain;
mod error;
mod events;
mod rows;

use std::{convert::Infallible, sync::Arc};

use bus::{Bus, ConsumerLoop, Relay};
use graph::CachedTokens;
use kernel::{
    clock::{Clock, WallClock},
    ids::Ids,
    page::Cursors,
};
use proto::assets::v1::{
    admin_service_server::AdminServiceServer, number_service_server::NumberServiceServer,
    snapshot_service_server::SnapshotServiceServer, template_service_server::TemplateServiceServer,
};
use server::{Peers, Service, sized};
use store::{Store, job::Runner};

pub use self::config::Config;
use self::{
    api::{admin::Admin, numbers::Numbers, snapshots::Snapshots, templates::Templates},
    app::{
        App,
        elements::Elements,
        read_model::ReadModel,
        refresh::Refresh,
        tokens::{Forgetting, Vault},
    },
};

/// What the service runs with.
#[derive(Clone)]
pub struct Deps {
    /// Its own schema.
    pub store: Store,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// The machine's time.
    pub wall: Arc<dyn WallClock>,
    /// Where ids come from.
    pub ids: Arc<dyn Ids>,
    /// The other services; onboarding is asked for tokens and snapshots.
    pub peers: Arc<Peers>,
    /// Cursors under this service's page key.
    pub cursors: Arc<Cursors>,
    /// Meta.
    pub graph: graph::Graph,
}

/// Puts the service together.
pub fn service(config: Config, deps: Deps) -> Service {
    let tokens = Arc::new(CachedTokens::new(Vault(Arc::clone(&deps.peers))));
    let app = App {
        config: Arc::new(config),
        store: deps.store.clone(),
        clock: deps.clock,
        wall: deps.wall,
        cursors: deps.cursors,
        graph: deps.graph,
        tokens: Arc::clone(&tokens),
        imports: Arc::default(),
        deeds: Arc::default(),
    };
    let forgetting = Forgetting::new(Arc::clone(&deps.bus), tokens);
    let also_forgetting = forgetting.clone();
    let relay = Relay::new(deps.store.clone(), Arc::clone(&deps.bus), "assets", deps.ids);
    let consumer =
        |consumer| ConsumerLoop::new(deps.store.clone(), Arc::clone(&deps.bus), "assets", consumer);
    let read_model = consumer(Arc::new(ReadModel(app.clone())));
    let elements = consumer(Arc::new(Elements(app.clone())));
    let jobs = Runner::new(deps.store.clone(), vec![Arc::new(Refresh(app.clone()))]);
    let (imports, deeds, filled) = (app.clone(), app.clone(), app.clone());
    let (bus, peers) = (deps.bus, deps.peers);
    Service::new("assets")
        .grpc(sized!(TemplateServiceServer::new(Templates(app.clone()))))
        .grpc(sized!(NumberServiceServer::new(Numbers(app.clone()))))
        .grpc(sized!(SnapshotServiceServer::new(Snapshots(app))))
        .grpc(sized!(AdminServiceServer::new(Admin(deps.store))))
        // Both roles hold tokens; in a process that runs both, the first one listens.
        .worker("tokens", "api", |stop| async move {
            forgetting.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("tokens", "workers", |stop| async move {
            also_forgetting.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("relay", "workers", |stop| async move {
            relay.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("readmodel", "workers", |stop| async move {
            read_model.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("fill", "workers", |stop| async move {
            filled.fill(&*bus, &peers, stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("elements", "workers", |stop| async move {
            elements.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("imports", "workers", |stop| imports.run_imports(stop))
        .worker("deeds", "workers", |stop| deeds.run_deeds(stop))
        .worker("jobs", "workers", |stop| jobs.run(stop))
}
