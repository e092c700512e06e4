//! A bus of a test's own on either transport, what is asked of its broker directly, and its end.

mod house;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{
    Bus, Consumer, Deliveries, EmbeddedBus, Envelope, GroupSpec, RabbitBus, RabbitConfig, TailSpec,
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
use tempfile::TempDir;
use testkit::embedded_bus;
pub(crate) use testkit::{until, within as soon};
use uuid::Uuid;

pub(crate) use self::house::House;
use crate::proxy::Proxy;

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
                let bus = Arc::new(embedded_bus(folder.path()).await);
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
