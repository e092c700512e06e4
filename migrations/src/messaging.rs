//! Schema of the messaging service.

mod m20261123_000001_messaging;

use sea_orm_migration::prelude::*;

/// Migrations of the messaging service, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_messaging::Migration)]
    }
}
