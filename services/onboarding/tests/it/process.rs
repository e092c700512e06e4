//! The service in a process of its own, as far as a test can tell: Meta apps, wiring, listener.

use std::sync::Arc;

use auth::Service;
use bus::{Bus, EmbeddedBus};
use kernel::clock::{ManualClock, SystemClock};
use kernel::ids::SystemIds;
use kernel::page::{Cursors, PageKey};
use meta::app::{Environment, MetaApp, MetaApps, SignupConfiguration};
use net::health::Readiness;
use seal::{Kek, Keks};
use testkit::serve;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::stage::{Meta, SandboxApp};
use crate::state::State;
use crate::tokens::Mint;

fn meta_app(meta: &Meta, app: &SandboxApp) -> MetaApp {
    MetaApp {
        id: app.id.parse().unwrap(),
        name: "test".to_owned(),
        environment: Environment::Sandbox,
        secret: app.secret.clone().into(),
        previous_secret: None,
        verify_token: "vt".into(),
        graph_base_url: meta.url.clone(),
        graph_version: "v23.0".to_owned(),
        signup_configurations: vec![SignupConfiguration {
            id: app.config_id.clone(),
            name: String::new(),
        }],
        business_id: None,
        system_user_token: None,
    }
}

/// Starts the service on this data; it ends with the set.
pub(crate) async fn run(
    state: &State,
    mint: &Mint,
    bus: &Arc<EmbeddedBus>,
    clock: &Arc<ManualClock>,
    apps: &[&SandboxApp],
    meta: &Meta,
) -> (JoinSet<()>, Channel) {
    let (readiness, stop) = (Readiness::new(), CancellationToken::new());
    let security = mint.0.security(Service::Onboarding, &readiness, &stop).await;
    let business: Arc<ManualClock> = Arc::clone(clock);
    let store = state.database.open(business).await;
    let apps = apps.iter().map(|app| meta_app(meta, app)).collect();
    let apps = Arc::new(MetaApps::new(apps).unwrap());
    let kek = Kek::new(&zeroize::Zeroizing::new([7; 32])).unwrap();
    let bus: Arc<dyn Bus> = Arc::<EmbeddedBus>::clone(bus);
    let deps = onboarding::Deps {
        store,
        bus,
        clock: Arc::<ManualClock>::clone(clock),
        wall: Arc::new(SystemClock),
        ids: Arc::new(SystemIds::default()),
        cursors: Arc::new(Cursors::new(PageKey::new([3; 32]), Arc::new(SystemClock))),
        graph: graph::Graph::new(graph::GraphConfig::default(), &apps).unwrap(),
        apps,
        kek_name: kek.id().to_string(),
        keks: Keks::new(kek, None),
        security: security.clone(),
        stop: stop.clone(),
    };
    let service = onboarding::service(onboarding::Config::default(), deps);
    let mut running = JoinSet::new();
    let address = serve(service, security, readiness, &stop, &mut running).await;
    let channel = net::grpc::channel(&address, net::grpc::GrpcClientConfig::default()).unwrap();
    (running, channel)
}
