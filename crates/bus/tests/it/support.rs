//! A bus and a store of a test's own, and their end.

use std::future::Future;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{
    Bus, Consumer, ConsumerLoop, Deliveries, EmbeddedBus, Envelope, GroupSpec, RabbitBus,
    RabbitConfig, TailSpec,
};
use kernel::clock::SystemClock;
use kernel::id::EventId;
use kernel::ids::{Ids, SystemIds};
use kernel::time::Timestamp;
use lapin::options::{
    BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, ExchangeDeleteOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use sea_orm_migration::prelude::*;
use store::deadletter::{DeadLetter, Filter, list};
use store::migrate::{self, MigrateConfig};
use store::schema::{Names, Roles, RolesMode};
use store::{Database, Pools, Store, StoreConfig};
use tempfile::TempDir;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::proxy::Proxy;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn ids() -> Arc<dyn Ids> {
    Arc::new(SystemIds::new())
}

fn now() -> Timestamp {
    kernel::clock::WallClock::now(&SystemClock)
}

/// A word that no other test has.
pub(crate) fn namespace() -> String {
    let mut bytes = [0_u8; 5];
    SystemIds::new().fill(&mut bytes);
    bytes.iter().fold("t".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

pub(crate) fn envelope(key: &str) -> Envelope {
    static IDS: std::sync::LazyLock<SystemIds> = std::sync::LazyLock::new(SystemIds::new);
    Envelope {
        id: EventId::mint(&*IDS, now()),
        key: key.to_owned(),
        kind: "switchboard.events.v1.Sample".to_owned(),
        tenant: Some(Uuid::from_u128(1)),
        waba: Some(Uuid::from_u128(2)),
        aggregate: IDS.v7(now()),
        version: 3,
        body: b"body".to_vec().into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

pub(crate) fn group(service: &str, group: &str, bindings: &[&str]) -> GroupSpec {
    GroupSpec {
        service: service.to_owned(),
        group: group.to_owned(),
        bindings: bindings.iter().map(|&binding| binding.to_owned()).collect(),
        prefetch: bus::PREFETCH,
    }
}

pub(crate) fn tail(service: &str, bindings: &[&str]) -> TailSpec {
    TailSpec {
        service: service.to_owned(),
        bindings: bindings.iter().map(|&binding| binding.to_owned()).collect(),
    }
}

/// The value of a future that must not take long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("waited {PATIENCE:?} for {what}");
    };
    value
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusKind {
    Embedded,
    Rabbit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// SQLite and the embedded bus.
    Embedded,
    /// PostgreSQL and RabbitMQ.
    Production,
}

#[expect(clippy::disallowed_methods, reason = "where the servers are is the test run's to say")]
fn given(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

/// Where the broker is: host and port, user, password.
fn broker() -> (String, String, String) {
    let url = given("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672");
    let rest = url.strip_prefix("amqp://").unwrap().split('/').next().unwrap().to_owned();
    let (login, host) = rest.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    (host.to_owned(), user.to_owned(), password.to_owned())
}

/// A configuration for an account in a virtual host (`""` is the default one).
pub(crate) fn amqp(
    namespace: &str,
    user: &str,
    password: &str,
    vhost: &str,
    accounts: &str,
) -> RabbitConfig {
    let vhost = if vhost.is_empty() { "%2f" } else { vhost };
    RabbitConfig {
        url: format!("amqp://{user}:{password}@{}/{vhost}", broker().0).into(),
        namespace: namespace.to_owned(),
        accounts: accounts.to_owned(),
        heartbeat: Duration::from_secs(10),
    }
}

/// A bus of a test's own.
pub(crate) struct World {
    pub(crate) bus: Arc<dyn Bus>,
    namespace: String,
    proxy: Option<Proxy>,
    folder: TempDir,
    embedded: Option<Arc<EmbeddedBus>>,
    groups: Mutex<Vec<String>>,
}

impl World {
    pub(crate) async fn start(kind: BusKind) -> Self {
        let (namespace, folder) = (namespace(), tempfile::tempdir().unwrap());
        let (bus, embedded): (Arc<dyn Bus>, _) = match kind {
            BusKind::Embedded => {
                let bus = Arc::new(embedded(&folder).await);
                (Arc::clone(&bus) as Arc<dyn Bus>, Some(bus))
            }
            BusKind::Rabbit => {
                let (_, user, password) = broker();
                let config = amqp(&namespace, &user, &password, "", &user);
                (Arc::new(RabbitBus::new(config, ids()).unwrap()), None)
            }
        };
        bus.ready().await.unwrap();
        Self { bus, namespace, proxy: None, folder, embedded, groups: Mutex::default() }
    }

    /// RabbitMQ behind a proxy that the test can cut.
    pub(crate) async fn behind_proxy() -> Self {
        Self::behind_proxy_with(Duration::from_secs(10)).await
    }

    /// The same with another heartbeat.
    pub(crate) async fn behind_proxy_with(heartbeat: Duration) -> Self {
        let (host, user, password) = broker();
        let target: SocketAddr = host.replace("localhost", "127.0.0.1").parse().unwrap();
        let proxy = Proxy::to(target).await;
        let namespace = namespace();
        let mut config = amqp(&namespace, &user, &password, "", &user);
        config.url = format!("amqp://{user}:{password}@127.0.0.1:{}", proxy.port).into();
        config.heartbeat = heartbeat;
        let bus = Arc::new(RabbitBus::new(config, ids()).unwrap());
        bus.ready().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            bus,
            namespace,
            proxy: Some(proxy),
            folder,
            embedded: None,
            groups: Mutex::default(),
        }
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    pub(crate) async fn join(
        &self,
        service: &str,
        name: &str,
        bindings: &[&str],
    ) -> Box<dyn Deliveries> {
        self.join_as(group(service, name, bindings)).await
    }

    pub(crate) async fn join_as(&self, spec: GroupSpec) -> Box<dyn Deliveries> {
        self.note(&spec.service, &spec.group);
        until("the broker", async || self.bus.ready().await.is_ok()).await;
        self.bus.subscribe(spec).await.unwrap()
    }

    /// Makes a consumer's group without working for it.
    pub(crate) async fn declare(&self, service: &str, consumer: &dyn Consumer) {
        self.note(service, consumer.group());
        let bindings = consumer.bindings();
        let spec = GroupSpec {
            service: service.to_owned(),
            group: consumer.group().to_owned(),
            bindings,
            prefetch: 1,
        };
        self.bus.subscribe(spec).await.unwrap().close().await;
    }

    fn note(&self, service: &str, name: &str) {
        self.groups.lock().unwrap().push(self.queue(service, name));
    }

    fn queue(&self, service: &str, name: &str) -> String {
        format!("{}.{service}.{name}", self.namespace)
    }

    /// Publishes, and wants each event confirmed.
    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        until("the broker", async || self.bus.ready().await.is_ok()).await;
        let answers = self.bus.publish(events).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    /// Publishes a message without an account, past the bus.
    pub(crate) async fn publish_as_nobody(&self, key: &str) {
        let (_connection, channel) = plain().await;
        let event = envelope(key);
        let mut headers = FieldTable::default();
        for (name, value) in event.headers() {
            headers.insert(name.into(), lapin::types::AMQPValue::LongString(value.into()));
        }
        let exchange = format!("{}.events", self.namespace);
        channel
            .basic_publish(
                exchange.as_str().into(),
                key.into(),
                BasicPublishOptions::default(),
                b"",
                BasicProperties::default().with_headers(headers),
            )
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// Has the broker give up the one message in a group's queue.
    pub(crate) async fn reject(&self, service: &str, name: &str) {
        use futures::StreamExt as _;
        let (_connection, channel) = plain().await;
        let queue = self.queue(service, name);
        let mut consumer = channel
            .basic_consume(
                queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let message = soon("the message", consumer.next()).await.unwrap().unwrap();
        message.nack(BasicNackOptions { requeue: false, ..Default::default() }).await.unwrap();
        let dead = format!("{queue}.dead");
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        until("the dead queue", async || {
            let (_connection, channel) = plain().await;
            let queue =
                channel.queue_declare(dead.as_str().into(), passive, FieldTable::default()).await;
            queue.unwrap().message_count() == 1
        })
        .await;
    }

    /// Waits until a group's queue is there.
    pub(crate) async fn wait_for_group(&self, service: &str, name: &str) {
        let queue = self.queue(service, name);
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        until("the group's queue", async || {
            let (_connection, channel) = plain().await;
            let found =
                channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
            found.is_ok_and(|queue| queue.consumer_count() > 0)
        })
        .await;
    }

    pub(crate) async fn end(self) {
        if let Some(embedded) = &self.embedded {
            embedded.close().await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.embedded.is_some() {
            return;
        }
        let queues = std::mem::take(&mut *self.groups.lock().unwrap());
        let namespace = self.namespace.clone();
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async move {
                let (_connection, channel) = plain().await;
                for queue in queues {
                    for name in [queue.clone(), format!("{queue}.dead")] {
                        let options = QueueDeleteOptions::default();
                        channel.queue_delete(name.as_str().into(), options).await.unwrap();
                    }
                }
                for name in ["events", "dead"] {
                    let name = format!("{namespace}.{name}");
                    let options = ExchangeDeleteOptions::default();
                    channel.exchange_delete(name.as_str().into(), options).await.unwrap();
                }
            });
        });
        cleaner.join().unwrap();
    }
}

/// A connection past the bus and the proxy.
async fn plain() -> (Connection, lapin::Channel) {
    let (host, user, password) = broker();
    let url = format!("amqp://{user}:{password}@{host}/%2f");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// The embedded bus on a file in `folder`.
pub(crate) async fn embedded(folder: &TempDir) -> EmbeddedBus {
    let path = folder.path().join("bus.sqlite");
    let config = MigrateConfig::Sqlite { path: path.clone() };
    migrate::run::<BusMigrator>(&config, "bus").await.unwrap();
    let config = StoreConfig { service: "bus", database: Database::Sqlite { path } };
    let store = Store::open(config, Arc::new(SystemClock), ids()).await.unwrap();
    EmbeddedBus::open(store).await.unwrap()
}

struct BusMigrator;

impl MigratorTrait for BusMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(BusLog)]
    }
}

struct BusLog;

impl MigrationName for BusLog {
    fn name(&self) -> &'static str {
        "bus_log"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for BusLog {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        store::schema::bus_log(manager).await
    }
}

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
