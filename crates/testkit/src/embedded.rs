//! An embedded bus of a test's own: its log is a file in the test's folder and goes with it.

use std::{path::Path, sync::Arc};

use bus::EmbeddedBus;
use kernel::{clock::SystemClock, ids::SystemIds};
use store::{
    Database, Store, StoreConfig,
    migrate::{self, MigrateConfig},
};

/// The bus on `bus.sqlite` in `folder`; opened again there, it has what it had.
pub async fn embedded_bus(folder: &Path) -> EmbeddedBus {
    let path = folder.join("bus.sqlite");
    let config = MigrateConfig::Sqlite { path: path.clone() };
    migrate::run::<migrations::bus::Migrator>(&config, "bus").await.unwrap();
    let config = StoreConfig { service: "bus", database: Database::Sqlite { path } };
    let store = Store::open(config, Arc::new(SystemClock), Arc::new(SystemIds::new())).await;
    EmbeddedBus::open(store.unwrap()).await.unwrap()
}
