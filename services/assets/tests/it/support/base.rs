//! Databases and a bus of a test's own.

use std::sync::Arc;

use async_trait::async_trait;
use bus::EmbeddedBus;
use kernel::clock::SystemClock;
use sea_orm::{ConnectionTrait, Database as SeaDatabase};
use sea_orm_migration::prelude::*;
use store::{
    Backend, Database, Pools, Store, StoreConfig,
    migrate::{self, MigrateConfig},
    schema::Roles,
};
use tempfile::TempDir;

use super::{fresh, ids};

/// A database of the test's own on the server.
pub(crate) struct Server {
    base: String,
    pub(crate) database: String,
}

impl Server {
    pub(crate) fn url(&self, user: Option<&str>, database: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap_or(("postgres", rest));
        let host = place.split('/').next().unwrap();
        let login = user.map_or(login.to_owned(), |user| format!("{user}:sbt"));
        format!("{scheme}://{login}@{host}/{database}")
    }

    pub(crate) async fn run(&self, database: &str, sql: &str) {
        let db = SeaDatabase::connect(self.url(None, database)).await.unwrap();
        db.execute_unprepared(sql).await.unwrap();
        db.close_by_ref().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.run("postgres", &sql));
            });
        });
    }
}

pub(crate) struct BusMigrator;

impl MigratorTrait for BusMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(BusLog)]
    }
}

pub(crate) struct BusLog;

impl MigrationName for BusLog {
    fn name(&self) -> &'static str {
        "bus_log"
    }
}

#[async_trait]
impl MigrationTrait for BusLog {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        store::schema::bus_log(manager).await
    }
}

pub(crate) async fn embedded(folder: &TempDir) -> EmbeddedBus {
    let path = folder.path().join("bus.sqlite");
    let config = MigrateConfig::Sqlite { path: path.clone() };
    migrate::run::<BusMigrator>(&config, "bus").await.unwrap();
    let config = StoreConfig { service: "bus", database: Database::Sqlite { path } };
    let store = Store::open(config, Arc::new(SystemClock), ids()).await.unwrap();
    EmbeddedBus::open(store).await.unwrap()
}

pub(crate) async fn database(
    backend: Backend,
    folder: &TempDir,
) -> (MigrateConfig, Database, Option<Server>) {
    if backend == Backend::Sqlite {
        let path = folder.path().join("assets.sqlite");
        return (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None);
    }
    let base = std::env::var_os("DATABASE_URL")
        .and_then(|url| url.into_string().ok())
        .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let server = Server { base, database: format!("sbt_assets_{}", fresh().simple()) };
    server.run("postgres", &format!("CREATE DATABASE {}", server.database)).await;
    let names = ["sbt_assets", "sbt_assets_sys", "sbt_assets_desk"];
    let passwords = names.iter().map(|role| ((*role).to_owned(), "sbt".into())).collect();
    let roles = Roles { prefix: "sbt".to_owned(), passwords, ..Roles::default() };
    let url = server.url(None, &server.database).into();
    let of = |role: &str| server.url(Some(role), &server.database).into();
    let database = Database::Postgres {
        scoped_url: of("sbt_assets"),
        system_url: of("sbt_assets_sys"),
        desk_url: of("sbt_assets_desk"),
        pools: Pools { system: 6, ..Pools::default() },
    };
    (MigrateConfig::Postgres { url, roles }, database, Some(server))
}
