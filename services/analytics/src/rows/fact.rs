//! The facts: one row a counted thing, kept, and the narrow table that counts each of them once.
//!
//! `fact` is partitioned by its id (ISO-34), so what must be unique stands in `fact_key`: (tenant, message, measure).

use std::collections::HashSet;

use sea_orm::{ActiveValue::Set, entity::prelude::*};
use store::{Error, SystemTx, tenanted};

use crate::domain::count::Fact;

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
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    tenanted!(Entity, waba);
}

/// Keeps facts, and answers those that nobody had counted before.
pub(crate) async fn keep(tx: &SystemTx, facts: Vec<Fact>) -> Result<Vec<Fact>, Error> {
    let keys = facts.iter().map(|fact| key::ActiveModel {
        tenant_id: Set(fact.tenant),
        message_id: Set(fact.message),
        measure: Set(fact.measure.as_str().to_owned()),
        waba_id: Set(fact.waba),
    });
    let new = tx.insert_new(keys.collect()).await?;
    let mut new: HashSet<_> =
        new.into_iter().map(|row| (row.tenant_id, row.message_id, row.measure)).collect();
    let fresh =
        |fact: &Fact| new.remove(&(fact.tenant, fact.message, fact.measure.as_str().to_owned()));
    let mut fresh_facts = facts;
    fresh_facts.retain(fresh);
    let rows = fresh_facts.iter().map(|fact| ActiveModel {
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
    Ok(fresh_facts)
}
