//! What a unit of work of one tenant may do.
//!
//! A [`ScopedTx`] reaches the rows of its caller's tenant and WABAs: by a predicate in every
//! statement on both databases, and again by row-level security on PostgreSQL. Dropping the
//! process mid-way leaves nothing of the unit.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth::Wabas;
use kernel::id::{EventId, TenantId, WabaId};
use kernel::ids::Ids;
use kernel::time::Timestamp;
use sea_orm::sea_query::Condition;
use sea_orm::{ActiveModelTrait, EntityTrait, FromQueryResult, IdenStatic, Value};
use uuid::Uuid;

use crate::config::Backend;
use crate::error::Error;
use crate::find::Find;
use crate::idempotency::{Claimed, KeyClaim, StoredAnswer};
use crate::outbox::Event;
use crate::raw::{self, Bind, Raw, RawReach, RawSql};
use crate::tenanted::{Tenanted, reach_condition};
use crate::tx::TxCore;
use crate::write::{Delete, Guard, Taken, Update, table};
use crate::{idempotency, inbox, outbox, write};

/// A handle to the transaction of one tenant's unit. Cloning it is cheap; keeping one beyond the
/// unit is an error at its commit.
#[derive(Clone)]
pub struct ScopedTx {
    core: Arc<TxCore>,
    reach: Arc<Reached>,
}

/// Whose rows a unit reaches.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) tenant: TenantId,
    pub(crate) wabas: Wabas,
    /// Debug builds alone: the predicates are left out and row-level security is on its own.
    pub(crate) blind: bool,
}

impl ScopedTx {
    pub(crate) const fn new(core: Arc<TxCore>, reach: Arc<Reached>) -> Self {
        Self { core, reach }
    }

    fn condition<E: Tenanted>(&self) -> Condition {
        if self.reach.blind {
            return Condition::all();
        }
        reach_condition::<E>(self.reach.tenant.uuid(), &self.reach.wabas)
    }

    fn guard(&self) -> Reached {
        (*self.reach).clone()
    }

    /// A query over a table's rows within reach.
    pub fn find<E: Tenanted>(&self) -> Find<E> {
        Find::new(Arc::clone(&self.core), Ok(self.condition::<E>()))
    }

    /// Inserts one row.
    pub async fn insert<A>(&self, row: A) -> Result<(), Error>
    where
        A: ActiveModelTrait,
        A::Entity: Tenanted,
    {
        self.insert_many(vec![row]).await.map(drop)
    }

    /// Inserts rows in as few statements as the databases take.
    pub async fn insert_many<A>(&self, rows: Vec<A>) -> Result<u64, Error>
    where
        A: ActiveModelTrait,
        A::Entity: Tenanted,
    {
        write::insert(&self.core, rows, &self.guard(), Taken::Fail).await
    }

    /// Inserts rows, leaves out those whose key is taken, and answers how many went in.
    pub async fn insert_ignore<A>(&self, rows: Vec<A>) -> Result<u64, Error>
    where
        A: ActiveModelTrait,
        A::Entity: Tenanted,
    {
        write::insert(&self.core, rows, &self.guard(), Taken::Ignore).await
    }

    /// The same, answering the rows that went in: what is not among them was there before.
    pub async fn insert_new<A>(
        &self,
        rows: Vec<A>,
    ) -> Result<Vec<<A::Entity as EntityTrait>::Model>, Error>
    where
        A: ActiveModelTrait,
        A::Entity: Tenanted,
    {
        write::insert_returning(&self.core, rows, &self.guard(), Taken::Ignore).await
    }

    /// Changes rows within reach.
    pub fn update<E: Tenanted>(&self) -> Update<E> {
        let core = Arc::clone(&self.core);
        Update::new(core, Ok(self.condition::<E>()), Box::new(self.guard()))
    }

    /// Removes rows within reach.
    pub fn delete<E: Tenanted>(&self) -> Delete<E> {
        Delete::new(Arc::clone(&self.core), Ok(self.condition::<E>()))
    }

    /// A statement in SQL; see [`RawSql`] for its holes.
    pub fn raw(&self, sql: RawSql) -> Raw {
        let reach = RawReach::Tenant {
            tenant: self.reach.tenant,
            wabas: self.reach.wabas.clone(),
            blind: self.reach.blind,
        };
        Raw::new(Arc::clone(&self.core), sql, &reach)
    }

