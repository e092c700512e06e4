//! What tests need of the house: for a service's own tests a migrated database, a bus, tokens, the services around it and
//! waiting; for tests from outside tokens of our own services, forged tokens, statuses read back, and what processes tell a
//! collector.
//!
//! It knows crates that every service shares and no service; nothing of it ships. What it makes goes with the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "dev only: a test that cannot be set up ends where it fails"
)]

mod database;
mod embedded;
pub mod events;
pub mod forge;
mod fresh;
mod issuer;
pub mod otlp;
mod owners;
mod services;
mod serving;
mod wait;

pub use server::Refusal;

pub use self::{
    database::TestDatabase,
    embedded::embedded_bus,
    fresh::{fresh, ids, now, word},
    issuer::Issuer,
    owners::Owners,
    services::Services,
    serving::serve,
    wait::{PATIENCE, orders, until, within},
};
