//! How often somebody tried, exact over all replicas (AUTH-6). A bucket's name is a hash or a
//! network, never an address of mail.

use sea_orm::ActiveValue::Set;
use sea_orm::Order;
use sea_orm::entity::prelude::*;
use store::{Error, SystemTx};

use crate::domain::throttle::Bucket;

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "throttle")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) bucket: String,
    pub(crate) attempts: i32,
    pub(crate) started_us: i64,
    pub(crate) blocked_until_us: i64,
    pub(crate) updated_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Model> for Bucket {
    fn from(row: &Model) -> Self {
        Self {
            attempts: row.attempts,
            started_us: row.started_us,
            blocked_until_us: row.blocked_until_us,
            updated_us: row.updated_us,
        }
    }
}

/// These buckets, made where they are missing and locked in one order.
pub(crate) async fn lock(
    tx: &SystemTx,
    names: &[String],
    now_us: i64,
) -> Result<Vec<Model>, Error> {
    let mut names = names.to_vec();
    names.sort_unstable();
    let fresh = names.iter().map(|name| ActiveModel {
        bucket: Set(name.clone()),
        attempts: Set(0),
        started_us: Set(now_us),
        blocked_until_us: Set(0),
        updated_us: Set(now_us),
    });
    tx.insert_ignore(fresh.collect()).await?;
    tx.find::<Entity>()
        .filter(Column::Bucket.is_in(names))
        .order_by(Column::Bucket, Order::Asc)
        .for_update()
        .all()
        .await
}

/// Writes a bucket down.
pub(crate) async fn keep(tx: &SystemTx, name: &str, bucket: Bucket) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::Attempts, bucket.attempts)
        .set(Column::StartedUs, bucket.started_us)
        .set(Column::BlockedUntilUs, bucket.blocked_until_us)
        .set(Column::UpdatedUs, bucket.updated_us)
        .filter(Column::Bucket.eq(name))
        .exec()
        .await
        .map(drop)
}

/// Removes buckets that nobody used since an instant.
pub(crate) async fn sweep(tx: &SystemTx, before_us: i64) -> Result<u64, Error> {
    tx.delete::<Entity>()
        .filter(Column::UpdatedUs.lt(before_us))
        .filter(Column::BlockedUntilUs.lt(before_us))
        .exec()
        .await
}
