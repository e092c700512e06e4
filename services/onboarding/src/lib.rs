//! Onboarding: tenants and partners, invitations, embedded signup, the saga that makes a business live, the WABA registry
//! and the token vault.
//!
//! It promises that an onboarding never silently stalls: each step is a row, retried, resumable and reversible, with its
//! last error in Meta's words and ours. Two tenants never hold one WABA. Numbers and templates are assets'; people and
//! keys are identity's. A process that dies in the middle leaves a lease that runs out, and the step is begun again.

mod api;
mod app;
mod config;
mod domain;
mod error;
mod events;
mod rows;

use std::{convert::Infallible, sync::Arc};

use bus::{Bus, ConsumerLoop, Relay, TailHub};
use kernel::{
    clock::{Clock, WallClock},
    ids::Ids,
    page::Cursors,
};
use meta::app::MetaApps;
use proto::onboarding::v1::{
    admin_service_server::AdminServiceServer, invitation_service_server::InvitationServiceServer,
    onboarding_service_server::OnboardingServiceServer,
    partner_service_server::PartnerServiceServer, snapshot_service_server::SnapshotServiceServer,
    tenant_service_server::TenantServiceServer, vault_service_server::VaultServiceServer,
    waba_service_server::WabaServiceServer,
};
use seal::{Keks, Sealer};
use server::{Security, Service, sized};
use store::{
    HousekeepingJob, Store,
    job::{Job, Runner},
};
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{
    api::{
        admin::Admin, invitations::Invitations, onboardings::Onboardings, services::Services,
        tenants::Tenants, wabas::Wabas,
    },
    app::{App, heard::Heard},
    rows::keys::Keys,
};

/// What the service runs with.
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
    /// Meta.
    pub graph: graph::Graph,
    /// The configured Meta apps.
    pub apps: Arc<MetaApps>,
    /// Wraps the data keys of sealed columns.
    pub keks: Keks,
    /// Name of the KEK that wraps new keys.
    pub kek_name: String,
    /// Judges tokens, for streams that outlive a call.
    pub security: Security,
    /// Ends streams when the process drains.
    pub stop: CancellationToken,
}

/// Puts the service together.
pub fn service(config: Config, deps: Deps) -> Service {
    let keys = Keys {
        store: deps.store.clone(),
        clock: Arc::clone(&deps.clock),
        kek: deps.kek_name.clone(),
    };
    let sealer =
        Sealer::new(deps.keks, Arc::new(keys), Arc::clone(&deps.wall), Arc::clone(&deps.ids));
    let app = App {
        config: Arc::new(config),
        store: deps.store.clone(),
        clock: deps.clock,
        wall: deps.wall,
        ids: Arc::clone(&deps.ids),
        cursors: deps.cursors,
        sealer: Arc::new(sealer),
        graph: deps.graph,
        apps: deps.apps,
        wake: Arc::default(),
    };
    let hub = TailHub::new(
        Arc::clone(&deps.bus),
        "onboarding",
        vec!["onboarding.onboarding.changed".to_owned()],
    );
    let onboardings = Onboardings {
        app: app.clone(),
        hub: hub.clone(),
        security: deps.security,
        stop: deps.stop,
    };
    let relay = Relay::new(deps.store.clone(), Arc::clone(&deps.bus), "onboarding", deps.ids);
    let heard =
        ConsumerLoop::new(deps.store.clone(), deps.bus, "onboarding", Arc::new(Heard(app.clone())));
    let sagas = app.clone();
    let jobs: Vec<Arc<dyn Job>> = vec![Arc::new(HousekeepingJob::new(deps.store.clone()))];
    let runner = Runner::new(deps.store.clone(), jobs);
    Service::new("onboarding")
        .grpc(sized!(TenantServiceServer::new(Tenants(app.clone()))))
        .grpc(sized!(PartnerServiceServer::new(Tenants(app.clone()))))
        .grpc(sized!(InvitationServiceServer::new(Invitations(app.clone()))))
        .grpc(sized!(OnboardingServiceServer::new(onboardings)))
        .grpc(sized!(WabaServiceServer::new(Wabas(app.clone()))))
        .grpc(sized!(VaultServiceServer::new(Services(app.clone()))))
        .grpc(sized!(SnapshotServiceServer::new(Services(app))))
        .grpc(sized!(AdminServiceServer::new(Admin(deps.store))))
        .worker("tail", "api", |stop| async move {
            hub.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("relay", "workers", |stop| async move {
            relay.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("heard", "workers", |stop| async move {
            heard.run(stop).await;
            Ok::<_, Infallible>(())
        })
        .worker("sagas", "workers", |stop| sagas.run_sagas(stop))
        .worker("jobs", "workers", move |stop| runner.run(stop))
}
