//! The sealing library's view of this service's data keys.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::clock::Clock;
use seal::{DataKeys, DataKeysError, WrappedKey};
use store::{Store, datakey};
use uuid::Uuid;

/// Data keys in this service's schema.
pub(crate) struct Keys {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    /// Name of the KEK that wraps new keys.
    pub(crate) kek: String,
}

fn out_of_reach(error: store::Error) -> DataKeysError {
    DataKeysError(Box::new(error))
}

fn wrapped(row: datakey::DataKeyRow) -> WrappedKey {
    WrappedKey { id: row.id, wrapped: row.wrapped }
}

#[async_trait]
impl DataKeys for Keys {
    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
        Ok(datakey::get(&self.store, tenant, id).await.map_err(out_of_reach)?.map(wrapped))
    }

    async fn current(&self, tenant: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
        Ok(datakey::current(&self.store, tenant).await.map_err(out_of_reach)?.map(wrapped))
    }

    async fn insert(&self, tenant: Uuid, key: WrappedKey) -> Result<(), DataKeysError> {
        loop {
            let newest = datakey::current(&self.store, tenant).await.map_err(out_of_reach)?;
            let row = datakey::DataKeyRow {
                tenant,
                id: key.id,
                // A replica that makes one at the same moment takes the number; ours is then the next.
                generation: newest.map_or(1, |row| row.generation + 1),
                kek: self.kek.clone(),
                wrapped: key.wrapped.clone(),
                created: self.clock.now(),
            };
            if datakey::insert(&self.store, &row).await.map_err(out_of_reach)? {
                return Ok(());
            }
        }
    }
}
