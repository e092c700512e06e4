//! The facts: one row a counted thing, kept, and the narrow table that counts each of them once.
//!
//! `fact` is partitioned by its id (ISO-34), so what must be unique stands in `fact_key`: (tenant, message, measure).

use std::collections::{HashMap, HashSet};

use kernel::time::Timestamp;
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::Order};
use store::{Error, SystemTx, tenanted};

use crate::domain::count::{Fact, Measure};

/// One counted thing.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fact")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) number_id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) measure: String,
    pub(crate) category: String,
    pub(crate) origin: String,
    pub(crate) reason: String,
    pub(crate) at_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

/// What was counted already.
pub(crate) mod key {
    use sea_orm::entity::prelude::*;
    use store::tenanted;

    /// One (message, measure).
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "fact_key")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) message_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) measure: String,
        pub(crate) waba_id: Uuid,
        /// As which fact it counts.
        pub(crate) fact_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    tenanted!(Entity, waba);
}

/// What a fact is counted once by: tenant, message, measure.
pub(crate) type Key = (Uuid, Uuid, &'static str);

/// The key of a fact.
pub(crate) const fn key_of(fact: &Fact) -> Key {
    (fact.tenant, fact.message, fact.measure.as_str())
}

/// What came of facts that were kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Those of what nobody had counted before.
    pub(crate) new: Vec<Fact>,
    /// Those of what was counted in a way that is less sure …
    pub(crate) surer: Vec<Fact>,
    /// … and how that was, one for one.
    pub(crate) displaced: Vec<Fact>,
}

/// Keeps facts, one a key and in the order of their keys.
pub(crate) async fn keep(tx: &SystemTx, facts: Vec<Fact>) -> Result<Kept, Error> {
    let keys = facts.iter().map(|fact| key::ActiveModel {
        tenant_id: Set(fact.tenant),
        message_id: Set(fact.message),
        measure: Set(fact.measure.as_str().to_owned()),
        waba_id: Set(fact.waba),
        fact_id: Set(fact.id),
    });
    let new = tx.insert_new(keys.collect()).await?;
    let new: HashSet<Uuid> = new.into_iter().map(|row| row.fact_id).collect();
    let (new, again): (Vec<Fact>, Vec<Fact>) =
        facts.into_iter().partition(|fact| new.contains(&fact.id));
    let rows = new.iter().map(|fact| ActiveModel {
        tenant_id: Set(fact.tenant),
        id: Set(fact.id),
        waba_id: Set(fact.waba),
        number_id: Set(fact.number),
        message_id: Set(fact.message),
        measure: Set(fact.measure.as_str().to_owned()),
        category: Set(fact.category.clone()),
        origin: Set(fact.origin.clone()),
        reason: Set(fact.reason.clone()),
        at_us: Set(fact.at.as_micros()),
    });
    tx.insert_many(rows.collect()).await?;
    let mut kept = Kept { new, ..Kept::default() };
    let mut before = counted(tx, &again).await?;
    for fact in again {
        let Some(before) = before.remove(&key_of(&fact)) else { continue };
        if fact.is_surer_than(&before) {
            replace(tx, &before, &fact).await?;
            kept.surer.push(fact);
            kept.displaced.push(before);
        }
    }
    Ok(kept)
}

/// How what these facts tell was counted before, held until the end of the unit. Told twice is rare, in two ways rarer.
async fn counted(tx: &SystemTx, facts: &[Fact]) -> Result<HashMap<Key, Fact>, Error> {
    if facts.is_empty() {
        return Ok(HashMap::new());
    }
    let tenants: HashSet<Uuid> = facts.iter().map(|fact| fact.tenant).collect();
    let messages = facts.iter().map(|fact| fact.message);
    let wanted: HashSet<Key> = facts.iter().map(key_of).collect();
    let keys = tx
        .find::<key::Entity>()
        .filter(key::Column::TenantId.is_in(tenants.clone()))
        .filter(key::Column::MessageId.is_in(messages))
        .order_by(key::Column::TenantId, Order::Asc)
        .order_by(key::Column::MessageId, Order::Asc)
        .order_by(key::Column::Measure, Order::Asc)
        .for_update()
        .all()
        .await?;
    let ids = keys.into_iter().map(|row| row.fact_id);
    let rows = tx
        .find::<Entity>()
        .filter(Column::TenantId.is_in(tenants))
        .filter(Column::Id.is_in(ids))
        .all()
        .await?;
    let facts = rows.into_iter().map(Fact::try_from).collect::<Result<Vec<_>, _>>()?;
    let counted = facts.into_iter().map(|fact| (key_of(&fact), fact));
    Ok(counted.filter(|(key, _)| wanted.contains(key)).collect())
}

/// Puts a fact in the place of one that is less sure. Index: the primary key.
async fn replace(tx: &SystemTx, before: &Fact, fact: &Fact) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::Category, fact.category.as_str())
        .set(Column::Origin, fact.origin.as_str())
        .set(Column::Reason, fact.reason.as_str())
        .set(Column::AtUs, fact.at.as_micros())
        .filter(Column::TenantId.eq(before.tenant))
        .filter(Column::Id.eq(before.id))
        .exec()
        .await
        .map(drop)
}

impl TryFrom<Model> for Fact {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let measure = Measure::parse(&row.measure);
        Ok(Self {
            id: row.id,
            tenant: row.tenant_id,
            waba: row.waba_id,
            number: row.number_id,
            message: row.message_id,
            measure: measure.ok_or_else(|| Error::bad_row("fact", row.measure.clone()))?,
            category: row.category,
            origin: row.origin,
            reason: row.reason,
            at: Timestamp::from_micros(row.at_us),
        })
    }
}
