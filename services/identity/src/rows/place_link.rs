//! One-time links into a place, by the digest of their token: each place has one at most.

use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One link.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "place_link")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) hash: Vec<u8>,
    /// The membership, or the place at a desk, that it opens.
    pub(crate) place_id: Uuid,
    pub(crate) user_id: Uuid,
    /// The tenant of a membership.
    pub(crate) in_tenant: Option<Uuid>,
    pub(crate) expires_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Gives a place this link instead of any before.
pub(crate) async fn give(tx: &SystemTx, new: &Model) -> Result<(), Error> {
    end(tx, new.place_id).await?;
    tx.insert(ActiveModel::from(new.clone())).await
}

/// A link, while it lives.
pub(crate) async fn live(tx: &SystemTx, hash: &[u8], now_us: i64) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::Hash.eq(hash.to_vec()))
        .filter(Column::ExpiresUs.gt(now_us))
        .one()
        .await
}

/// Uses a link up; false when somebody did so first.
pub(crate) async fn use_up(tx: &SystemTx, hash: &[u8], now_us: i64) -> Result<bool, Error> {
    let gone = tx
        .delete::<Entity>()
        .filter(Column::Hash.eq(hash.to_vec()))
        .filter(Column::ExpiresUs.gt(now_us))
        .exec()
        .await?;
    Ok(gone == 1)
}

/// Ends the link of a place.
pub(crate) async fn end(tx: &SystemTx, place_id: Uuid) -> Result<(), Error> {
    tx.delete::<Entity>().filter(Column::PlaceId.eq(place_id)).exec().await.map(drop)
}

/// Removes links whose time is over.
pub(crate) async fn sweep(tx: &SystemTx, now_us: i64) -> Result<u64, Error> {
    tx.delete::<Entity>().filter(Column::ExpiresUs.lte(now_us)).exec().await
}
