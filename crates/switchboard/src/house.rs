//! Wires services in one process: the same for `dev` and `serve`, whose only difference is what they are wired to.

mod parts;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use auth::Service as Name;
use bus::{Bus, EmbeddedBus, RabbitBus, RabbitConfig};
use kernel::{
    clock::{Clock, SystemClock, WallClock},
    ids::{Ids, SystemIds, random_token},
};
use meta::app::MetaApps;
use net::{drain::Signals, health::Readiness, http::Listener};
use server::{Peers, Security, SecurityConfig, ServiceRun};
use store::{Store, StoreConfig};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    ports::Ports,
    settings::{Place, Settings},
    uses::Uses,
};

/// A service that shall run, and which of its roles; `None` means all.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) roles: Option<BTreeSet<String>>,
}

impl Wanted {
    pub(crate) fn new(name: &str, roles: Option<BTreeSet<String>>) -> Self {
        Self { name: name.to_owned(), roles }
    }

    /// Whether a role of it runs.
    pub(crate) fn runs(&self, role: &str) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.contains(role))
    }
}

/// What all services of a process share.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) apps: Arc<MetaApps>,
    pub(crate) graph: graph::Graph,
    pub(crate) readiness: Readiness,
    pub(crate) stop: CancellationToken,
    embedded: Option<Arc<EmbeddedBus>>,
}

/// Services that run.
pub(crate) struct Running {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    readiness: Readiness,
    /// Where the gateway listens, where it runs.
    pub(crate) gateway: Option<std::net::SocketAddr>,
    /// Where health and metrics are.
    pub(crate) admin: std::net::SocketAddr,
}

/// A name for this process, for logs and traces.
pub(crate) fn instance() -> String {
    random_token(&SystemIds::new(), 6)
}

impl House {
    /// Reads the secrets that are used, opens the bus and starts following the clock.
    pub(crate) async fn open(
        settings: Settings,
        uses: Uses,
        readiness: Readiness,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let apps = if uses.apps { settings.meta.resolve()? } else { MetaApps::default() };
        let apps = Arc::new(apps);
        let ids: Arc<dyn Ids> = Arc::new(SystemIds::new());
        let clock: Arc<dyn Clock> = if settings.clock.follow.is_empty() {
            Arc::new(SystemClock)
        } else {
            ensure!(
                !settings.meta.any_live(),
                "clock.follow is set and a Meta app is `live`: real messages go by the real clock"
            );
            net::clock::FollowedClock::follow(
                &settings.clock.follow,
                readiness.clone(),
                stop.clone(),
            )?
        };
        let graph = graph::Graph::new(settings.meta.graph.clone(), &apps)?;
        let embedded = if uses.bus && !settings.has_broker() {
            Some(embedded_bus(&settings, &clock, &ids).await?)
        } else {
            None
        };
        let wall: Arc<dyn WallClock> = Arc::new(SystemClock);
        Ok(Self { settings, clock, wall, ids, apps, graph, readiness, stop, embedded })
    }

    /// The bus as one service's account.
    pub(crate) fn bus(&self, place: &Place) -> anyhow::Result<Arc<dyn Bus>> {
        if let Some(bus) = &self.embedded {
            return Ok(Arc::clone(bus) as Arc<dyn Bus>);
        }
        let url =
            if place.broker_url.is_set() { &place.broker_url } else { &self.settings.bus.url };
        let config = RabbitConfig {
            url: url.read().context("bus.url")?,
            namespace: self.settings.bus.namespace.clone(),
            accounts: self.settings.bus.accounts.clone(),
            heartbeat: Duration::from_secs(10),
        };
        Ok(Arc::new(RabbitBus::new(config, Arc::clone(&self.ids))?))
    }

    /// The store of one service.
    pub(crate) async fn store(
        &self,
        service: &'static str,
        place: &Place,
    ) -> anyhow::Result<Store> {
        let database = self.settings.database.of(service, &place.database_password)?;
        let config = StoreConfig { service, database };
        let store = Store::open(config, Arc::clone(&self.clock), Arc::clone(&self.ids)).await;
        store.with_context(|| format!("opening the store of {service}"))
    }

    /// How a service proves who it is.
    pub(crate) fn security_config(&self, name: Name) -> SecurityConfig {
        SecurityConfig {
            issuer: self.settings.tokens.issuer.clone(),
            audience: self.settings.tokens.audience.clone(),
            service_key: self.settings.services.of(name).key.clone(),
            identity: self.settings.services.identity.endpoint.clone(),
        }
    }

