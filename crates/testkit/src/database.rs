//! A migrated database of a test's own, on either backend.
//!
//! On PostgreSQL a database on the server that `DATABASE_URL` names, else on this machine; it is dropped with the value.
//! On SQLite a file in a folder that goes likewise. A test process that is killed leaves its database behind.

use std::{path::Path, sync::Arc};

use kernel::{clock::Clock, ids::SystemIds};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaDatabase, Statement, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use store::{
    Backend, Database, Pools, Store, StoreConfig,
    migrate::{self, MigrateConfig},
    schema::Roles,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::fresh::word;

/// Prefix of the roles that tests share, and their password.
const PREFIX: &str = "sbt";

/// A database; it goes when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// How it was migrated.
    pub migrate: MigrateConfig,
    /// How a service opens it.
    pub config: StoreConfig,
    server: Option<Server>,
    folder: TempDir,
}

#[derive(Debug)]
struct Server {
    base: String,
    database: String,
}

impl Server {
    fn url(&self, user: Option<&str>, database: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap_or(("postgres", rest));
        let host = place.split('/').next().unwrap();
        let login = user.map_or(login.to_owned(), |user| format!("{user}:{PREFIX}"));
        format!("{scheme}://{login}@{host}/{database}")
    }

    async fn run(&self, database: &str, sql: &str) {
        let db = SeaDatabase::connect(self.url(None, database)).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close_by_ref().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        // The runtime of the test may be busy ending, so this one has a thread of its own.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.run("postgres", &sql));
            });
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "where the server is is the test run's to say")]
fn server_url() -> String {
    let usual = "postgres://postgres@127.0.0.1:5432/postgres";
    std::env::var("DATABASE_URL").unwrap_or_else(|_| usual.to_owned())
}

impl TestDatabase {
    /// A service's own schema as it ships.
    pub async fn of(service: &'static str, backend: Backend) -> Self {
        match service {
            "analytics" => Self::with::<migrations::analytics::Migrator>(service, backend).await,
            "assets" => Self::with::<migrations::assets::Migrator>(service, backend).await,
            "identity" => Self::with::<migrations::identity::Migrator>(service, backend).await,
            "messaging" => Self::with::<migrations::messaging::Migrator>(service, backend).await,
            "onboarding" => Self::with::<migrations::onboarding::Migrator>(service, backend).await,
            "webhooks" => Self::with::<migrations::webhooks::Migrator>(service, backend).await,
            other => panic!("{other} has no schema"),
        }
    }

    /// Any schema.
    pub async fn with<M: MigratorTrait>(service: &'static str, backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (migrate, database, server) = match backend {
            Backend::Sqlite => {
                let path = folder.path().join(format!("{service}.sqlite"));
                (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None)
            }
            Backend::Postgres => {
                let database = format!("{PREFIX}_{service}_{}", word());
                let server = Server { base: server_url(), database };
                server.run("postgres", &format!("CREATE DATABASE {}", server.database)).await;
                let names = ["", "_sys", "_desk"].map(|role| format!("{PREFIX}_{service}{role}"));
                let [scoped, system, desk] = names.clone();
                let passwords = names.into_iter().map(|name| (name, PREFIX.into())).collect();
                let roles = Roles { prefix: PREFIX.to_owned(), passwords, ..Roles::default() };
                let of = |role: &str| server.url(Some(role), &server.database).into();
                let database = Database::Postgres {
                    scoped_url: of(&scoped),
                    system_url: of(&system),
                    desk_url: of(&desk),
                    pools: Pools { system: 6, ..Pools::default() },
                };
                let url = server.url(None, &server.database).into();
                (MigrateConfig::Postgres { url, roles }, database, Some(server))
            }
        };
        migrate::run::<M>(&migrate, service).await.unwrap();
        Self { migrate, config: StoreConfig { service, database }, server, folder }
    }

    /// A process's store over it.
    pub async fn open(&self, clock: Arc<dyn Clock>) -> Store {
        Store::open(self.config.clone(), clock, Arc::new(SystemIds::new())).await.unwrap()
    }

    /// A folder that lives as long.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a connection past all walls leads.
    pub fn url(&self) -> String {
        match (&self.server, &self.migrate) {
            (Some(server), _) => server.url(None, &server.database),
            (None, MigrateConfig::Sqlite { path }) => format!("sqlite://{}", path.display()),
            (None, MigrateConfig::Postgres { .. }) => panic!("no server"),
        }
    }

    /// One connection past all walls, with the schema in reach.
    pub async fn connect(&self) -> impl ConnectionTrait + TransactionTrait + use<> {
        let mut options = ConnectOptions::new(self.url());
        options.max_connections(1).sqlx_logging(false);
        if self.server.is_some() {
            options.set_schema_search_path(self.config.service);
        }
        SeaDatabase::connect(options).await.unwrap()
    }

    /// One number, read past all walls; tables are named with or without their schema.
    pub async fn count(&self, sql: &str) -> i64 {
        let db = self.connect().await;
        let backend = db.get_database_backend();
        let sql = format!("SELECT CAST(({}) AS BIGINT) AS n", self.spelt(sql));
        let row = db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// Changes rows past all walls; tables are named with or without their schema.
    pub async fn change(&self, sql: &str) {
        self.connect().await.execute_unprepared(&self.spelt(sql)).await.unwrap();
    }

    /// An id as this backend's SQL writes it.
    pub fn literal(&self, id: Uuid) -> String {
        if self.server.is_some() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
    }

    /// SQLite has a file a service in place of a schema.
    fn spelt(&self, sql: &str) -> String {
        if self.server.is_some() {
            return sql.to_owned();
        }
        sql.replace(&format!(" {}.", self.config.service), " ")
    }
}
