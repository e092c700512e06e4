//! Schema of the analytics service.

mod m20261123_000001_facts;

use sea_orm_migration::prelude::*;

/// Migrations of the analytics service, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_facts::Migration)]
    }
}
