//! A migrated database of a test's own, on either backend; it goes when this is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::clock::Clock;
use kernel::ids::{Ids, SystemIds};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaDatabase, Statement, TransactionTrait,
};
use store::migrate::MigrateConfig;
use store::schema::Roles;
use store::{Backend, Database, Pools, Store, StoreConfig};
use tempfile::TempDir;
use uuid::Uuid;

const SERVICE: &str = "analytics";

pub(crate) struct TestDatabase {
    pub(crate) migrate: MigrateConfig,
    pub(crate) config: StoreConfig,
    server: Option<Server>,
    _folder: TempDir,
}

struct Server {
    base: String,
    database: String,
}

impl Server {
    fn url(&self, user: Option<&str>, database: &str) -> String {
        let (scheme, rest) = self.base.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap_or(("postgres", rest));
        let host = place.split('/').next().unwrap();
        let login = user.map_or(login.to_owned(), |user| format!("{user}:sbt"));
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
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.run("postgres", &sql));
            });
        });
    }
}

fn random() -> String {
    let mut bytes = [0_u8; 16];
    SystemIds::new().fill(&mut bytes);
    Uuid::from_u128(u128::from_le_bytes(bytes)).simple().to_string()
}

impl TestDatabase {
    pub(crate) async fn fresh(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (migrate, database, server) = match backend {
            Backend::Sqlite => {
                let path = folder.path().join("service.sqlite");
                (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None)
            }
            Backend::Postgres => {
                let base = std::env::var_os("DATABASE_URL")
                    .and_then(|url| url.into_string().ok())
                    .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
                let server = Server { base, database: format!("sbt_{SERVICE}_{}", random()) };
                server.run("postgres", &format!("CREATE DATABASE {}", server.database)).await;
                let names = ["", "_sys", "_desk"].map(|role| format!("sbt_{SERVICE}{role}"));
                let passwords: BTreeMap<_, _> =
                    names.iter().map(|name| (name.clone(), "sbt".into())).collect();
                let roles = Roles { prefix: "sbt".to_owned(), passwords, ..Roles::default() };
                let url = server.url(None, &server.database).into();
                let of = |role: &String| server.url(Some(role), &server.database).into();
                let database = Database::Postgres {
                    scoped_url: of(&names[0]),
                    system_url: of(&names[1]),
                    desk_url: of(&names[2]),
                    pools: Pools { system: 6, ..Pools::default() },
                };
                (MigrateConfig::Postgres { url, roles }, database, Some(server))
            }
        };
        store::migrate::run::<migrations::analytics::Migrator>(&migrate, SERVICE).await.unwrap();
        let config = StoreConfig { service: SERVICE, database };
        Self { migrate, config, server, _folder: folder }
    }

    pub(crate) async fn open(&self, clock: Arc<dyn Clock>) -> Store {
        Store::open(self.config.clone(), clock, Arc::new(SystemIds::new())).await.unwrap()
    }

    /// One connection past all walls, with the schema in reach.
    pub(crate) async fn connect(&self) -> impl ConnectionTrait + TransactionTrait + use<> {
        let url = match (&self.server, &self.migrate) {
            (Some(server), _) => server.url(None, &server.database),
            (None, MigrateConfig::Sqlite { path }) => format!("sqlite://{}", path.display()),
            (None, MigrateConfig::Postgres { .. }) => panic!("no server"),
        };
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        if self.server.is_some() {
            options.set_schema_search_path(SERVICE);
        }
        SeaDatabase::connect(options).await.unwrap()
    }

    /// One number, read past all walls.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let db = self.connect().await;
        let backend = db.get_database_backend();
        let sql = format!("SELECT CAST(({sql}) AS BIGINT) AS n");
        let row = db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }
}
