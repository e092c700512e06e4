//! What could not be placed, verbatim, with the reason. One row an app and element: Meta's repeats are the same thing.

use sea_orm::{Condition, ExprTrait as _, Order, entity::prelude::*};
use store::{Bind, Error, RawSql, SystemTx};

use super::{Touched, whole};
use crate::domain::{
    piece::{Kind, Piece},
    place::Reason,
};

/// One element.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) app_id: String,
    pub(crate) environment: String,
    pub(crate) seen_key: Uuid,
    pub(crate) waba_meta_id: String,
    pub(crate) number_meta_id: String,
    pub(crate) field: String,
    pub(crate) kind: String,
    pub(crate) element: String,
    pub(crate) metadata: String,
    pub(crate) contact: String,
    pub(crate) entry_time_s: i64,
    pub(crate) raw_id: Uuid,
    pub(crate) at_index: i64,
    pub(crate) received_us: i64,
    pub(crate) traceparent: Option<String>,
    pub(crate) reason: String,
    /// How often it was tried to be placed since it stands here.
    pub(crate) attempts: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn row(id: Uuid, piece: &Piece, reason: Reason) -> Model {
    Model {
        id,
        app_id: piece.app_id.clone(),
        environment: piece.environment.clone(),
        seen_key: piece.seen_key,
        waba_meta_id: piece.waba_meta_id.clone(),
        number_meta_id: piece.number_meta_id.clone(),
        field: piece.field.clone(),
        kind: piece.kind.as_str().to_owned(),
        element: piece.element.clone(),
        metadata: piece.metadata.clone(),
        contact: piece.contact.clone(),
        entry_time_s: piece.entry_time_s,
        raw_id: piece.raw_id,
        at_index: piece.index.into(),
        received_us: piece.received_us,
        traceparent: piece.traceparent.clone(),
        reason: reason.as_str().to_owned(),
        attempts: 0,
    }
}

impl From<Model> for Piece {
    fn from(row: Model) -> Self {
        Self {
            app_id: row.app_id,
            environment: row.environment,
            waba_meta_id: row.waba_meta_id,
            number_meta_id: row.number_meta_id,
            field: row.field,
            kind: Kind::parse(&row.kind),
            element: row.element,
            metadata: row.metadata,
            contact: row.contact,
            entry_time_s: row.entry_time_s,
            seen_key: row.seen_key,
            raw_id: row.raw_id,
            index: u32::try_from(row.at_index).unwrap_or_default(),
            received_us: row.received_us,
            traceparent: row.traceparent,
        }
    }
}

/// Keeps pieces, those that stand here already left as they are; answers how many are new. By order of their keys, so that
/// two workers never wait for each other in a ring.
pub(crate) async fn keep(tx: &SystemTx, left: &[(&Piece, Reason)]) -> Result<u64, Error> {
    if left.is_empty() {
        return Ok(0);
    }
    let mut left = left.to_vec();
    left.sort_by(|(a, _), (b, _)| (&a.app_id, a.seen_key).cmp(&(&b.app_id, b.seen_key)));
    left.dedup_by(|(a, _), (b, _)| a.app_id == b.app_id && a.seen_key == b.seen_key);
    let mint = || tx.ids().v7(tx.now());
    let rows = left.into_iter().map(|(piece, reason)| row(mint(), piece, reason));
    let rows: Vec<ActiveModel> = rows.map(whole).collect();
    tx.insert_ignore(rows).await
}

/// Rows of a page, one more than wanted.
pub(crate) async fn page(
    tx: &SystemTx,
    after: Option<Uuid>,
    order: Order,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>();
    let rest = match (after, &order) {
        (Some(after), Order::Asc) => all.filter(Column::Id.gt(after)),
        (Some(after), _) => all.filter(Column::Id.lt(after)),
        (None, _) => all,
    };
    rest.order_by(Column::Id, order).limit(limit).all().await
}

/// One row, locked.
pub(crate) async fn lock(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).for_update().one().await
}

