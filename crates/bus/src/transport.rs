//! The trait that both buses serve: publish, consume as a group, listen as a tail.
//!
//! Promises at least once to every group and nothing to a tail. Events reach a group's members in no order
//! that may be relied on (I7). What was handed to a member that died is handed out again, marked as
//! redelivered. Counting poison, the inbox and dead letters are the consumer loop's.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::envelope::{Envelope, Unreadable};

/// How many deliveries a member of a group holds unacknowledged, unless it says otherwise (DEL-5).
pub const PREFETCH: u16 = 256;

/// Where events travel: RabbitMQ in production, a log on SQLite in one process.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Publishes a batch and answers each in the batch's order. `Ok` means stored by the bus for every group
    /// that wants it; anything else may have been published or not, so it is published again.
    async fn publish(&self, batch: Vec<Envelope>) -> Vec<Result<(), PublishError>>;

    /// Joins a group, which is made where it is missing.
    async fn subscribe(&self, spec: GroupSpec) -> Result<Box<dyn Deliveries>, BusError>;

    /// Opens a tail: what is published from now on, as long as it lasts (DEL-10).
    async fn tail(&self, spec: TailSpec) -> Result<Tail, BusError>;

    /// Whether the bus can be used now; connects if it has to.
    async fn ready(&self) -> Result<(), BusError>;
}

/// A consumer group: its members share the events, each other group gets its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Service that consumes.
    pub service: String,
    /// Name of the group inside the service.
    pub group: String,
    /// Routing keys, with `*` for a word and `#` for any number of them.
    pub bindings: Vec<String>,
    /// How many deliveries this member may hold unacknowledged.
    pub prefetch: u16,
}

/// A tail: every process hears everything that is published while it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailSpec {
    /// Service that listens.
    pub service: String,
    /// Routing keys, with `*` for a word and `#` for any number of them.
    pub bindings: Vec<String>,
}

/// What a member of a group is given.
#[async_trait]
pub trait Deliveries: Send {
    /// Waits for at least one delivery and hands out those that are there, at most `max`. Safe to cancel.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError>;

    /// Acknowledges all that was handed out so far.
    async fn ack(&mut self) -> Result<(), BusError>;

    /// Leaves the group; what is not acknowledged goes to others.
    async fn close(self: Box<Self>);
}

/// One message for a group.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event, or why it is refused.
    pub event: Result<Envelope, Box<Refused>>,
    /// Whether somebody was given it before and did not acknowledge.
    pub redelivered: bool,
    /// Whether the bus itself gave it up (the backstop of DEL-5): it becomes a dead letter unread.
    pub given_up: bool,
}

/// A message that must not be worked on.
#[derive(Clone)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// Its headers, as far as they are text.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Bytes,
    /// The routing key, as far as it is known.
    pub key: String,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("why", &self.why)
            .field("key", &self.key)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no event of ours.
    #[error("unreadable: {0}")]
    Unreadable(#[from] Unreadable),
    /// The broker account that published it is not the one of the service in its routing key (ISO-40).
    #[error("published by {}, but the key belongs to `{expected}`", .user.as_deref().unwrap_or("nobody"))]
    Forged {
        /// Account that the key's service has.
        expected: String,
        /// Account that published, as the broker vouches.
        user: Option<String>,
    },
}

/// A live tail. It never ends by itself: where the transport breaks it opens a new one and says `Resync`.
pub struct Tail(Box<dyn Listen>);

impl Tail {
    pub(crate) fn new(listen: impl Listen + 'static) -> Self {
        Self(Box::new(listen))
    }

    /// The next event, or the word that some were lost. Safe to cancel.
    pub async fn next(&mut self) -> TailItem {
        self.0.next().await
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tail")
    }
}

/// What each transport does for a tail.
#[async_trait]
pub(crate) trait Listen: Send {
    async fn next(&mut self) -> TailItem;
}

/// What a tail tells.
#[derive(Debug, Clone)]
pub enum TailItem {
    /// Something was published.
    Event(Envelope),
    /// Items were lost: every stream over this tail is told, every cache is dropped whole.
    Resync,
}

/// Why one event is not known to be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The bus is away, or went away before it confirmed.
    #[error("the bus did not confirm: {0}")]
    Unconfirmed(String),
    /// No queue wants the event yet (a returned `mandatory` message is not success).
    #[error("no group or tail is bound to this routing key")]
    Unroutable,
    /// A queue refused it.
    #[error("a queue refused the event")]
    Rejected,
    /// The broker does not let this account publish it (403, 406).
    #[error("the broker refuses the event: {0}")]
    Refused(String),
    /// The body is larger than [`crate::MAX_BODY`].
    #[error("the body has {0} bytes, more than the bus takes")]
    TooLarge(usize),
    /// The routing key is malformed.
    #[error("the routing key `{0}` is not `<service>.<aggregate>.<event>`")]
    Key(String),
}

/// Why a bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The configuration is wrong; nothing will mend it but a change.
    #[error("the bus is configured wrongly: {0}")]
    Config(String),
    /// The broker cannot be reached.
    #[error("the broker is not reachable: {0}")]
    Unreachable(String),
    /// A queue or an exchange cannot be made or used.
    #[error("`{name}` cannot be declared: {reason}")]
    Declare {
        /// Exchange or queue.
        name: String,
        /// The broker's words.
        reason: String,
    },
    /// What was open is no longer; subscribe again.
    #[error("the subscription ended: {0}")]
    Closed(String),
    /// The embedded log cannot be read or written.
    #[error("the embedded log failed")]
    Log(#[from] store::Error),
}
