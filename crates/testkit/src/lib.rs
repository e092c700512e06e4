//! What tests outside of the house need of its inside: tokens of our own services, forged tokens, statuses read back, and what
//! processes tell a collector.
//!
//! It knows crates that every service shares and no service; nothing of it ships. It keeps nothing.

pub mod forge;
pub mod otlp;
mod services;

pub use server::Refusal;

pub use self::services::Services;
