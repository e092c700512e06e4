//! What a unit of system work may do: claims over all tenants of a shard, read models, leases.
//!
//! A [`SystemTx`] has no tenant; it has a purpose, which lists the tables that it may touch. That
//! list is held by code on both databases and by policies on PostgreSQL. For a tenant it acts by an
//! [`Acting`], made from a row that it has just read (ISO-1).

use std::sync::Arc;

use auth::Acting;
use kernel::id::{EventId, TenantId, WabaId};
use kernel::ids::Ids;
use kernel::time::Timestamp;
use sea_orm::sea_query::Condition;
use sea_orm::{ActiveModelTrait, EntityTrait, Value};
use uuid::Uuid;

use crate::config::Backend;
use crate::error::Error;
use crate::find::Find;
use crate::outbox::Event;
use crate::purpose::Purpose;
use crate::raw::{Raw, RawReach, RawSql};
use crate::tenanted::Tenanted;
use crate::tx::TxCore;
use crate::write::{Delete, Guard, Taken, Update, table};
use crate::{inbox, outbox, write};

/// A handle to the transaction of a unit of system work.
#[derive(Clone)]
pub struct SystemTx {
    pub(crate) core: Arc<TxCore>,
    purpose: Purpose,
}

impl SystemTx {
    pub(crate) const fn new(core: Arc<TxCore>, purpose: Purpose) -> Self {
        Self { core, purpose }
    }

    fn allowed<E: EntityTrait>(&self) -> Result<Condition, Error> {
        self.purpose.check(&table::<E>()).map(|()| Condition::all())
    }

    /// A query over a table that the purpose lists.
    pub fn find<E: EntityTrait>(&self) -> Find<E> {
        Find::new(Arc::clone(&self.core), self.allowed::<E>())
    }

    /// Inserts one row.
    pub async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), Error> {
        self.insert_many(vec![row]).await.map(drop)
    }

    /// Inserts rows in as few statements as the databases take.
    pub async fn insert_many<A: ActiveModelTrait>(&self, rows: Vec<A>) -> Result<u64, Error> {
        self.allowed::<A::Entity>()?;
        write::insert(&self.core, rows, &Anyone, Taken::Fail).await
    }

    /// Inserts rows, leaves out those whose key is taken, and answers how many went in.
    pub async fn insert_ignore<A: ActiveModelTrait>(&self, rows: Vec<A>) -> Result<u64, Error> {
        self.allowed::<A::Entity>()?;
        write::insert(&self.core, rows, &Anyone, Taken::Ignore).await
    }

    /// The same, answering the rows that went in.
    pub async fn insert_new<A: ActiveModelTrait>(
        &self,
        rows: Vec<A>,
    ) -> Result<Vec<<A::Entity as EntityTrait>::Model>, Error> {
        self.allowed::<A::Entity>()?;
        write::insert_returning(&self.core, rows, &Anyone, Taken::Ignore).await
    }

    /// Changes rows of a table that the purpose lists.
    pub fn update<E: EntityTrait>(&self) -> Update<E> {
        Update::new(Arc::clone(&self.core), self.allowed::<E>(), Box::new(Anyone))
    }

    /// Removes rows of a table that the purpose lists.
    pub fn delete<E: EntityTrait>(&self) -> Delete<E> {
        Delete::new(Arc::clone(&self.core), self.allowed::<E>())
    }

    /// A statement in SQL; see [`RawSql`] for its holes. The tables that it names are held to the
    /// purpose's list.
    pub fn raw(&self, sql: RawSql) -> Raw {
        Raw::new(Arc::clone(&self.core), sql, &RawReach::System(self.purpose))
    }

    /// Says that raw SQL is about to insert these ids into a partitioned table.
    pub fn will_insert(&self, table: &str, ids: &[Uuid]) -> Result<(), Error> {
        ids.iter().try_for_each(|id| write::in_partition(&self.core, table, *id))
    }

    /// The right to act for the tenant and the WABA of a row that was just read here.
    pub fn acting<E: Tenanted>(&self, row: &E::Model) -> Acting {
        self.acting_for(E::tenant_of(row), E::waba_of(row))
    }

    /// The same for a row that raw SQL read.
    pub fn acting_for(&self, tenant: Uuid, waba: Option<Uuid>) -> Acting {
        let tenant = TenantId::from_uuid(tenant);
        let waba = waba.map(WabaId::from_uuid);
        #[expect(clippy::disallowed_methods, reason = "the one birth of an Acting (ISO-1)")]
        Acting::for_row(self.purpose.name(), tenant, waba)
    }

    /// Writes an event beside the change that it tells of.
    pub async fn publish(&self, event: Event) -> Result<(), Error> {
        self.publish_many(vec![event]).await
    }

    /// Writes several events.
    pub async fn publish_many(&self, events: Vec<Event>) -> Result<(), Error> {
        outbox::insert(&self.core, events).await
    }

    /// Records events as handled by `consumer`; true for those that were not before (DEL-4).
    pub async fn first_time(&self, consumer: &str, events: &[EventId]) -> Result<Vec<bool>, Error> {
        inbox::first_time(&self.core, consumer, events).await
    }

    /// Business time; the same value throughout the unit.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Where ids and randomness come from.
    pub fn ids(&self) -> &dyn Ids {
        &*self.core.inner.ids
    }

    /// What this work is for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Which database this runs on.
    pub fn backend(&self) -> Backend {
        self.core.backend()
    }
}

/// System work writes rows of any tenant; its tables are what limits it.
struct Anyone;

impl<E: EntityTrait> Guard<E> for Anyone {
    fn check(&self, _: E::Column, _: Option<&Value>) -> Result<(), Error> {
        Ok(())
    }

    fn must(&self) -> Vec<E::Column> {
        Vec::new()
    }
}
