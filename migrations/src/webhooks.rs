//! Schema of the webhooks service.

mod m20261123_000001_inbound;

use sea_orm_migration::prelude::*;

/// Migrations of the webhooks service, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_inbound::Migration)]
    }
}
