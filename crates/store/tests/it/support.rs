//! A migrated store of a sample service on either database, and scopes minted with a test key.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Dead, Keys, Reach, Scope, Signer, Verifier, Wabas};
use kernel::clock::{ManualClock, SystemClock};
use kernel::id::{OperatorId, PartnerId, SessionId, TenantId, UserId, WabaId};
use kernel::ids::{Ids, SystemIds, random_token};
use kernel::time::Timestamp;
use sea_orm::{ConnectionTrait, Database as SeaDatabase, DbBackend, Statement};
use sea_orm_migration::prelude::*;
use store::migrate::MigrateConfig;
use store::schema::{Kind, Period, Roles, TenantTable, Waba};
use store::{Backend, Database, Pools, Store, StoreConfig, Uuid};

#[expect(unreachable_pub, reason = "as the derive writes it")]
pub(crate) mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub waba_id: Uuid,
        pub slug: String,
        pub n: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
    store::tenanted!(Entity, waba);
}

#[expect(unreachable_pub, reason = "as the derive writes it")]
pub(crate) mod entry {
    use sea_orm::entity::prelude::*;
    use store::Db;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "entry")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Db<kernel::id::TenantId>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub waba_id: Option<Uuid>,
        pub n: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
    store::tenanted!(Entity, waba);
}

#[expect(unreachable_pub, reason = "as the derive writes it")]
pub(crate) mod state {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "state")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub partner_id: Option<Uuid>,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
    store::tenanted!(Entity);
    impl store::DeskTable for Entity {
        const PARTNER: Column = Column::PartnerId;
    }
}

#[expect(unreachable_pub, reason = "as the derive writes it")]
pub(crate) mod fact {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "fact")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub n: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
    store::tenanted!(Entity);
}

#[expect(unreachable_pub, reason = "as the derive writes it")]
pub(crate) mod raw {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inbound_raw")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Sample)]
    }
}

struct Sample;

impl MigrationName for Sample {
    fn name(&self) -> &'static str {
        "m20260101_000001_sample"
    }
}

fn table(name: &str) -> TableCreateStatement {
    Table::create().table(Alias::new(name)).take()
}

fn uuid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().not_null().take()
}

fn tenant_key() -> IndexCreateStatement {
    Index::create().col(Alias::new("tenant_id")).col(Alias::new("id")).take()
}

fn number() -> ColumnDef {
    ColumnDef::new(Alias::new("n")).big_integer().not_null().take()
}

#[async_trait]
impl MigrationTrait for Sample {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let service = "sample";
        store::schema::common_tables(m, service).await?;
        store::schema::blob_tables(m, service).await?;
        let of_waba = TenantTable { waba: Waba::Column, desk: false };
        let note = table("note")
            .col(uuid("tenant_id"))
            .col(uuid("id"))
            .col(uuid("waba_id"))
            .col(ColumnDef::new(Alias::new("slug")).text().not_null())
            .col(number())
            .primary_key(&mut tenant_key())
            .take();
        store::schema::tenant_table(m, service, note, of_waba).await?;
        let columns = ["tenant_id", "slug"];
        store::schema::unique_index(m, "ux_note_slug", "note", &columns).await?;
        let entry = table("entry")
            .col(uuid("tenant_id"))
            .col(uuid("id"))
            .col(ColumnDef::new(Alias::new("waba_id")).uuid().null())
            .col(number())
            .primary_key(&mut tenant_key())
            .take();
        store::schema::tenant_table(m, service, entry, of_waba).await?;
        let state = table("state")
            .col(uuid("tenant_id"))
            .col(uuid("id"))
            .col(ColumnDef::new(Alias::new("partner_id")).uuid().null())
            .col(ColumnDef::new(Alias::new("name")).text().not_null())
            .primary_key(&mut tenant_key())
            .take();
        let desk = TenantTable { waba: Waba::None, desk: true };
        store::schema::tenant_table(m, service, state, desk).await?;
        let fact = table("fact")
            .col(uuid("tenant_id"))
            .col(uuid("id"))
            .col(number())
            .primary_key(&mut tenant_key())
            .take();
        let plain = TenantTable { waba: Waba::None, desk: false };
        let (kind, by) = (Kind::Tenant(plain), Period::Month);
        store::schema::partitioned_table(m, service, fact, kind, by, 30).await?;
        let raw = table("inbound_raw")
            .col(uuid("id"))
            .col(ColumnDef::new(Alias::new("body")).text().not_null())
            .primary_key(&mut Index::create().col(Alias::new("id")).take())
            .take();
        let (kind, by) = (Kind::System, Period::Day);
        store::schema::partitioned_table(m, service, raw, kind, by, 14).await
    }
}