/// Rows after an id and not after another, oldest first, locked; those in other hands are left out.
pub(crate) async fn range(
    tx: &SystemTx,
    after: Uuid,
    last: Uuid,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let between = Condition::all().add(Column::Id.gt(after)).add(Column::Id.lte(last));
    let found = tx.find::<Entity>().filter(between).order_by(Column::Id, Order::Asc).limit(limit);
    found.for_update_skip_locked().all().await
}

/// Rows whose WABA, app, environment and number fit together now, oldest first, locked; those in other hands are left out.
pub(crate) async fn placeable(tx: &SystemTx, limit: i64) -> Result<Vec<Model>, Error> {
    // The rule of `domain::place` for reasons that pass. What is found here and still has no place (it is too large, or
    // older than the claim) gets a reason that stays, and so is never found again in vain.
    const PLACEABLE: &str = "SELECT q.id AS id FROM quarantine q WHERE {purpose} \
         AND q.reason IN ('unknown_waba', 'two_holders', 'wrong_app', 'wrong_environment', 'unknown_number', 'number_elsewhere') \
         AND (SELECT count(*) FROM waba h WHERE h.meta_id = q.waba_meta_id AND h.state <> 'released') = 1 \
         AND EXISTS (SELECT 1 FROM waba w WHERE w.meta_id = q.waba_meta_id AND w.state <> 'released' \
             AND w.app_id = q.app_id AND w.environment = q.environment \
             AND (q.metadata = '' OR q.number_meta_id = '' OR EXISTS (SELECT 1 FROM number n \
                 WHERE n.meta_id = q.number_meta_id AND n.tenant_id = w.tenant_id AND n.waba_id = w.waba_id))) \
         ORDER BY q.id LIMIT {1}";
    let found: Vec<Touched> = tx.raw(RawSql::both(PLACEABLE, vec![limit.into()])).all().await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let ids = found.into_iter().map(|row| row.id);
    let rows = tx.find::<Entity>().filter(Column::Id.is_in(ids));
    rows.order_by(Column::Id, Order::Asc).for_update_skip_locked().all().await
}

/// The newest row's id.
pub(crate) async fn newest(tx: &SystemTx) -> Result<Option<Uuid>, Error> {
    let newest = tx.find::<Entity>().order_by(Column::Id, Order::Desc).columns([Column::Id]);
    Ok(newest.one_as::<Touched>().await?.map(|row| row.id))
}

/// Takes rows out.
pub(crate) async fn remove(tx: &SystemTx, ids: &[Uuid]) -> Result<u64, Error> {
    if ids.is_empty() {
        return Ok(0);
    }
    tx.delete::<Entity>().filter(Column::Id.is_in(ids.iter().copied())).exec().await
}

/// Counts a try that placed nothing, with the reason as it is now; `None` leaves the one that stands there.
pub(crate) async fn tried(
    tx: &SystemTx,
    ids: &[Uuid],
    reason: Option<Reason>,
) -> Result<(), Error> {
    let mut rows = tx.update::<Entity>().set(Column::Attempts, Expr::col(Column::Attempts).add(1));
    if let Some(reason) = reason {
        rows = rows.set(Column::Reason, reason.as_str());
    }
    rows.filter(Column::Id.is_in(ids.iter().copied())).exec().await.map(drop)
}

/// Takes out what stands for whole deliveries that are worked on again.
pub(crate) async fn reopen(tx: &SystemTx, deliveries: &[Uuid]) -> Result<(), Error> {
    let whole = Column::Kind.eq(Kind::Delivery.as_str());
    let of_these = Column::RawId.is_in(deliveries.iter().copied());
    tx.delete::<Entity>().filter(whole.and(of_these)).exec().await.map(drop)
}

/// Removes at most `limit` rows that were received before an instant.
pub(crate) async fn forget(tx: &SystemTx, before_us: i64, limit: i64) -> Result<u64, Error> {
    const FORGET: &str = "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_us < {1} \
         ORDER BY id LIMIT {2}) AND {purpose}";
    let binds: Vec<Bind> = vec![before_us.into(), limit.into()];
    tx.raw(RawSql::both(FORGET, binds)).exec().await
}
