//! Refresh tokens by their SHA-256, used ones too: what was used and comes again was stolen (AUTH-9).

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One refresh token; the one of its session without `used_us` is the leaf.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_token")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) hash: Vec<u8>,
    pub(crate) session_id: Uuid,
    pub(crate) created_us: i64,
    pub(crate) used_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps a new token.
pub(crate) async fn insert(
    tx: &SystemTx,
    hash: &[u8],
    session: Uuid,
    now_us: i64,
) -> Result<(), Error> {
    tx.insert(ActiveModel {
        hash: Set(hash.to_vec()),
        session_id: Set(session),
        created_us: Set(now_us),
        used_us: Set(None),
    })
    .await
}

/// One token.
pub(crate) async fn get(tx: &SystemTx, hash: &[u8]) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Hash.eq(hash.to_vec())).one().await
}

/// Uses a token; false when it was used before. The compare-and-set that makes rotation safe.
pub(crate) async fn use_up(tx: &SystemTx, hash: &[u8], now_us: i64) -> Result<bool, Error> {
    let used = tx
        .update::<Entity>()
        .set(Column::UsedUs, now_us)
        .filter(Column::Hash.eq(hash.to_vec()))
        .filter(Column::UsedUs.is_null())
        .exec()
        .await?;
    Ok(used == 1)
}

/// Removes the tokens of sessions.
pub(crate) async fn remove_of(tx: &SystemTx, sessions: &[Uuid]) -> Result<u64, Error> {
    tx.delete::<Entity>().filter(Column::SessionId.is_in(sessions.iter().copied())).exec().await
}