    /// Says that raw SQL is about to insert these ids into a partitioned table.
    pub fn will_insert(&self, table: &str, ids: &[Uuid]) -> Result<(), Error> {
        ids.iter().try_for_each(|id| write::in_partition(&self.core, table, *id))
    }

    /// Writes an event of this tenant beside the change that it tells of.
    pub async fn publish(&self, event: Event) -> Result<(), Error> {
        self.publish_many(vec![event]).await
    }

    /// Writes several events of this tenant.
    pub async fn publish_many(&self, events: Vec<Event>) -> Result<(), Error> {
        let tenant = self.reach.tenant.uuid();
        for event in &events {
            let waba = event.waba.map(WabaId::from_uuid);
            let within = waba.is_none_or(|waba| self.reach.holds(waba));
            if event.tenant != Some(tenant) || !within {
                return Err(Error::ForeignRow { table: "outbox".to_owned() });
            }
        }
        outbox::insert(&self.core, events).await
    }

    /// Records events as handled by `consumer`; true for those that were not before (DEL-4). First
    /// in the unit of their effect.
    pub async fn first_time(&self, consumer: &str, events: &[EventId]) -> Result<Vec<bool>, Error> {
        inbox::first_time(&self.core, consumer, events).await
    }

    /// Takes an idempotency key: `None` when this is its first request (DEL-7).
    pub async fn claim_key(&self, claim: &KeyClaim) -> Result<Option<StoredAnswer>, Error> {
        idempotency::claim(&self.core, self.reach.tenant, claim).await
    }

    /// Takes several keys at once, each with the answer that is known beforehand.
    pub async fn claim_keys(&self, claims: &[(KeyClaim, Vec<u8>)]) -> Result<Vec<Claimed>, Error> {
        idempotency::claim_many(&self.core, self.reach.tenant, claims).await
    }

    /// Keeps the answer to the request that took this key.
    pub async fn keep_answer(&self, claim: &KeyClaim, answer: Vec<u8>) -> Result<(), Error> {
        idempotency::keep(&self.core, self.reach.tenant, claim, answer).await
    }

    /// This crate's own statements over a tenant's tables; each names its tenant itself.
    pub(crate) async fn own(&self, text: &str, binds: Vec<Bind>) -> Result<u64, Error> {
        self.core.execute(raw::own(&self.core, text, binds)?).await
    }

    pub(crate) async fn own_rows<M: FromQueryResult>(
        &self,
        text: &str,
        binds: Vec<Bind>,
    ) -> Result<Vec<M>, Error> {
        raw::read(&self.core.rows(raw::own(&self.core, text, binds)?).await?)
    }

    /// Business time; the same value throughout the unit.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Where ids and randomness come from.
    pub fn ids(&self) -> &dyn Ids {
        &*self.core.inner.ids
    }

    /// Whose unit this is.
    pub fn tenant(&self) -> TenantId {
        self.reach.tenant
    }

    /// Which of the tenant's WABAs it reaches.
    pub fn wabas(&self) -> &Wabas {
        &self.reach.wabas
    }

    /// Which database this runs on.
    pub fn backend(&self) -> Backend {
        self.core.backend()
    }
}

impl Reached {
    pub(crate) fn holds(&self, waba: WabaId) -> bool {
        self.wabas.contains(waba)
    }

    fn few(&self) -> Option<&BTreeSet<WabaId>> {
        match &self.wabas {
            Wabas::All => None,
            Wabas::Only(few) => Some(few),
        }
    }
}

impl<E: Tenanted> Guard<E> for Reached {
    fn check(&self, column: E::Column, value: Option<&Value>) -> Result<(), Error> {
        let given = match value {
            Some(Value::Uuid(given)) => *given,
            Some(_) | None => None,
        };
        let within = if column.as_str() == E::TENANT.as_str() {
            given == Some(self.tenant.uuid())
        } else {
            match (given, self.few()) {
                (Some(waba), _) => self.holds(WabaId::from_uuid(waba)),
                // A row without a WABA is the whole tenant's: not for those who see a part.
                (None, few) => few.is_none(),
            }
        };
        // Left to row-level security where a test wants to see it work.
        if within || self.blind {
            return Ok(());
        }
        Err(Error::ForeignRow { table: table::<E>() })
    }

    fn must(&self) -> Vec<E::Column> {
        [Some(E::TENANT), E::WABA].into_iter().flatten().collect()
    }
}
