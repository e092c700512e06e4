//! A second implementation of Meta's side of the WhatsApp Business Platform, for development, tests
//! and tenants who try before they go live.
//!
//! It promises what Meta promises and no more: the same checks in the same order, the same error
//! envelope, signed and retried webhooks, a clock of its own that can be moved, and a ledger of
//! sends that is on disk before each answer. It shares no vocabulary of Meta's with the rest of the
//! product, so that one misreading cannot stand on both sides; and it neither reads nor emits trace
//! headers, as Meta does not.
//!
//! If the process dies at any moment: what was answered is on disk, undelivered webhooks are
//! delivered after the next start, and steps that were due are taken then.

mod clock;
mod config;
mod control;
mod deliver;
mod disk;
mod error;
mod events;
mod faults;
mod graph;
mod hub;
mod ids;
mod limits;
mod model;
mod phone;
mod server;
mod settings;
mod steps;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use error::Error;

use clock::Clock;
use disk::read::{self, Page};
use hub::Core;
use world::World;

/// A sandbox that is open: its state is read, its listener bound.
pub struct Sandbox {
    core: Arc<Core>,
    listener: TcpListener,
    address: SocketAddr,
    writer: JoinSet<Result<(), Error>>,
    stop_writer: CancellationToken,
    lock: std::fs::File,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens the state in `config.data` and binds the listener. Requests are served by `run`.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let unusable = |source| Error::Data { path: config.data.clone(), source };
        tokio::fs::create_dir_all(config.data.join("media")).await.map_err(unusable)?;
        let lock = disk::lock(&config.data)?;
        let (writer, readers) = disk::open(&config.data).await?;
        let (mut world, anchor) = World::load(read::objects(&readers).await?)?;
        let (ledger, message, inbound, webhook) = read::sequences(&readers).await?;
        world.sequences = world::Sequences { ledger, message, inbound, webhook };
        let clock = Clock::start(anchor, hub::wall_us());
        world.pending.put_clock(&clock.anchor());
        let undone = steps::undone(&world, read::pending_messages(&readers).await?);
        let mut undelivered = Vec::new();
        let mut page = Page { limit: 5_000, state: Some("pending".to_owned()), ..Page::default() };
        loop {
            let rows = read::webhooks(&readers, &page).await?;
            let Some(last) = rows.last() else { break };
            page.after_seq = last.row.seq;
            undelivered.extend(rows.into_iter().map(|stored| stored.row));
        }
        let address = config.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address, source })?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(64)
            .tcp_nodelay(true)
            .build()
            .map_err(Error::Client)?;
        let base_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let core = Arc::new(Core::new(config, clock, readers, http, base_url, world));
        core.steps.put(undone);
        core.deliveries.put(undelivered);
        let stop_writer = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (own, stop) = (Arc::clone(&core), stop_writer.clone());
        tasks.spawn(async move { own.write(writer, stop).await });
        Ok(Self { core, listener, address, writer: tasks, stop_writer, lock })
    }

    /// The bound address.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it is reached: `http://127.0.0.1:8090`.
    pub fn base_url(&self) -> String {
        self.core.base_url.clone()
    }

    /// All routes: the control API, and Meta's.
    pub fn router(&self) -> Router {
        routes(&self.core)
    }

    /// Serves, delivers webhooks and takes due steps, until `stop`.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let Self { core, listener, address, mut writer, stop_writer, lock: _held } = self;
        let drain = Duration::from_millis(core.config.drain_ms);
        let stop_workers = CancellationToken::new();
        let mut workers = JoinSet::new();
        workers.spawn(deliver::run(Arc::clone(&core), stop_workers.clone()));
        workers.spawn(steps::run(Arc::clone(&core), stop_workers.clone()));
        tracing::info!(port = address.port(), "the sandbox is ready");
        let served = {
            let serving = server::serve(listener, routes(&core), core.closing.clone(), drain);
            tokio::pin!(serving);
            let outcome = tokio::select! {
                () = stop.cancelled() => Ok(()),
                () = &mut serving => Ok(()),
                ended = workers.join_next() => flatten(ended),
                ended = writer.join_next() => flatten(ended),
            };
            core.closing.cancel();
            if outcome.is_ok() {
                serving.await;
            }
            outcome
        };
        stop_workers.cancel();
        let mut outcome = served;
        while let Some(ended) = workers.join_next().await {
            outcome = outcome.and(flatten(Some(ended)));
        }
        stop_writer.cancel();
        while let Some(ended) = writer.join_next().await {
            outcome = outcome.and(flatten(Some(ended)));
        }
        core.readers.close().await;
        outcome
    }
}

fn flatten(ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>) -> Result<(), Error> {
    ended.map_or(Ok(()), |ended| ended.map_err(Error::Worker).and_then(|result| result))
}

fn routes(core: &Arc<Core>) -> Router {
    Router::new()
        .nest("/_sandbox/v1", control::routes())
        .fallback(graph::handle)
        .with_state(Arc::clone(core))
}
