//! The production bus: RabbitMQ.
//!
//! One topic exchange `<namespace>.events`, one quorum queue a consumer group, one exclusive queue a tail, one
//! dead-letter exchange `<namespace>.dead` behind the backstop. Publishing has a channel of its own, which is
//! thrown away and opened again whenever the broker closes it. Every publish carries our account as `user_id`,
//! which the broker checks; every reader compares it with the service in the routing key (ISO-40): this pair
//! stands for a signature.
//!
//! Connections come back by themselves: whoever needs one makes it ([`link`]). Nothing is held here that a
//! dying process could lose: what was not confirmed is still in an outbox, what was not acknowledged is handed
//! out again.

mod group;
mod link;
mod publisher;
mod tail;
mod topology;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::ids::Ids;
use kernel::secret::SecretString;
use tokio::sync::Mutex;

use self::link::Link;
use self::publisher::Publisher;
use crate::envelope::Envelope;
use crate::transport::{
    Bus, BusError, Deliveries, GroupSpec, PublishError, Tail, TailItem, TailSpec,
};

/// How to reach the broker, and as whom.
#[derive(Debug, Clone)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`.
    pub url: SecretString,
    /// Prefix of every exchange and queue, so that installations may share a broker.
    pub namespace: String,
    /// Broker account of a service, with `{service}` where its name stands: `sb_{service}`. Without the
    /// placeholder all services share one account, and an event's origin is not checked any further than that.
    pub accounts: String,
    /// How often the broker is asked whether it is there, and how long a silent tail is believed in. 10 s or so,
    /// so that neither side holds a half-open connection for long.
    pub heartbeat: Duration,
}

impl RabbitConfig {
    /// The account that events of `service` must come from.
    pub fn account_of(&self, service: &str) -> String {
        self.accounts.replace("{service}", service)
    }

    fn events(&self) -> String {
        format!("{}.events", self.namespace)
    }

    fn dead(&self) -> String {
        format!("{}.dead", self.namespace)
    }

    /// Queue of a group.
    pub fn queue(&self, service: &str, group: &str) -> String {
        format!("{}.{service}.{group}", self.namespace)
    }
}

/// RabbitMQ as our bus. Made without a connection: it is opened at first use, so that services start in any order.
///
/// Groups have a connection of their own: a broker short of memory stops reading from connections that publish,
/// and the acknowledgements that would help it must not wait there.
pub struct RabbitBus {
    /// For publishing and for tails, whose heartbeats publish.
    publishing: Arc<Link>,
    /// For consumer groups.
    consuming: Arc<Link>,
    /// The publishing channel. Whoever publishes takes it out and puts it back, so that a cancelled publish
    /// leaves none with unknown confirms behind.
    publisher: Mutex<Option<Publisher>>,
    ids: Arc<dyn Ids>,
}

impl RabbitBus {
    /// A bus over the broker that `config` names.
    pub fn new(config: RabbitConfig, ids: Arc<dyn Ids>) -> Result<Self, BusError> {
        let publishing = Arc::new(Link::new(config.clone(), "publishing")?);
        let consuming = Arc::new(Link::new(config, "consuming")?);
        Ok(Self { publishing, consuming, publisher: Mutex::new(None), ids })
    }
}

impl fmt::Debug for RabbitBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitBus").field("link", &self.publishing).finish_non_exhaustive()
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn publish(&self, batch: Vec<Envelope>) -> Vec<Result<(), PublishError>> {
        let mut turn = self.publisher.lock().await;
        publisher::publish(&self.publishing, &mut turn, &batch).await
    }

    async fn subscribe(&self, spec: GroupSpec) -> Result<Box<dyn Deliveries>, BusError> {
        Ok(Box::new(group::Member::join(&self.consuming, &spec).await?))
    }

    async fn tail(&self, spec: TailSpec) -> Result<Tail, BusError> {
        Ok(Tail::new(
            tail::RabbitTail::open(Arc::clone(&self.publishing), spec, Arc::clone(&self.ids))
                .await?,
        ))
    }

    async fn ready(&self) -> Result<(), BusError> {
        self.publishing.connection().await?;
        self.consuming.connection().await.map(drop)
    }
}

#[async_trait]
impl crate::transport::Listen for tail::RabbitTail {
    async fn next(&mut self) -> TailItem {
        tail::RabbitTail::next(self).await
    }
}
