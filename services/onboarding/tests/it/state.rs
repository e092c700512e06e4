//! A migrated database of a test's own, on either server, and a way past all walls.

use sea_orm::{ConnectionTrait as _, Database as SeaDatabase, DbBackend, Statement};
use store::{Backend, Database};
use testkit::TestDatabase;

/// A database; it goes when this is dropped.
pub(crate) struct State {
    pub(crate) database: TestDatabase,
}

impl State {
    pub(crate) async fn on(backend: Backend) -> Self {
        Self { database: TestDatabase::of("onboarding", backend).await }
    }

    fn url(&self) -> (String, DbBackend) {
        let backend = match &self.database.config.database {
            Database::Postgres { .. } => DbBackend::Postgres,
            Database::Sqlite { .. } => DbBackend::Sqlite,
        };
        (self.database.url(), backend)
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
