//! Sessions: one sign-in of one person in one place. A session that ended keeps its row until no
//! token of it can be alive.

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, SystemTx};

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) in_tenant: Option<Uuid>,
    pub(crate) in_partner: Option<Uuid>,
    /// The membership, or the place at a desk.
    pub(crate) place_id: Uuid,
    pub(crate) signed_in_us: i64,
    pub(crate) absolute_us: i64,
    pub(crate) ended_us: Option<i64>,
    pub(crate) ended_why: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Starts a session.
pub(crate) async fn insert(tx: &SystemTx, new: &Model) -> Result<(), Error> {
    tx.insert(ActiveModel::from(new.clone())).await
}

/// One session.
pub(crate) async fn get(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// One session, locked.
pub(crate) async fn lock(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).for_update().one().await
}

/// Ends a session; false when it had ended.
pub(crate) async fn end(tx: &SystemTx, id: Uuid, now_us: i64, why: &str) -> Result<bool, Error> {
    end_where(tx, Column::Id.eq(id), now_us, why).await.map(|ended| ended > 0)
}

/// Ends the sessions of a place.
pub(crate) async fn end_of_place(
    tx: &SystemTx,
    place: Uuid,
    now_us: i64,
    why: &str,
) -> Result<u64, Error> {
    end_where(tx, Column::PlaceId.eq(place), now_us, why).await
}

/// Ends all sessions of a person.
pub(crate) async fn end_of_person(
    tx: &SystemTx,
    user: Uuid,
    now_us: i64,
    why: &str,
) -> Result<u64, Error> {
    end_where(tx, Column::UserId.eq(user), now_us, why).await
}

async fn end_where(
    tx: &SystemTx,
    which: sea_orm::sea_query::SimpleExpr,
    now_us: i64,
    why: &str,
) -> Result<u64, Error> {
    tx.update::<Entity>()
        .set(Column::EndedUs, now_us)
        .set(Column::EndedWhy, why)
        .filter(which)
        .filter(Column::EndedUs.is_null())
        .exec()
        .await
}

/// Sessions that ended after an instant.
pub(crate) async fn dead_since(tx: &SystemTx, since_us: i64) -> Result<Vec<(Uuid, i64)>, Error> {
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        id: Uuid,
        ended_us: i64,
    }
    const DEAD: &str = "SELECT id, ended_us FROM session WHERE ended_us > {1} AND {purpose}";
    let binds: Vec<Bind> = vec![since_us.into()];
    let rows: Vec<Row> = tx.raw(RawSql::both(DEAD, binds)).all().await?;
    Ok(rows.into_iter().map(|row| (row.id, row.ended_us)).collect())
}

/// Removes sessions that could not go on since before an instant, with their tokens; at most
/// `limit` of them.
pub(crate) async fn sweep(tx: &SystemTx, before_us: i64, limit: u64) -> Result<u64, Error> {
    let old =
        tx.find::<Entity>().filter(Column::AbsoluteUs.lt(before_us)).limit(limit).all().await?;
    let ids: Vec<Uuid> = old.into_iter().map(|row| row.id).collect();
    super::refresh_token::remove_of(tx, &ids).await?;
    tx.delete::<Entity>().filter(Column::Id.is_in(ids)).exec().await
}
