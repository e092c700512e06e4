//! A person's password as a peppered hash.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One person's credential; without a hash until their first link was used.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credential")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: Uuid,
    pub(crate) hash: Option<String>,
    pub(crate) pepper_id: Option<String>,
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

impl Model {
    /// The password, once there is one.
    pub(crate) fn hashed(self) -> Option<Hashed> {
        Some(Hashed { phc: self.hash?, pepper: self.pepper_id? })
    }
}

/// A person's credential.
pub(crate) async fn get(tx: &SystemTx, user: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::UserId.eq(user)).one().await
}

/// A person's credential, made empty where there is none, and locked.
pub(crate) async fn of_person(tx: &SystemTx, user: Uuid, now_us: i64) -> Result<Model, Error> {
    let row = ActiveModel {
        user_id: Set(user),
        hash: Set(None),
        pepper_id: Set(None),
        changed_us: Set(now_us),
    };
    tx.insert_ignore(vec![row]).await?;
    let found = tx.find::<Entity>().filter(Column::UserId.eq(user)).for_update().one().await?;
    found.ok_or_else(|| Error::internal("find the credential that was just inserted"))
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
