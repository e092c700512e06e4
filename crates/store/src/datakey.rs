//! Rows of wrapped data keys (SEC-1): one a tenant and generation, sealed by the installation's key.
//!
//! Only wrapped keys are here; `seal` opens them in memory. What belongs to a person, a partner or
//! the installation stands under the nil UUID. Dropping a tenant's rows makes its sealed columns
//! unreadable for ever, in backups too once they have aged out.

use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{Bind, own, read};
use crate::store::Store;

/// A wrapped data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Whose it is; nil for the installation's.
    pub tenant: Uuid,
    /// Its own id, which stands in front of every value it sealed.
    pub id: Uuid,
    /// Rises by one with each rotation; the highest seals.
    pub generation: i32,
    /// Which key wraps it.
    pub kek: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made, in business time.
    pub created: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    generation: i32,
    kek: String,
    wrapped: Vec<u8>,
    created_us: i64,
}

impl From<Row> for DataKeyRow {
    fn from(row: Row) -> Self {
        Self {
            tenant: row.tenant_id,
            id: row.id,
            generation: row.generation,
            kek: row.kek,
            wrapped: row.wrapped,
            created: Timestamp::from_micros(row.created_us),
        }
    }
}

const COLUMNS: &str = "tenant_id, id, generation, kek, wrapped, created_us";

/// A tenant's key that seals now.
pub async fn current(store: &Store, tenant: Uuid) -> Result<Option<DataKeyRow>, Error> {
    let rest = "WHERE tenant_id = {1} ORDER BY generation DESC LIMIT 1";
    Ok(select(store, rest, vec![tenant.into()]).await?.pop())
}

/// A tenant's key of that id.
pub async fn get(store: &Store, tenant: Uuid, id: Uuid) -> Result<Option<DataKeyRow>, Error> {
    let rest = "WHERE tenant_id = {1} AND id = {2}";
    Ok(select(store, rest, vec![tenant.into(), id.into()]).await?.pop())
}

/// Keys that are not wrapped by `kek`, for a rotation in batches.
pub async fn not_wrapped_by(
    store: &Store,
    kek: &str,
    limit: u64,
) -> Result<Vec<DataKeyRow>, Error> {
    let rest = "WHERE kek <> {1} ORDER BY tenant_id, id LIMIT {2}";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(store, rest, vec![kek.into(), limit.into()]).await
}

async fn select(store: &Store, rest: &str, binds: Vec<Bind>) -> Result<Vec<DataKeyRow>, Error> {
    let text = format!("SELECT {COLUMNS} FROM data_key {rest}");
    let (text, binds) = (&text, &binds);
    store
        .system_read(common::KEYS, Shard::ONLY, |tx| async move {
            let rows = tx.core.rows(own(&tx.core, text, binds.clone())?).await?;
            Ok(read::<Row>(&rows)?.into_iter().map(DataKeyRow::from).collect())
        })
        .await
}

/// Writes a key; false when another process wrote that generation first: read it then.
pub async fn insert(store: &Store, row: &DataKeyRow) -> Result<bool, Error> {
    let text = "INSERT INTO data_key (tenant_id, id, generation, kek, wrapped, created_us) \
        VALUES ({1}, {2}, {3}, {4}, {5}, {6}) ON CONFLICT DO NOTHING";
    let binds = vec![
        row.tenant.into(),
        row.id.into(),
        row.generation.into(),
        row.kek.clone().into(),
        row.wrapped.clone().into(),
        row.created.as_micros().into(),
    ];
    Ok(change(store, text, binds).await? == 1)
}

/// Replaces the wrapping of a key, if it is still wrapped as `row` says.
pub async fn rewrap(
    store: &Store,
    row: &DataKeyRow,
    kek: &str,
    wrapped: Vec<u8>,
) -> Result<bool, Error> {
    let text = "UPDATE data_key SET kek = {1}, wrapped = {2} \
        WHERE tenant_id = {3} AND id = {4} AND kek = {5}";
    let binds =
        vec![kek.into(), wrapped.into(), row.tenant.into(), row.id.into(), row.kek.clone().into()];
    Ok(change(store, text, binds).await? == 1)
}

/// Destroys all keys of a tenant: what they sealed can't be read again.
pub async fn destroy(store: &Store, tenant: Uuid) -> Result<u64, Error> {
    change(store, "DELETE FROM data_key WHERE tenant_id = {1}", vec![tenant.into()]).await
}

async fn change(store: &Store, text: &'static str, binds: Vec<Bind>) -> Result<u64, Error> {
    let binds = &binds;
    store
        .system(common::KEYS, Shard::ONLY, |tx| async move {
            tx.core.execute(own(&tx.core, text, binds.clone())?).await
        })
        .await
}
