//! A migrated database of a test's own, on either server, and a way past all walls.

use std::collections::BTreeMap;

use kernel::ids::{Ids as _, SystemIds};
use kernel::secret::SecretString;
use migrations::onboarding::Migrator;
use sea_orm::{ConnectionTrait as _, Database as SeaDatabase, DbBackend, Statement};
use store::migrate::MigrateConfig;
use store::schema::Roles;
use store::{Backend, Database, Pools, StoreConfig};
use tempfile::TempDir;

/// A database; it goes when this is dropped.
pub(crate) struct State {
    pub(crate) config: StoreConfig,
    pub(crate) migrate: MigrateConfig,
    pub(crate) folder: TempDir,
    server: Option<Server>,
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

fn roles() -> Roles {
    let passwords: BTreeMap<String, SecretString> =
        ["sbt_onboarding", "sbt_onboarding_sys", "sbt_onboarding_desk"]
            .iter()
            .map(|role| ((*role).to_owned(), "sbt".into()))
            .collect();
    Roles { prefix: "sbt".to_owned(), passwords, ..Roles::default() }
}

impl State {
    pub(crate) async fn on(backend: Backend) -> Self {
        let folder = TempDir::new().unwrap();
        let (migrate, database, server) = match backend {
            Backend::Sqlite => {
                let path = folder.path().join("onboarding.sqlite");
                (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None)
            }
            Backend::Postgres => {
                let base = std::env::var_os("DATABASE_URL")
                    .and_then(|url| url.into_string().ok())
                    .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
                let mut random = [0_u8; 8];
                SystemIds::default().fill(&mut random);
                let database = format!("sbt_onboarding_{:016x}", u64::from_le_bytes(random));
                let server = Server { base, database };
                server.run("postgres", &format!("CREATE DATABASE {}", server.database)).await;
                let of = |role: &str| server.url(Some(role), &server.database).into();
                let database = Database::Postgres {
                    scoped_url: of("sbt_onboarding"),
                    system_url: of("sbt_onboarding_sys"),
                    desk_url: of("sbt_onboarding_desk"),
                    pools: Pools::default(),
                };
                let url = server.url(None, &server.database).into();
                (MigrateConfig::Postgres { url, roles: roles() }, database, Some(server))
            }
        };
        store::migrate::run::<Migrator>(&migrate, "onboarding").await.unwrap();
        let config = StoreConfig { service: "onboarding", database };
        Self { config, migrate, folder, server }
    }

    fn url(&self) -> (String, DbBackend) {
        match (&self.server, &self.migrate) {
            (Some(server), _) => (server.url(None, &server.database), DbBackend::Postgres),
            (None, MigrateConfig::Sqlite { path }) => {
                (format!("sqlite://{}?mode=rwc", path.display()), DbBackend::Sqlite)
            }
            (None, MigrateConfig::Postgres { .. }) => panic!("no server"),
        }
    }

    /// Changes rows past all walls; tables are named with their schema.
    pub(crate) async fn change(&self, sql: &str) {
        let (url, backend) = self.url();
        let db = SeaDatabase::connect(url).await.unwrap();
        let sql = if backend == DbBackend::Postgres {
            sql.to_owned()
        } else {
            sql.replace("onboarding.", "")
        };
        db.execute_unprepared(&sql).await.unwrap();
        db.close_by_ref().await.unwrap();
    }

    /// One number, read past all walls.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let (url, backend) = self.url();
        let db = SeaDatabase::connect(url).await.unwrap();
        let sql = if backend == DbBackend::Postgres {
            format!("SELECT ({sql})::bigint AS n")
        } else {
            format!("SELECT ({}) AS n", sql.replace("onboarding.", ""))
        };
        let row = db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        db.close_by_ref().await.unwrap();
        row.try_get("", "n").unwrap()
    }

    /// From now on no step of this name can be written down in this state; the rest of its transaction goes with it.
    pub(crate) async fn refuse(&self, step: &str, state: &str) {
        let when = format!("NEW.step = '{step}' AND NEW.state = '{state}'");
        let sql = match self.url().1 {
            DbBackend::Postgres => format!(
                "CREATE FUNCTION onboarding.refuse() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
                 CREATE TRIGGER refuse BEFORE UPDATE ON onboarding.onboarding_step \
                 FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION onboarding.refuse()"
            ),
            _ => format!(
                "CREATE TRIGGER refuse BEFORE UPDATE ON onboarding_step WHEN {when} \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
        };
        self.change(&sql).await;
    }

    /// Ends that.
    pub(crate) async fn accept(&self) {
        let sql = match self.url().1 {
            DbBackend::Postgres => "DROP FUNCTION onboarding.refuse CASCADE",
            _ => "DROP TRIGGER refuse",
        };
        self.change(sql).await;
    }
}
