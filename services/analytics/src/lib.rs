//! Analytics: what was sent, received and became of it, counted once and shown in the WABA's own days.
//!
//! It promises that a step of a message is counted once, however late, often or out of order it is told, and that a figure
//! can be formed again from the stored facts. What a message is and where it stands is messaging's. A process that dies in
//! the middle of a batch has counted none of it, and is given it again.

mod api;
mod app;
mod config;
mod domain;
mod error;
mod rows;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bus::{Bus, ConsumerLoop};
use kernel::clock::Clock;
use net::health::Readiness;
use proto::analytics::v1::{
    admin_service_server::AdminServiceServer,
    desk_measure_service_server::DeskMeasureServiceServer,
    measure_service_server::MeasureServiceServer,
};
use server::{Peers, Service, sized};
use store::{
    HousekeepingJob, PartitionJob, Store,
    job::{Job, Runner},
};

pub use self::config::Config;
use self::{
    api::{admin::Admin, measures::Measures},
    app::{App, ingest::Facts, read_model::ReadModel, snapshot},
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
    /// Onboarding, for the read models' first filling.
    pub peers: Peers,
    /// Where the service says that it waits for that.
    pub readiness: Readiness,
}

/// Puts the service together. It publishes nothing, so it has no relay.
pub fn service(_config: Config, deps: Deps) -> Service {
    let app = App { store: deps.store, clock: deps.clock };
    let store = app.store.clone();
    let consumer_loop = |consumer: Arc<dyn bus::Consumer>| {
        ConsumerLoop::new(store.clone(), Arc::clone(&deps.bus), snapshot::SERVICE, consumer)
    };
    let facts = consumer_loop(Arc::new(Facts(app.clone())));
    let read_model = consumer_loop(Arc::new(ReadModel(app.clone())));
    let jobs: Vec<Arc<dyn Job>> = vec![
        // Facts are kept as long as bills: no partition is dropped.
        Arc::new(PartitionJob::new(store.clone(), HashMap::new())),
        Arc::new(HousekeepingJob::new(store.clone())),
    ];
    let jobs = Runner::new(store.clone(), jobs);
    let filler = app.clone();
    let (peers, bus, readiness) = (deps.peers, deps.bus, deps.readiness);
    Service::new(snapshot::SERVICE)
        .grpc(sized!(MeasureServiceServer::new(Measures(app.clone()))))
        .grpc(sized!(DeskMeasureServiceServer::new(Measures(app))))
        .grpc(sized!(AdminServiceServer::new(Admin(store))))
        .worker("facts", "workers", |stop| async move {
            facts.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("readmodel", "workers", |stop| async move {
            read_model.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("fill", "workers", |stop| async move {
            filler.run_fill(peers, bus, readiness, stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("jobs", "workers", |stop| jobs.run(stop))
}