    /// Judges the calls of a service other than identity.
    pub(crate) fn security(&self, name: Name) -> anyhow::Result<Security> {
        let config = self.security_config(name);
        Ok(Security::start(&config, name, Arc::clone(&self.wall), &self.readiness, &self.stop)?)
    }

    /// Channels to the others.
    pub(crate) fn peers(&self, security: &Security) -> anyhow::Result<Peers> {
        Ok(Peers::new(security, self.settings.services.endpoints())?)
    }

    /// Starts services, and the admin port beside them.
    pub(crate) async fn start(
        self,
        wanted: &[Wanted],
        mut ports: Ports,
    ) -> anyhow::Result<Running> {
        let admin = ports.listen(&self.settings.admin.listen).await?;
        let mut running = Running {
            tasks: JoinSet::new(),
            stop: self.stop.clone(),
            readiness: self.readiness.clone(),
            gateway: None,
            admin: admin.address(),
        };
        let router = net::admin::router(self.readiness.clone());
        let stop = self.stop.clone();
        running.tasks.spawn(async move { Ok(net::admin::serve(admin, router, stop).await?) });
        let alone = wanted.len() == 1;
        let mut receiver = None;
        for one in wanted.iter().filter(|one| one.name != "gateway") {
            let listener = self.grpc_listener(one, &mut ports).await?;
            let mut built = self.build(one).await.with_context(|| one.name.clone())?;
            let merged = wanted.iter().any(|other| other.name == "gateway");
            let http = if one.name == "webhooks" && one.runs("webhooks-in") {
                if merged {
                    receiver = built.service.take_http();
                    None
                } else {
                    let place = &self.settings.webhooks_in;
                    if let Some(limits) = built.service.http_limits() {
                        limits.trusted_hops = place.trusted_hops;
                        limits.connections_per_peer = place.connections_per_peer;
                    }
                    Some(ports.listen(&place.listen).await?)
                }
            } else {
                None
            };
            let run = ServiceRun {
                grpc: listener,
                http,
                roles: if alone || one.roles.is_some() { one.roles.clone() } else { None },
                reflection: self.settings.services.reflection,
                security: built.security,
                readiness: self.readiness.clone(),
                stop: self.stop.clone(),
            };
            let service = built.service;
            running.tasks.spawn(async move {
                let ended = service.run(run).await;
                if let Some(store) = built.store {
                    store.close().await;
                }
                Ok(ended?)
            });
        }
        if wanted.iter().any(|one| one.name == "gateway") {
            let listener = ports.listen(&self.settings.gateway.listen).await?;
            running.gateway = Some(listener.address());
            let serving = self.gateway(listener, receiver)?;
            running.tasks.spawn(serving);
        }
        Ok(running)
    }

    async fn grpc_listener(
        &self,
        wanted: &Wanted,
        ports: &mut Ports,
    ) -> anyhow::Result<Option<Listener>> {
        if !wanted.runs("api") {
            return Ok(None);
        }
        let name: Name = wanted.name.parse()?;
        let place = self.settings.services.of(name);
        Ok(Some(
            ports
                .listen(&place.listen)
                .await
                .with_context(|| format!("services.{}.listen", wanted.name))?,
        ))
    }
}

impl Running {
    /// Runs until a signal or a failure; then everything drains.
    pub(crate) async fn until_end(mut self, signals: &Signals) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        tokio::select! {
            () = signals.stop.cancelled() => {}
            () = self.stop.cancelled() => {}
            Some(ended) = self.tasks.join_next() => {
                outcome = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
            }
        }
        self.readiness.drain();
        self.stop.cancel();
        let rest = async {
            while let Some(ended) = self.tasks.join_next().await {
                let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
                if outcome.is_ok() {
                    outcome = ended;
                }
            }
            outcome
        };
        tokio::select! {
            outcome = rest => outcome,
            () = signals.now.cancelled() => bail!("told twice to stop: left without draining"),
        }
    }
}

async fn embedded_bus(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<Arc<EmbeddedBus>> {
    let path = settings.database.folder.join("bus.sqlite");
    let migrate = store::migrate::MigrateConfig::Sqlite { path: path.clone() };
    store::migrate::run::<migrations::bus::Migrator>(&migrate, "bus")
        .await
        .context("migrating the bus")?;
    let config = StoreConfig { service: "bus", database: store::Database::Sqlite { path } };
    let store =
        Store::open(config, Arc::clone(clock), Arc::clone(ids)).await.context("opening the bus")?;
    Ok(Arc::new(EmbeddedBus::open(store).await?))
}
