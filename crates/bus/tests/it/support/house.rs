//! A service of a test's own: its store on either database, its bus, its consumers, and their end.

use std::process::Command;
use std::sync::{Arc, Mutex};

use bus::{Consumer, ConsumerLoop};
use kernel::clock::SystemClock;
use sea_orm_migration::prelude::*;
use store::deadletter::{DeadLetter, Filter, list};
use store::migrate::{self, MigrateConfig};
use store::schema::{Names, Roles, RolesMode};
use store::{Database, Pools, Store, StoreConfig};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{BusKind, Wiring, World, given, ids, soon};

struct SampleMigrator;

impl MigratorTrait for SampleMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Sample)]
    }
}

struct Sample;

impl MigrationName for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sample {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        store::schema::common_tables(manager, "sample").await
    }
}

/// A service: its store, its bus, its consumers.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) store: Store,
    tasks: Mutex<JoinSet<()>>,
    stop: CancellationToken,
    database: Option<PgDatabase>,
}

impl House {
    pub(crate) async fn start(wiring: Wiring) -> Self {
        let kind = match wiring {
            Wiring::Embedded => BusKind::Embedded,
            Wiring::Production => BusKind::Rabbit,
        };
        Self::over(World::start(kind).await, wiring).await
    }

    /// The same over a bus of another kind.
    pub(crate) async fn over(world: World, wiring: Wiring) -> Self {
        let (database, url) = match wiring {
            Wiring::Embedded => {
                let path = world.folder.path().join("sample.sqlite");
                let config = MigrateConfig::Sqlite { path: path.clone() };
                migrate::run::<SampleMigrator>(&config, "sample").await.unwrap();
                (None, Database::Sqlite { path })
            }
            Wiring::Production => {
                let database = PgDatabase::make(&world.namespace).await;
                let url = database.open();
                (Some(database), url)
            }
        };
        let config = StoreConfig { service: "sample", database: url };
        let store = Store::open(config, Arc::new(SystemClock), ids()).await.unwrap();
        let (tasks, stop) = (Mutex::default(), CancellationToken::new());
        Self { world, store, tasks, stop, database }
    }

    /// Starts a member of the consumer's group; the handle kills it.
    pub(crate) async fn consume(&self, consumer: Arc<dyn Consumer>) -> AbortHandle {
        self.world.declare("sample", &*consumer).await;
        let bus = Arc::clone(&self.world.bus);
        let work = ConsumerLoop::new(self.store.clone(), bus, "sample", consumer);
        self.tasks.lock().unwrap().spawn(work.run(self.stop.clone()))
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        list(&self.store, &Filter { limit: 100, ..Filter::default() }).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        let done = async { while tasks.join_next().await.is_some() {} };
        soon("the consumers' end", done).await;
        self.store.close().await;
        self.world.end().await;
        drop(self.database);
    }
}

/// A database and roles of a test's own on the PostgreSQL that is there.
struct PgDatabase {
    server: String,
    name: String,
    names: Names,
}

impl PgDatabase {
    async fn make(word: &str) -> Self {
        let server = given("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres");
        let server = server.rsplit_once('/').unwrap().0.to_owned();
        let (name, prefix) = (format!("bus_{word}"), word.to_owned());
        let names = Names::new(&prefix, "sample").unwrap();
        let made = Self { server, name, names };
        made.psql("postgres", &format!("CREATE DATABASE {}", made.name));
        let url = format!("{}/{}", made.server, made.name).into();
        let roles = Roles { prefix, mode: RolesMode::Create, ..Roles::default() };
        let config = MigrateConfig::Postgres { url, roles };
        migrate::run::<SampleMigrator>(&config, "sample").await.unwrap();
        made
    }

    fn open(&self) -> Database {
        let (_, host) = self.server.split_once('@').unwrap();
        let url = |role: &str| format!("postgres://{role}@{host}/{}", self.name).into();
        Database::Postgres {
            scoped_url: url(&self.names.scoped()),
            system_url: url(&self.names.system()),
            desk_url: url(&self.names.desk()),
            pools: Pools { scoped: 1, system: 4, desk: 1, ..Pools::default() },
        }
    }

    fn psql(&self, database: &str, text: &str) {
        let url = format!("{}/{database}", self.server);
        let done = Command::new("psql").args(["-q", &url, "-c", text]).output().unwrap();
        assert!(done.status.success(), "{text}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        self.psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        for role in self.names.logins().into_iter().chain([self.names.owner()]) {
            self.psql("postgres", &format!("DROP ROLE IF EXISTS {role}"));
        }
    }
}
