//! The only holder of a database connection, over PostgreSQL and SQLite.
//!
//! A service opens one [`Store`] and works in units: closures over a [`ScopedTx`] (one tenant), a
//! [`SystemTx`] (one [`Purpose`]) or a [`DeskTx`] (operators and partners). A unit is committed
//! whole or not at all. Beside the service's own tables the store keeps what makes effects happen
//! once: [`outbox`], inbox, idempotency keys, [`lease`]s, [`job`]s, [`poison`] counts and
//! [`deadletter`]s. [`schema`] and [`migrate`] build the tables with their policies.
//!
//! What the store does not do: decide who may call (that is `server`'s and `auth`'s), talk to the
//! broker (`bus`), or seal columns (`seal`).

mod begin;
pub mod blob;
mod config;
pub mod datakey;
pub mod deadletter;
mod desk;
mod error;
mod find;
mod housekeeping;
mod idempotency;
mod inbox;
pub mod job;
mod lane;
pub mod lease;
mod metrics;
pub mod migrate;
pub mod outbox;
pub mod page;
mod partition;
pub mod poison;
mod pool;
pub mod purpose;
mod raw;
pub mod readmodel;
pub mod schema;
mod scoped;
mod store;
mod system;
mod tenanted;
mod tx;
mod write;

pub use config::{Backend, Database, Pools, Shard, StoreConfig};
pub use desk::DeskTx;
pub use error::{Class, Error, Source};
pub use find::Find;
pub use housekeeping::HousekeepingJob;
pub use idempotency::{Claimed, KeyClaim, StoredAnswer};
pub use lane::{Lane, LaneHandle, Outcome, SystemLane, SystemLaneHandle};
pub use outbox::Event;
pub use partition::PartitionJob;
pub use purpose::Purpose;
pub use raw::{Bind, Raw, RawSql};
pub use scoped::ScopedTx;
pub use store::{Counts, Store};
pub use system::SystemTx;
#[doc(hidden)]
pub use tenanted::RowId;
pub use tenanted::{Db, DeskTable, Tenanted};
pub use uuid::Uuid;
pub use write::{Delete, Update};
