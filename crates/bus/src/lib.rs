//! Events between services: how they travel, and how nothing is lost on the way.
//!
//! A service writes an event beside its change ([`event`]); its [`Relay`] takes it from the outbox to the
//! [`Bus`]; every consumer group that is bound to its key gets it at least once ([`ConsumerLoop`]), and an
//! inbox in the transaction of the effect makes that once. What every process must hear goes by tail
//! ([`TailHub`]), and nothing durable hangs on it. Two transports keep the same promises: [`RabbitBus`] in
//! production and [`EmbeddedBus`] in one process.
//!
//! No order is promised (I7): state events carry a version, facts commute. What fails five times, comes from
//! the wrong account or names another tenant's rows becomes a dead letter, a row that operators work on
//! ([`admin`]).

pub mod admin;
mod consumer;
mod contract;
mod embedded;
mod envelope;
mod hub;
mod key;
mod metrics;
mod rabbit;
mod relay;
mod transport;

pub use consumer::{Consumer, ConsumerLoop, Failure, Transient, Verdict};
pub use contract::{
    About, Contract, DecodeError, EventMessage, Nature, contracts, decode, event, event_as, is,
};
pub use embedded::EmbeddedBus;
pub use envelope::{Envelope, MAX_BODY, Unreadable};
pub use hub::{Following, Heard, TailHub};
pub use key::Pattern;
pub use rabbit::{RabbitBus, RabbitConfig};
pub use relay::Relay;
pub use transport::{
    Bus, BusError, Deliveries, Delivery, GroupSpec, PREFETCH, PublishError, Refusal, Refused, Tail,
    TailItem, TailSpec,
};
