//! Identity: people, their places, sessions and keys; who signs, who is dead, who did what.
//!
//! Promises: a password is compared at the same cost for everybody and kept as a peppered hash; a
//! refresh token is used once, and one that comes again ends its session; nobody gives more than they
//! have; whoever is revoked is told of within a second and refused at the latest when their token
//! ends; every act of ours stands in the audit log with its effect.
//!
//! Leaves to others: what a token means (`auth`), who may call which method (`server`), what a tenant
//! is (onboarding, of whose tenants and partners it keeps copies).
//!
//! Dies in the middle: every effect is one transaction. A client whose answer was lost signs in again.

mod api;
mod app;
mod config;
mod domain;
mod error;
mod paging;
mod peppers;
mod rows;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use auth::AssertionKeys;
use bus::{Bus, ConsumerLoop, Relay};
use kernel::clock::WallClock;
use kernel::ids::Ids;
use kernel::page::Cursors;
use proto::identity::v1::admin_service_server::AdminServiceServer;
use proto::identity::v1::api_key_service_server::ApiKeyServiceServer;
use proto::identity::v1::audit_service_server::AuditServiceServer;
use proto::identity::v1::key_service_server::KeyServiceServer;
use proto::identity::v1::people_service_server::PeopleServiceServer;
use proto::identity::v1::revocation_service_server::RevocationServiceServer;
use proto::identity::v1::session_service_server::SessionServiceServer;
use proto::identity::v1::token_service_server::TokenServiceServer;
use seal::{Keks, Sealer};
use server::{Peers, Service, Sources, sized};
use store::job::{Job, Runner};
use store::{HousekeepingJob, PartitionJob, Store};

use app::audit::AuditLog;
use app::hashing::Hasher;
use app::keyring::Keyring;
use app::local::Local;
use app::read_model::ReadModel;
use app::revocations::Hub;
use app::sweep::{Rotate, Sweep};
use app::{App, Inner};
use rows::data_keys::Rows;

pub use app::bootstrap::{CreatedOperator, NewOperator};
pub use config::{Config, Hashing, Throttle};
pub use peppers::{Pepper, Peppers};

/// The role of what the API needs beside it in its process.
const API: &str = "api";
/// The role of everything else.
const WORKERS: &str = "workers";
/// The service's name.
const NAME: &str = "identity";

/// What identity works with.
pub struct Deps {
    /// Its schema.
    pub store: Store,
    /// Where events travel.
    pub bus: Arc<dyn Bus>,
    /// The machine's clock: everything here goes by it.
    pub wall: Arc<dyn WallClock>,
    /// Ids and randomness.
    pub ids: Arc<dyn Ids>,
    /// Cursors of its lists.
    pub cursors: Arc<Cursors>,
    /// Wraps the data keys that signing keys are sealed with.
    pub keks: Keks,
    /// Of passwords and API keys.
    pub peppers: Peppers,
}

/// Why identity cannot be set up, or an operator not made.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SetupError {
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SetupError {
    fn new(
        what: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { what: what.into(), source: Some(Box::new(source)) }
    }
}

/// Identity, before it serves: its own security comes out of it, and calls to others go in.
#[derive(Debug, Clone)]
pub struct Identity {
    app: App,
    bus: Arc<dyn Bus>,
}

impl Identity {
    /// Sets identity up; the database is not asked yet.
    pub fn new(config: Config, deps: Deps) -> Result<Self, SetupError> {
        let mut halves = Vec::new();
        for (service, keys) in &config.service_keys {
            let named = service.parse().map_err(|error| {
                SetupError::new("identity.service_keys names a service that there is not", error)
            })?;
            halves.extend(keys.iter().map(|half| (named, half.as_str())));
        }
        let assertions = AssertionKeys::new(halves).map_err(|error| {
            SetupError::new("identity.service_keys holds what is no public key", error)
        })?;
        let Deps { store, bus, wall, ids, cursors, keks, peppers } = deps;
        let rows = Arc::new(Rows(store.clone()));
        let sealer = Arc::new(Sealer::new(keks, rows, Arc::clone(&wall), Arc::clone(&ids)));
        let peppers = Arc::new(peppers);
        let keyring = Keyring::new(
            store.clone(),
            Arc::clone(&sealer),
            Arc::clone(&wall),
            Arc::clone(&ids),
            Duration::from_secs(config.signing_key_seconds),
            config.token_life(),
        );
        let hasher = Hasher::new(&config.hashing, Arc::clone(&peppers), Arc::clone(&ids));
        let hub = Hub::new(store.clone(), Arc::clone(&wall), config.token_life());
        let app = App::new(Inner {
            config,
            store,
            wall,
            ids,
            cursors,
            sealer,
            peppers,
            hasher,
            keyring,
            hub,
            assertions,
        });
        Ok(Self { app, bus })
    }

