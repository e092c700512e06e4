//! API keys: what they may do and an HMAC of their secret, never the secret.

use auth::{Permission, Wabas};
use kernel::id::WabaId;
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, Order};
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    /// The part of the text that it is found by.
    pub(crate) lookup: String,
    pub(crate) hint: String,
    pub(crate) name: String,
    pub(crate) environment: String,
    pub(crate) digest: Vec<u8>,
    pub(crate) pepper_id: String,
    /// Words with blanks between them.
    pub(crate) permissions: String,
    /// TypeIDs with blanks between them; NULL means all.
    pub(crate) wabas: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_us: i64,
    pub(crate) expires_us: Option<i64>,
    pub(crate) last_used_us: Option<i64>,
    pub(crate) revoked_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

impl Model {
    /// What the key permits, as far as this build knows the words.
    pub(crate) fn permissions(&self) -> Vec<Permission> {
        self.permissions.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// Which WABAs it reaches. An id that does not read reaches nothing.
    pub(crate) fn reaches(&self) -> Wabas {
        match &self.wabas {
            None => Wabas::All,
            Some(ids) => Wabas::Only(
                ids.split_whitespace().filter_map(|id| id.parse::<WabaId>().ok()).collect(),
            ),
        }
    }
}

/// Permissions as the column keeps them.
pub(crate) fn permission_words(permissions: impl IntoIterator<Item = Permission>) -> String {
    let words: Vec<_> = permissions.into_iter().map(Permission::as_str).collect();
    words.join(" ")
}

/// WABAs as the column keeps them.
pub(crate) fn waba_words(wabas: &Wabas) -> Option<String> {
    match wabas {
        Wabas::All => None,
        Wabas::Only(few) => Some(few.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    }
}

/// Keeps a new key.
pub(crate) async fn insert(tx: &ScopedTx, new: &Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(new.clone())).await
}

/// How many keys of the tenant live.
pub(crate) async fn count_live(tx: &ScopedTx, now_us: i64) -> Result<u64, Error> {
    let lives = Condition::any().add(Column::ExpiresUs.is_null()).add(Column::ExpiresUs.gt(now_us));
    tx.find::<Entity>().filter(Column::RevokedUs.is_null()).filter(lives).count().await
}

/// One key of the tenant.
pub(crate) async fn get(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// Keys of the tenant, by id.
pub(crate) async fn list(
    tx: &ScopedTx,
    after: Option<Uuid>,
    newest_first: bool,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let mut query = tx.find::<Entity>();
    if let Some(after) = after {
        let beyond = if newest_first { Column::Id.lt(after) } else { Column::Id.gt(after) };
        query = query.filter(beyond);
    }
    let order = if newest_first { Order::Desc } else { Order::Asc };
    query.order_by(Column::Id, order).limit(limit).all().await
}

/// Ends a key; false when it had ended.
pub(crate) async fn revoke(tx: &ScopedTx, id: Uuid, now_us: i64) -> Result<bool, Error> {
    let revoked = tx
        .update::<Entity>()
        .set(Column::RevokedUs, now_us)
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedUs.is_null())
        .exec()
        .await?;
    Ok(revoked == 1)
}

/// The key that a text names, whosever it is.
pub(crate) async fn by_lookup(tx: &SystemTx, lookup: &str) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Lookup.eq(lookup)).one().await
}

/// One key, whosever it is.
pub(crate) async fn any(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// Writes down that a key was used.
pub(crate) async fn used(tx: &SystemTx, key: &Model, now_us: i64) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::LastUsedUs, now_us)
        .filter(Column::TenantId.eq(key.tenant_id))
        .filter(Column::Id.eq(key.id))
        .exec()
        .await
        .map(drop)
}

/// Keeps the digest under another pepper, if it is still the one of `key`.
pub(crate) async fn pepper_again(
    tx: &SystemTx,
    key: &Model,
    digest: &[u8],
    pepper: &str,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::Digest, digest.to_vec())
        .set(Column::PepperId, pepper)
        .filter(Column::TenantId.eq(key.tenant_id))
        .filter(Column::Id.eq(key.id))
        .filter(Column::PepperId.eq(&key.pepper_id))
        .exec()
        .await
        .map(drop)
}

/// Keys that were revoked after an instant.
pub(crate) async fn dead_since(tx: &SystemTx, since_us: i64) -> Result<Vec<(Uuid, i64)>, Error> {
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        id: Uuid,
        revoked_us: i64,
    }
    const DEAD: &str = "SELECT id, revoked_us FROM api_key WHERE revoked_us > {1} AND {purpose}";
    let binds: Vec<Bind> = vec![since_us.into()];
    let rows: Vec<Row> = tx.raw(RawSql::both(DEAD, binds)).all().await?;
    Ok(rows.into_iter().map(|row| (row.id, row.revoked_us)).collect())
}
