//! One migrator for each service's schema. Shipped files are never edited: add, backfill, switch, drop a release later.

mod columns;

pub mod analytics;
pub mod assets;
pub mod bus;
pub mod identity;
pub mod messaging;
pub mod onboarding;
pub mod webhooks;
