//! Resellers. Outside the tenants: the operator's own list.

use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::page::Asked;
use store::{Error, SystemTx};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partner")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A partner.
pub(crate) async fn get(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// Whether there is such a partner.
pub(crate) async fn exists(tx: &SystemTx, id: Uuid) -> Result<bool, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).exists().await
}

/// Puts a new partner down.
pub(crate) async fn insert(tx: &SystemTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}

/// A page of partners.
pub(crate) async fn page(tx: &SystemTx, asked: &Asked) -> Result<Vec<Model>, Error> {
    tx.find::<Entity>().page(Column::Id, asked).all().await
}

/// Partners after an id, for a snapshot.
pub(crate) async fn after(
    tx: &SystemTx,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>();
    let rest = match after {
        Some(id) => all.filter(Column::Id.gt(id)),
        None => all,
    };
    rest.order_by(Column::Id, Order::Asc).limit(limit).all().await
}
