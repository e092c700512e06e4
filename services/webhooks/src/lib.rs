//! Webhooks: receives what Meta tells (role `webhooks-in`) and routes it to the tenants that hold its WABAs (role
//! `workers`).
//!
//! It promises that what was answered 200 is on disk and never lost: routed once, or kept in quarantine until its place is
//! known. It routes and does not interpret: an element leaves as the bytes that Meta wrote, and consumers read it. A process
//! that dies in the middle leaves deliveries that are claimed again, and repeats that are dropped.

mod api;
mod app;
mod config;
mod domain;
mod error;
mod events;
mod metrics;
mod rows;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bus::{Bus, ConsumerLoop, Relay};
use kernel::{
    clock::{Clock, WallClock},
    ids::Ids,
    page::Cursors,
};
use meta::app::MetaApps;
use proto::webhooks::v1::{
    admin_service_server::AdminServiceServer, quarantine_service_server::QuarantineServiceServer,
};
use server::{Peers, Service, sized};
use store::{
    HousekeepingJob, PartitionJob, Store,
    job::{Job, Runner},
};

pub use self::config::Config;
use self::{
    api::{admin::Admin, quarantine::Quarantine, receive},
    app::{App, log::RawLog, read_model::ReadModel, retention::Retention},
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
    /// Cursors under this service's page key.
    pub cursors: Arc<Cursors>,
    /// The configured Meta apps.
    pub apps: Arc<MetaApps>,
    /// Onboarding and assets, for the read models' first filling.
    pub peers: Peers,
}

/// Puts the service together.
///
/// What it receives it can store without any other service, so it waits for none: what the read models do not know yet
/// stands in quarantine meanwhile.
pub fn service(config: Config, deps: Deps) -> Service {
    metrics::announce();
    let app = App {
        config: Arc::new(config),
        store: deps.store.with_system_lane(RawLog),
        clock: deps.clock,
        wall: deps.wall,
        ids: Arc::clone(&deps.ids),
        cursors: deps.cursors,
        apps: deps.apps,
        logged: Arc::default(),
        known: Arc::default(),
    };
    let store = app.store.clone();
    let relay = Relay::new(store.clone(), Arc::clone(&deps.bus), "webhooks", deps.ids);
    let consumer = Arc::new(ReadModel(app.clone()));
    let read_model = ConsumerLoop::new(store.clone(), Arc::clone(&deps.bus), "webhooks", consumer);
    let keep = HashMap::from([("inbound_raw", app.config.raw_life())]);
    let jobs: Vec<Arc<dyn Job>> = vec![
        Arc::new(PartitionJob::new(store.clone(), keep)),
        Arc::new(HousekeepingJob::new(store.clone())),
        Arc::new(Retention(app.clone())),
    ];
    let jobs = Runner::new(store.clone(), jobs);
    let (router, placer, filler) = (app.clone(), app.clone(), app.clone());
    let (peers, bus) = (deps.peers, deps.bus);
    Service::new("webhooks")
        .grpc(sized!(QuarantineServiceServer::new(Quarantine(app.clone()))))
        .grpc(sized!(AdminServiceServer::new(Admin(store))))
        .http("webhooks-in", receive::router(app), receive::limits())
        .worker("relay", "workers", |stop| async move {
            relay.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("readmodel", "workers", |stop| async move {
            read_model.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("fill", "workers", |stop| async move {
            filler.run_fill(peers, bus, stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("router", "workers", |stop| router.run_router(stop))
        .worker("placer", "workers", |stop| placer.run_placer(stop))
        .worker("jobs", "workers", |stop| jobs.run(stop))
}
