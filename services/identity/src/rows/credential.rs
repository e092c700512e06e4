//! A person's password as a peppered hash, and the one-time link that sets it.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One person's credential; without a hash until the first link was used.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credential")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: Uuid,
    pub(crate) hash: Option<String>,
    pub(crate) pepper_id: Option<String>,
    pub(crate) link_hash: Option<Vec<u8>>,
    pub(crate) link_expires_us: Option<i64>,
    pub(crate) changed_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A hash and the pepper that it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) phc: String,
    pub(crate) pepper: String,
}

/// A person's credential, made empty where there is none, and locked.
pub(crate) async fn of_person(tx: &SystemTx, user: Uuid, now_us: i64) -> Result<Model, Error> {
    let row = ActiveModel {
        user_id: Set(user),
        hash: Set(None),
        pepper_id: Set(None),
        link_hash: Set(None),
        link_expires_us: Set(None),
        changed_us: Set(now_us),
    };
    tx.insert_ignore(vec![row]).await?;
    let found = tx.find::<Entity>().filter(Column::UserId.eq(user)).for_update().one().await?;
    found.ok_or_else(|| Error::internal("find the credential that was just inserted"))
}

/// Gives a person a new one-time link instead of any before.
pub(crate) async fn set_link(
    tx: &SystemTx,
    user: Uuid,
    link_hash: &[u8],
    expires_us: i64,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::LinkHash, link_hash.to_vec())
        .set(Column::LinkExpiresUs, expires_us)
        .filter(Column::UserId.eq(user))
        .exec()
        .await
        .map(drop)
}

/// Whose link this is, while it lives.
pub(crate) async fn by_link(
    tx: &SystemTx,
    link_hash: &[u8],
    now_us: i64,
) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::LinkHash.eq(link_hash.to_vec()))
        .filter(Column::LinkExpiresUs.gt(now_us))
        .one()
        .await
}

/// Sets the password and uses the link up; `None` when somebody used it first.
pub(crate) async fn use_link(
    tx: &SystemTx,
    link_hash: &[u8],
    new: &Hashed,
    now_us: i64,
) -> Result<Option<Model>, Error> {
    let changed = tx
        .update::<Entity>()
        .set(Column::Hash, new.phc.clone())
        .set(Column::PepperId, new.pepper.clone())
        .set(Column::LinkHash, Option::<Vec<u8>>::None)
        .set(Column::LinkExpiresUs, Option::<i64>::None)
        .set(Column::ChangedUs, now_us)
        .filter(Column::LinkHash.eq(link_hash.to_vec()))
        .filter(Column::LinkExpiresUs.gt(now_us))
        .exec_returning()
        .await?;
    Ok(changed.into_iter().next())
}

/// Sets the password of a person.
pub(crate) async fn set(tx: &SystemTx, user: Uuid, new: &Hashed, now_us: i64) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::Hash, new.phc.clone())
        .set(Column::PepperId, new.pepper.clone())
        .set(Column::ChangedUs, now_us)
        .filter(Column::UserId.eq(user))
        .exec()
        .await
        .map(drop)
}

/// Whether the password is still the one with this hash; its row is then locked, so that a session
/// and a change of password come one after the other.
pub(crate) async fn still(tx: &SystemTx, user: Uuid, phc: &str) -> Result<bool, Error> {
    let found = tx.find::<Entity>().filter(Column::UserId.eq(user)).for_update().one().await?;
    Ok(found.is_some_and(|row| row.hash.as_deref() == Some(phc)))
}
