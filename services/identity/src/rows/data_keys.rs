//! The rows of data keys for `seal`, over the store.

use async_trait::async_trait;
use kernel::time::Timestamp;
use seal::{DataKeys, DataKeysError, WrappedKey};
use store::datakey::{self, DataKeyRow};
use store::{Error, Store, Uuid};

/// Tries to find a free generation before one gives up; two replicas meet at most once or twice.
const TRIES: usize = 8;

/// Data keys of identity's schema.
pub(crate) struct Rows(pub(crate) Store);

fn failed(error: Error) -> DataKeysError {
    DataKeysError(Box::new(error))
}

/// The KEK's id stands behind the version byte; the row repeats it for the rotation's query.
fn kek_of(wrapped: &[u8]) -> String {
    let id = wrapped.get(1..17).and_then(|bytes| Uuid::from_slice(bytes).ok());
    id.unwrap_or_default().to_string()
}

#[async_trait]
impl DataKeys for Rows {
    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
        let row = datakey::get(&self.0, tenant, id).await.map_err(failed)?;
        Ok(row.map(|row| WrappedKey { id: row.id, wrapped: row.wrapped }))
    }

    async fn current(&self, tenant: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
        let row = datakey::current(&self.0, tenant).await.map_err(failed)?;
        Ok(row.map(|row| WrappedKey { id: row.id, wrapped: row.wrapped }))
    }

    async fn insert(&self, tenant: Uuid, key: WrappedKey) -> Result<(), DataKeysError> {
        for _ in 0..TRIES {
            let current = datakey::current(&self.0, tenant).await.map_err(failed)?;
            let row = DataKeyRow {
                tenant,
                id: key.id,
                generation: current.map_or(1, |row| row.generation.saturating_add(1)),
                kek: kek_of(&key.wrapped),
                wrapped: key.wrapped.clone(),
                created: Timestamp::from_millis(i64::try_from(key.id.as_u128() >> 80).unwrap_or(0)),
            };
            if datakey::insert(&self.0, &row).await.map_err(failed)? {
                return Ok(());
            }
        }
        Err(failed(Error::internal("find a generation for a new data key")))
    }
}
