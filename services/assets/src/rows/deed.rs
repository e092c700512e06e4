//! What was asked of Meta: a row before the call, and how it ended after it. One that has no end is settled by a worker.

use sea_orm::{ExprTrait as _, FromQueryResult, entity::prelude::*};
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

/// Under way, or its process died.
pub(crate) const ASKED: &str = "asked";
/// It holds.
pub(crate) const DONE: &str = "done";
/// Meta said no, or never had it.
pub(crate) const FAILED: &str = "failed";
/// It never reached Meta: the same request may be made again.
pub(crate) const UNSENT: &str = "unsent";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deed")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    /// The template or number.
    pub(crate) subject_id: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    /// What is asked, as JSON.
    pub(crate) body: String,
    /// How it failed.
    pub(crate) error: Option<String>,
    pub(crate) attempts: i64,
    /// The machine's time.
    pub(crate) created_us: i64,
    /// When a worker may look at it, the machine's time.
    pub(crate) due_us: i64,
    /// Until when a worker holds it, by the database's clock.
    pub(crate) lease_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// A row that was claimed.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Due {
    pub(crate) tenant_id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) id: Uuid,
}

/// Puts one down.
pub(crate) async fn insert(tx: &ScopedTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}

/// One within reach.
pub(crate) async fn get(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// One within reach, its row locked.
pub(crate) async fn lock(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).for_update().one().await
}

/// Whether something of this kind, or any change where none is named, is under way with a thing.
pub(crate) async fn is_under_way(
    tx: &ScopedTx,
    subject: Uuid,
    kind: Option<&str>,
) -> Result<bool, Error> {
    let all =
        tx.find::<Entity>().filter(Column::SubjectId.eq(subject).and(Column::State.eq(ASKED)));
    match kind {
        Some(kind) => all.filter(Column::Kind.eq(kind)).exists().await,
        None => all.filter(Column::Kind.ne("read")).exists().await,
    }
}

/// Writes how one stands now.
pub(crate) async fn save(tx: &ScopedTx, row: &Model) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::State, row.state.clone())
        .set(Column::Error, row.error.clone())
        .set(Column::Attempts, row.attempts)
        .set(Column::DueUs, row.due_us)
        .set(Column::LeaseUs, row.lease_us)
        .filter(Column::Id.eq(row.id))
        .exec()
        .await
        .map(drop)
}

/// Claims those whose end is open and due.
pub(crate) async fn claim(
    tx: &SystemTx,
    now_us: i64,
    lease_us: i64,
    most: i64,
) -> Result<Vec<Due>, Error> {
    // Index deed (state, due_us).
    const SQL: &str = "UPDATE deed SET lease_us = {db_now} + {2} WHERE (tenant_id, id) IN \
         (SELECT tenant_id, id FROM deed WHERE state = 'asked' AND due_us <= {1} AND lease_us < {db_now} \
          AND {purpose} ORDER BY due_us LIMIT {3} {skip_locked}) RETURNING tenant_id, waba_id, id";
    let binds: Vec<Bind> = vec![now_us.into(), lease_us.into(), most.into()];
    tx.raw(RawSql::both(SQL, binds)).all().await
}

/// Removes those that ended before then: no repetition of their request can come any more.
pub(crate) async fn sweep(tx: &SystemTx, before_us: i64) -> Result<u64, Error> {
    tx.delete::<Entity>()
        .filter(Column::State.ne(ASKED).and(Column::CreatedUs.lt(before_us)))
        .exec()
        .await
}
