//! Statuses whose wamid no message has yet: applied when the POST's answer brings it.

use sea_orm::entity::prelude::*;

/// A row of `orphan_status`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orphan_status")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) meta_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) status: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) participant: String,
    pub(crate) waba_id: Uuid,
    pub(crate) element: String,
    pub(crate) received_us: i64,
    pub(crate) traceparent: Option<String>,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{NumberId, WabaId};
use kernel::time::Timestamp;
use sea_orm::ActiveValue::Set;
use store::{Error, ScopedTx};

/// A status whose message is not known yet.
#[derive(Debug, Clone)]
pub(crate) struct Orphan {
    /// Of which number.
    pub(crate) number: NumberId,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// The wamid.
    pub(crate) meta_id: String,
    /// Meta's word.
    pub(crate) status: String,
    /// Member of a group; empty else.
    pub(crate) participant: String,
    /// The element verbatim.
    pub(crate) element: String,
    /// When it reached us.
    pub(crate) received: Timestamp,
    /// Trace of the delivery.
    pub(crate) traceparent: Option<String>,
}

/// Keeps statuses; one that is kept already is left alone.
pub(crate) async fn keep(tx: &ScopedTx, orphans: Vec<Orphan>) -> Result<(), Error> {
    if orphans.is_empty() {
        return Ok(());
    }
    let rows = orphans.into_iter().map(|orphan| ActiveModel {
        tenant_id: Set(tx.tenant().uuid()),
        number_id: Set(orphan.number.uuid()),
        meta_id: Set(orphan.meta_id),
        status: Set(orphan.status),
        participant: Set(orphan.participant),
        waba_id: Set(orphan.waba.uuid()),
        element: Set(orphan.element),
        received_us: Set(orphan.received.as_micros()),
        traceparent: Set(orphan.traceparent),
    });
    tx.insert_ignore(rows.collect::<Vec<_>>()).await.map(drop)
}

/// Takes out what is kept for these wamids.
pub(crate) async fn take(tx: &ScopedTx, wamids: &[String]) -> Result<Vec<Model>, Error> {
    if wamids.is_empty() {
        return Ok(Vec::new());
    }
    let of = || Column::MetaId.is_in(wamids.iter().map(String::as_str));
    let found = tx.find::<Entity>().filter(of()).all().await?;
    if !found.is_empty() {
        tx.delete::<Entity>().filter(of()).exec().await?;
    }
    Ok(found)
}

/// A kept status whose message is known by now.
#[derive(Debug, Clone, sea_orm::FromQueryResult)]
pub(crate) struct Adoptable {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Of which WABA.
    pub(crate) waba_id: Uuid,
    /// Its wamid.
    pub(crate) wamid: String,
}

/// Kept statuses whose wamid leads to a message now. Index: the primary key of `message_meta_id`.
pub(crate) async fn adoptable(tx: &store::SystemTx, rows: u64) -> Result<Vec<Adoptable>, Error> {
    let sql = "SELECT o.tenant_id, o.waba_id, o.meta_id AS wamid FROM orphan_status AS o \
        JOIN message_meta_id AS m ON m.tenant_id = o.tenant_id AND m.number_id = o.number_id \
            AND m.direction = 'out' AND m.meta_id = o.meta_id \
        WHERE {purpose} LIMIT {1}";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    tx.raw(store::RawSql::both(sql, vec![rows.into()])).all::<Adoptable>().await
}
