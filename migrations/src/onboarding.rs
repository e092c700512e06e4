//! Schema of the onboarding service.

mod m20261123_000001_registry;

use sea_orm_migration::prelude::*;

/// Migrations of the onboarding service, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_registry::Migration)]
    }
}
