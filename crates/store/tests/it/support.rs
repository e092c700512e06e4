//! A migrated store of a sample service on either database, and scopes minted with a test key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth::{Claims, Dead, Keys, Reach, Scope, Signer, Verifier, Wabas};
use kernel::clock::{ManualClock, SystemClock};
use kernel::id::{OperatorId, PartnerId, SessionId, TenantId, UserId, WabaId};
use kernel::ids::{Ids, SystemIds, random_token};
use kernel::time::Timestamp;
use sea_orm::{ConnectionTrait, Database as SeaDatabase};
use sea_orm_migration::prelude::*;
use store::schema::{Kind, Period, TenantTable, Waba};
use store::{Backend, Database, Store, StoreConfig, Uuid};
use testkit::TestDatabase;
pub(crate) use testkit::within;

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
    pub(crate) database: TestDatabase,
    signer: Signer,
    verifier: Verifier,
}

impl World {
    pub(crate) async fn on(backend: Backend) -> Self {
        let mut database = TestDatabase::with::<Migrator>("sample", backend).await;
        if let Database::Postgres { pools, .. } = &mut database.config.database {
            pools.system = 4;
        }
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW_S)));
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let keys = Arc::new(Keys::empty());
        keys.replace(&serde_json::json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
        let dead = Arc::new(Dead::new(Arc::new(SystemClock)));
        let verifier = Verifier::new("test", "test", keys, dead, Arc::new(SystemClock));
        let store = open(&database.config, &clock).await;
        Self { store, clock, database, signer, verifier }
    }

    /// Another process's store over the same database.
    pub(crate) async fn another(&self) -> Store {
        open(&self.database.config, &self.clock).await
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
        self.database.count(sql).await
    }

    /// Changes the database past all walls (PostgreSQL); `{database}` is its name.
    pub(crate) async fn tamper(&self, sql: &str) {
        let url = self.database.url();
        let (_, name) = url.rsplit_once('/').unwrap();
        let db = SeaDatabase::connect(&url).await.unwrap();
        db.execute_unprepared(&sql.replace("{database}", name)).await.unwrap();
        db.close_by_ref().await.unwrap();
    }

    /// Changes rows past all walls, on either database.
    pub(crate) async fn change(&self, sql: &str) {
        self.database.change(sql).await;
    }

    /// Host and port of the database server.
    pub(crate) fn address(&self) -> String {
        let url = self.database.url();
        let place = url.rsplit_once('@').unwrap().1;
        place.split('/').next().unwrap().to_owned()
    }

    /// A store that reaches the server by another port of this machine.
    pub(crate) async fn through(&self, port: u16) -> Store {
        let mut config = self.database.config.clone();
        if let Database::Postgres { scoped_url, system_url, desk_url, .. } = &mut config.database {
            for url in [scoped_url, system_url, desk_url] {
                let text = kernel::secret::ExposeSecret::expose_secret(url);
                *url = text.replace(&self.address(), &format!("127.0.0.1:{port}")).into();
            }
        }
        open(&config, &self.clock).await
    }
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
