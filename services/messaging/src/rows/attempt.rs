//! One POST of one message: committed before its first byte (I3), finished with what came of it. Evidence, also when the lease was lost meanwhile.

use sea_orm::entity::prelude::*;

/// A row of `attempt`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempt")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) message_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) n: i32,
    pub(crate) waba_id: Uuid,
    pub(crate) number_id: Uuid,
    pub(crate) counterpart: String,
    pub(crate) fence: i64,
    pub(crate) started_us: i64,
    pub(crate) ended_us: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) meta_id: Option<String>,
    pub(crate) code: Option<i64>,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use std::collections::HashSet;

use kernel::time::Timestamp;
use sea_orm::sea_query::Order;
use sea_orm::{ActiveValue::Set, FromQueryResult};
use serde::Serialize;
use store::{Error, RawSql, ScopedTx, SystemTx};

use crate::domain::message::Message;
use crate::rows::json;

/// Commits the attempts of messages that are about to be posted (I3).
pub(crate) async fn start(
    tx: &ScopedTx,
    messages: &[&Message],
    at: Timestamp,
) -> Result<(), Error> {
    let rows = messages.iter().filter_map(|message| {
        let outbound = message.outbound()?;
        Some(ActiveModel {
            tenant_id: Set(message.tenant.uuid()),
            message_id: Set(message.id.uuid()),
            n: Set(i32::try_from(outbound.attempts).unwrap_or(i32::MAX)),
            waba_id: Set(message.waba.uuid()),
            number_id: Set(message.number.uuid()),
            counterpart: Set(message.counterpart.clone()),
            fence: Set(outbound.fence),
            started_us: Set(at.as_micros()),
            ended_us: Set(None),
            outcome: Set(None),
            meta_id: Set(None),
            code: Set(None),
        })
    });
    tx.insert_many(rows.collect::<Vec<_>>()).await.map(drop)
}

/// What came of an attempt.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    /// Of which message.
    pub(crate) message_id: Uuid,
    /// Which attempt.
    pub(crate) n: i32,
    /// When.
    #[serde(rename = "ended_us")]
    pub(crate) at_us: i64,
    /// `accepted`, `refused`, `not_sent` or `unknown`.
    pub(crate) outcome: &'static str,
    /// Meta's wamid.
    pub(crate) meta_id: Option<String>,
    /// Meta's code.
    pub(crate) code: Option<i64>,
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromQueryResult)]
pub(crate) struct Which {
    /// Of which message.
    pub(crate) message_id: Uuid,
    /// Which.
    pub(crate) n: i32,
}

/// Writes what came of attempts, once each; answers those of which nothing was written before. Index: the
/// primary key.
pub(crate) async fn end(tx: &ScopedTx, ended: &[Ended]) -> Result<HashSet<Which>, Error> {
    if ended.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = RawSql {
        postgres: "UPDATE attempt SET ended_us = v.ended_us, outcome = v.outcome, \
            meta_id = v.meta_id, code = v.code \
            FROM json_to_recordset({1}::json) AS v(message_id uuid, n integer, ended_us bigint, \
                outcome text, meta_id text, code bigint) \
            WHERE attempt.tenant_id = {tenant} AND {wabas:attempt.waba_id} \
                AND attempt.message_id = v.message_id AND attempt.n = v.n \
                AND attempt.outcome IS NULL \
            RETURNING attempt.message_id, attempt.n",
        sqlite: "UPDATE attempt SET ended_us = v.ended_us, outcome = v.outcome, \
            meta_id = v.meta_id, code = v.code \
            FROM (SELECT unhex(replace(value ->> 'message_id', '-', '')) AS message_id, \
                value ->> 'n' AS n, value ->> 'ended_us' AS ended_us, \
                value ->> 'outcome' AS outcome, value ->> 'meta_id' AS meta_id, \
                value ->> 'code' AS code FROM json_each({1})) AS v \
            WHERE attempt.tenant_id = {tenant} AND {wabas:attempt.waba_id} \
                AND attempt.message_id = v.message_id AND attempt.n = v.n \
                AND attempt.outcome IS NULL \
            RETURNING message_id, n",
        binds: vec![json(ended)?.into()],
    };
    let rows = tx.raw(sql).all::<Which>().await?;
    Ok(rows.into_iter().collect())
}

/// Which attempt a wamid belongs to.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct ByWamid {
    /// Of which message.
    pub(crate) message_id: Uuid,
    /// Which attempt.
    pub(crate) n: i32,
    /// Its wamid.
    pub(crate) meta_id: Option<String>,
}

/// The attempts of messages, for telling a word about an older one apart.
pub(crate) async fn of_messages(tx: &ScopedTx, messages: Vec<Uuid>) -> Result<Vec<ByWamid>, Error> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>()
        .columns([Column::MessageId, Column::N, Column::MetaId])
        .filter(Column::MessageId.is_in(messages))
        .all_as::<ByWamid>()
        .await
}

/// A POST of the last minutes.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Recent {
    /// To whom.
    pub(crate) counterpart: String,
    /// When.
    pub(crate) started_us: i64,
}

/// A number's POSTs since `since`: what its buckets are built again from (OVL-7). Index:
/// `(number_id, started_us)`.
pub(crate) async fn recent(
    tx: &SystemTx,
    number: Uuid,
    since: Timestamp,
) -> Result<Vec<Recent>, Error> {
    tx.find::<Entity>()
        .columns([Column::Counterpart, Column::StartedUs])
        .filter(Column::NumberId.eq(number))
        .filter(Column::StartedUs.gt(since.as_micros()))
        .order_by(Column::StartedUs, Order::Asc)
        .limit(100_000)
        .all_as::<Recent>()
        .await
}
