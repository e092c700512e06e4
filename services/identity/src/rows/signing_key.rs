//! Keys that tokens are signed with: the private half sealed, generations without a gap.

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) generation: i32,
    pub(crate) kid: String,
    pub(crate) sealed: Vec<u8>,
    /// The public half: 32 bytes in base64url.
    pub(crate) public: String,
    pub(crate) created_us: i64,
    pub(crate) signs_from_us: i64,
    pub(crate) retired_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keys that are not retired, oldest first.
pub(crate) async fn live(tx: &SystemTx) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::RetiredUs.is_null())
        .order_by(Column::Generation, Order::Asc)
        .all()
        .await
}

/// The highest generation that was ever made; 0 before the first.
pub(crate) async fn generation(tx: &SystemTx) -> Result<i32, Error> {
    let newest = tx.find::<Entity>().order_by(Column::Generation, Order::Desc).one().await?;
    Ok(newest.map_or(0, |row| row.generation))
}

/// Keeps a new key; false when another process made that generation first.
pub(crate) async fn insert(tx: &SystemTx, new: &Model) -> Result<bool, Error> {
    Ok(tx.insert_ignore(vec![ActiveModel::from(new.clone())]).await? == 1)
}

/// Retires keys and wipes their private halves.
pub(crate) async fn retire(tx: &SystemTx, ids: &[Uuid], now_us: i64) -> Result<u64, Error> {
    tx.update::<Entity>()
        .set(Column::RetiredUs, now_us)
        .set(Column::Sealed, Vec::<u8>::new())
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::RetiredUs.is_null())
        .exec()
        .await
}