    /// Keys, revocations and service tokens of this process's own, for
    /// [`Security::with_sources`](server::Security::with_sources).
    pub fn sources(&self) -> Sources {
        let local = Arc::new(Local(self.app.clone()));
        Sources {
            keys: Arc::clone(&local) as Arc<dyn server::KeySource>,
            revocations: Arc::clone(&local) as Arc<dyn server::RevocationSource>,
            tokens: local,
        }
    }

    /// Makes the first operator, or answers who is there: the same address twice is the same person,
    /// and a password that was set stays. For `admin create-operator` and `dev`.
    pub async fn create_operator(&self, new: &NewOperator) -> Result<CreatedOperator, SetupError> {
        self.app
            .create_operator(new)
            .await
            .map_err(|error| SetupError::new(format!("the operator was not made: {error}"), error))
    }

    /// The service: its methods and its loops.
    pub fn service(&self, peers: Arc<Peers>) -> Service {
        let app = || self.app.clone();
        let store = &self.app.store;
        let relay =
            Relay::new(store.clone(), Arc::clone(&self.bus), NAME, Arc::clone(&self.app.ids));
        let consumer = |consumer: Arc<dyn bus::Consumer>| {
            ConsumerLoop::new(store.clone(), Arc::clone(&self.bus), NAME, consumer)
        };
        let read_model = consumer(Arc::new(ReadModel(app())));
        let audit_log = consumer(Arc::new(AuditLog(app())));
        let jobs: Vec<Arc<dyn Job>> = vec![
            Arc::new(Sweep(app())),
            Arc::new(Rotate(app())),
            Arc::new(HousekeepingJob::new(store.clone())),
            // Entries are kept: whose they are may have to answer for them years later.
            Arc::new(PartitionJob::new(store.clone(), HashMap::new())),
        ];
        let runner = Runner::new(store.clone(), jobs);
        let people = api::people::People { app: app(), peers: Arc::clone(&peers) };
        let (revoker, keeper, filler) = (app(), app(), app());
        let bus = Arc::clone(&self.bus);
        Service::new(NAME)
            .grpc(sized!(TokenServiceServer::new(api::token::Tokens(app()))))
            .grpc(sized!(KeyServiceServer::new(api::token::Tokens(app()))))
            .grpc(sized!(SessionServiceServer::new(api::session::Sessions(app()))))
            .grpc(sized!(RevocationServiceServer::new(api::revocation::Revocations(app()))))
            .grpc(sized!(PeopleServiceServer::new(people)))
            .grpc(sized!(ApiKeyServiceServer::new(api::api_keys::ApiKeys(app()))))
            .grpc(sized!(AuditServiceServer::new(api::audit::Audit(app()))))
            .grpc(sized!(AdminServiceServer::new(api::admin::Admin(app()))))
            .worker("revocations", API, |stop| async move {
                revoker.hub.run(stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("signing keys", API, |stop| async move {
                workers::keep_keys(keeper, stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("relay", WORKERS, |stop| async move {
                relay.run(stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("copies", WORKERS, |stop| async move {
                read_model.run(stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("audit log", WORKERS, |stop| async move {
                audit_log.run(stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("first copies", WORKERS, |stop| async move {
                workers::fill(filler, bus, peers, stop).await;
                Ok::<_, Infallible>(())
            })
            .worker("jobs", WORKERS, |stop| runner.run(stop))
    }
}
