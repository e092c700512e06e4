//! Schema of the embedded bus: its log and the groups' places in it. SQLite alone; RabbitMQ keeps its own.

use sea_orm_migration::prelude::*;

/// Migrations of the embedded bus, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Log)]
    }
}

/// The log.
struct Log;

impl MigrationName for Log {
    fn name(&self) -> &'static str {
        "m20261123_000001_log"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Log {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        store::schema::bus_log(manager).await
    }
}