/// 2026-03-15 12:00 UTC.
pub(crate) const NOW_S: i64 = 1_773_576_000;

/// A migrated store of its own; its database goes when this is dropped.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) migrate: MigrateConfig,
    config: StoreConfig,
    signer: Signer,
    verifier: Verifier,
    server: Option<Server>,
    _folder: tempfile::TempDir,
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
    let mut bytes = [0_u8; 8];
    SystemIds::default().fill(&mut bytes);
    format!("{:016x}", u64::from_le_bytes(bytes))
}

fn passwords() -> std::collections::BTreeMap<String, kernel::secret::SecretString> {
    let roles = ["sbt_sample", "sbt_sample_sys", "sbt_sample_desk"];
    roles.iter().map(|role| ((*role).to_owned(), "sbt".into())).collect()
}

impl World {
    pub(crate) async fn on(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (migrate, database, server) = match backend {
            Backend::Sqlite => {
                let path = folder.path().join("sample.sqlite");
                (MigrateConfig::Sqlite { path: path.clone() }, Database::Sqlite { path }, None)
            }
            Backend::Postgres => {
                let base = std::env::var_os("DATABASE_URL")
                    .and_then(|url| url.into_string().ok())
                    .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
                let server = Server { base, database: format!("sbt_store_{}", random()) };
                server.run("postgres", &format!("CREATE DATABASE {}", server.database)).await;
                let roles =
                    Roles { prefix: "sbt".to_owned(), passwords: passwords(), ..Roles::default() };
                let url = server.url(None, &server.database).into();
                let of = |role: &str| server.url(Some(role), &server.database).into();
                let database = Database::Postgres {
                    scoped_url: of("sbt_sample"),
                    system_url: of("sbt_sample_sys"),
                    desk_url: of("sbt_sample_desk"),
                    pools: Pools { system: 4, ..Pools::default() },
                };
                (MigrateConfig::Postgres { url, roles }, database, Some(server))
            }
        };
        store::migrate::run::<Migrator>(&migrate, "sample").await.unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW_S)));
        let config = StoreConfig { service: "sample", database };
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let keys = Arc::new(Keys::empty());
        keys.replace(&serde_json::json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
        let dead = Arc::new(Dead::new(Arc::new(SystemClock)));
        let verifier = Verifier::new("test", "test", keys, dead, Arc::new(SystemClock));
        let store = open(&config, &clock).await;
        Self { store, clock, migrate, config, signer, verifier, server, _folder: folder }
    }

    /// Another process's store over the same database.
    pub(crate) async fn another(&self) -> Store {
        open(&self.config, &self.clock).await
    }

    pub(crate) fn scope(&self, reach: &Reach) -> Scope {
        let ids = SystemIds::default();
        let now = kernel::clock::Clock::now(&SystemClock);
        let (user, session) = (UserId::mint(&ids, now), SessionId::mint(&ids, now));
        let jti = random_token(&ids, 16);
        let life = Duration::from_mins(10);
        let claims = Claims::for_person("test", "test", user, session, reach, [], now, life, jti);
        let token = self.signer.sign(&claims).unwrap();
        self.verifier.user(kernel::secret::ExposeSecret::expose_secret(&token)).unwrap()
    }

    /// All of a tenant.
    pub(crate) fn whole(&self, tenant: TenantId) -> Scope {
        self.scope(&Reach::Tenant { tenant, wabas: Wabas::All })
    }

    /// Some WABAs of a tenant.
    pub(crate) fn part(&self, tenant: TenantId, wabas: &[WabaId]) -> Scope {
        let wabas = Wabas::Only(wabas.iter().copied().collect());
        self.scope(&Reach::Tenant { tenant, wabas })
    }

    pub(crate) fn operator(&self) -> Scope {
        self.scope(&Reach::Operator { operator: OperatorId::from_uuid(fresh()) })
    }

    pub(crate) fn partner(&self, partner: PartnerId) -> Scope {
        self.scope(&Reach::Partner { partner })
    }

    /// One number, read past all walls.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let (url, backend) = match (&self.server, &self.migrate) {
            (Some(server), _) => (server.url(None, &server.database), DbBackend::Postgres),
            (None, MigrateConfig::Sqlite { path }) => (sqlite_url(path), DbBackend::Sqlite),
            (None, MigrateConfig::Postgres { .. }) => panic!("no server"),
        };
        let db = SeaDatabase::connect(url).await.unwrap();
        let sql = if backend == DbBackend::Postgres {
            format!("SELECT ({sql})::bigint AS n")
        } else {
            format!("SELECT ({}) AS n", sql.replace("sample.", ""))
        };
        let row = db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        db.close_by_ref().await.unwrap();
        row.try_get("", "n").unwrap()
    }

    /// Changes the database past all walls (PostgreSQL); `{database}` is its name.
    pub(crate) async fn tamper(&self, sql: &str) {
        let server = self.server.as_ref().unwrap();
        server.run(&server.database, &sql.replace("{database}", &server.database)).await;
    }

    /// Changes rows past all walls, on either database.
    pub(crate) async fn change(&self, sql: &str) {
        if let MigrateConfig::Sqlite { path } = &self.migrate {
            let db = SeaDatabase::connect(sqlite_url(path)).await.unwrap();
            db.execute_unprepared(&sql.replace("sample.", "")).await.unwrap();
            db.close_by_ref().await.unwrap();
        } else {
            self.tamper(sql).await;
        }
    }

    /// Host and port of the database server.
    pub(crate) fn address(&self) -> String {
        let url = self.server.as_ref().unwrap().url(None, "x");
        let place = url.rsplit_once('@').unwrap().1;
        place.split('/').next().unwrap().to_owned()
    }

    /// A store that reaches the server by another port of this machine.
    pub(crate) async fn through(&self, port: u16) -> Store {
        let mut config = self.config.clone();
        if let Database::Postgres { scoped_url, system_url, desk_url, .. } = &mut config.database {
            for url in [scoped_url, system_url, desk_url] {
                let text = kernel::secret::ExposeSecret::expose_secret(url);
                *url = text.replace(&self.address(), &format!("127.0.0.1:{port}")).into();
            }
        }
        open(&config, &self.clock).await
    }
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

