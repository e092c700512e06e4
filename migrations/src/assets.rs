//! Schema of the assets service.

mod m20261123_000001_assets;

use sea_orm_migration::prelude::*;

/// Migrations of the assets service, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261123_000001_assets::Migration)]
    }
}
