//! Assertions that were taken (AUTH-17).

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One assertion's id, with its service's name before it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "used_jti")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) jti: String,
    pub(crate) expires_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Takes an id; false when it was taken before.
pub(crate) async fn take(tx: &SystemTx, jti: &str, expires_us: i64) -> Result<bool, Error> {
    let row = ActiveModel { jti: Set(jti.to_owned()), expires_us: Set(expires_us) };
    Ok(tx.insert_ignore(vec![row]).await? == 1)
}

/// Removes ids whose assertions have expired.
pub(crate) async fn sweep(tx: &SystemTx, now_us: i64) -> Result<u64, Error> {
    tx.delete::<Entity>().filter(Column::ExpiresUs.lt(now_us)).exec().await
}