async fn open(config: &StoreConfig, clock: &Arc<ManualClock>) -> Store {
    let clock: Arc<ManualClock> = Arc::clone(clock);
    Store::open(config.clone(), clock, Arc::new(SystemIds::default())).await.unwrap()
}

/// A fresh id at the world's time.
pub(crate) fn fresh() -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let at = Timestamp::from_seconds(NOW_S);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut random = [0_u8; 8];
    SystemIds::default().fill(&mut random);
    let millis = u128::try_from(at.as_millis()).unwrap();
    let tail = u128::from(u64::from_le_bytes(random)) ^ u128::from(count);
    Uuid::from_u128((millis << 80) | (0x7 << 76) | (0b10 << 62) | (tail & ((1 << 62) - 1)))
}

pub(crate) fn tenant() -> TenantId {
    TenantId::from_uuid(fresh())
}

pub(crate) fn waba() -> WabaId {
    WabaId::from_uuid(fresh())
}

pub(crate) fn note(tenant: TenantId, waba: WabaId, n: i64) -> note::ActiveModel {
    use sea_orm::ActiveValue::Set;
    let id = fresh();
    note::ActiveModel {
        tenant_id: Set(tenant.uuid()),
        id: Set(id),
        waba_id: Set(waba.uuid()),
        slug: Set(id.to_string()),
        n: Set(n),
    }
}

/// Waits, and fails with words when it takes too long.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.unwrap_or_else(|_| panic!("waited 20 s for: {what}"))
}
