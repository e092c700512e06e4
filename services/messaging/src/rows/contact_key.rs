//! What leads to a contact: a BSUID (`b:`) or a number without its optional digit (`p:`), one owner each in a portfolio.

use sea_orm::entity::prelude::*;

/// A row of `contact_key`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact_key")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) portfolio_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key: String,
    pub(crate) contact_id: Uuid,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity);

use kernel::id::ContactId;
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// Where keys of these portfolios lead. Index: the primary key.
pub(crate) async fn find(
    tx: &ScopedTx,
    portfolios: Vec<Uuid>,
    keys: Vec<String>,
) -> Result<Vec<Model>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>()
        .filter(Column::PortfolioId.is_in(portfolios))
        .filter(Column::Key.is_in(keys))
        .all()
        .await
}

/// Stores keys and answers those that were free.
pub(crate) async fn insert_new(
    tx: &ScopedTx,
    keys: Vec<(Uuid, String, ContactId)>,
) -> Result<Vec<Model>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = keys.into_iter().map(|(portfolio, key, contact)| ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        portfolio_id: Set(portfolio),
        key: Set(key),
        contact_id: Set(contact.uuid()),
    });
    tx.insert_new(rows.collect::<Vec<_>>()).await
}

/// Lets a key lead to another contact.
pub(crate) async fn repoint(
    tx: &ScopedTx,
    portfolio: Uuid,
    key: &str,
    to: ContactId,
) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::ContactId, to.uuid())
        .filter(Column::PortfolioId.eq(portfolio))
        .filter(Column::Key.eq(key))
        .exec()
        .await
        .map(drop)
}
