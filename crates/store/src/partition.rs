//! Partitions by range of the UUIDv7 id (ISO-34). PostgreSQL alone; tables are plain on SQLite.
//!
//! A job makes partitions ahead. Where a unit is about to insert an id that lies in none (the clock
//! jumped, or history is imported at Meta's own time), the insert is refused before it is sent, the
//! unit rolls back, a partition is made by a function of the schema's owner, and the unit runs
//! again. The default partition stays empty: rows in it would stop the real one from being made.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::begin::{Settings, begin};
use crate::config::{Backend, Shard};
use crate::error::Error;
use crate::job::{Job, JobError, JobRun, JobSpec};
use crate::pool::Which;
use crate::purpose::common;
use crate::raw::{own, read};
use crate::store::Store;

/// Partitions that are made ahead of the business clock.
const AHEAD: usize = 3;

/// The bounds of every partition, as far as this process has seen them.
#[derive(Default)]
pub(crate) struct Known(RwLock<Option<HashMap<String, Vec<Bounds>>>>);

/// From the first id that lies in a partition to the first that lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    from: Uuid,
    to: Uuid,
}

impl Known {
    fn is_loaded(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn is_partitioned(&self, table: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|tables| tables.contains_key(table))
    }

    /// Whether a partition holds `id`; true for a plain table.
    pub(crate) fn covers(&self, table: &str, id: Uuid) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = known.as_ref().and_then(|tables| tables.get(table));
        bounds.is_none_or(|bounds| bounds.iter().any(|one| one.from <= id && id < one.to))
    }

    fn add(&self, table: &str, bounds: Bounds) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_table = known.get_or_insert_default().entry(table.to_owned()).or_default();
        if !of_table.contains(&bounds) {
            of_table.push(bounds);
        }
    }

    fn replace(&self, tables: HashMap<String, Vec<Bounds>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(tables);
    }

    fn tables(&self) -> Vec<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|tables| tables.keys().cloned().collect()).unwrap_or_default()
    }

    fn older_than(&self, table: &str, id: Uuid) -> Vec<Bounds> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = known.as_ref().and_then(|tables| tables.get(table));
        let old = bounds.into_iter().flatten().filter(|one| one.to <= id);
        old.copied().collect()
    }
}

/// The two ids of `FOR VALUES FROM ('…') TO ('…')`; none for the default partition.
fn parse(bound: &str) -> Option<Bounds> {
    let mut quoted = bound.split('\'').skip(1).step_by(2).map(str::parse::<Uuid>);
    let (from, to) = (quoted.next()?.ok()?, quoted.next()?.ok()?);
    Some(Bounds { from, to })
}

/// The millisecond that a UUIDv7 starts with.
fn millis_of(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}

/// The lowest id of a millisecond.
fn first_of(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.as_micros() / 1_000).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[derive(FromQueryResult)]
struct Listed {
    parent: String,
    bound: Option<String>,
}

#[derive(FromQueryResult)]
struct Made {
    lo: Uuid,
    hi: Uuid,
}

impl Store {
    /// Reads the bounds of all partitions, before the first write of this process.
    pub(crate) async fn know_partitions(&self) -> Result<(), Error> {
        if self.inner.known.is_loaded() {
            return Ok(());
        }
        self.read_partitions().await
    }

    async fn read_partitions(&self) -> Result<(), Error> {
        if self.backend() == Backend::Sqlite {
            self.inner.known.replace(HashMap::new());
            return Ok(());
        }
        let text = "SELECT parent.relname::text AS parent, \
                pg_get_expr(child.relpartbound, child.oid) AS bound \
            FROM pg_class parent JOIN pg_namespace n ON n.oid = parent.relnamespace \
            LEFT JOIN pg_inherits i ON i.inhparent = parent.oid \
            LEFT JOIN pg_class child ON child.oid = i.inhrelid \
            WHERE parent.relkind = 'p' AND n.nspname = current_schema()";
        let settings = Settings::System(common::PARTITIONS);
        let core = begin(&self.inner, Which::SystemRead, settings).await?;
        let rows = core.rows(own(&core, text, Vec::new())?).await?;
        core.end(true).await?;
        let mut tables: HashMap<String, Vec<Bounds>> = HashMap::new();
        for listed in read::<Listed>(&rows)? {
            let bounds = tables.entry(listed.parent).or_default();
            bounds.extend(listed.bound.as_deref().and_then(parse));
        }
        self.inner.known.replace(tables);
        Ok(())
    }

    /// Has a partition made that holds `id`.
    pub(crate) async fn make_partition(&self, table: &str, id: Uuid) -> Result<(), Error> {
        self.make(table, millis_of(id)).await.map(drop)
    }

    async fn make(&self, table: &str, at_ms: i64) -> Result<Bounds, Error> {
        let made: Made = self
            .system(common::PARTITIONS, Shard::ONLY, |tx| async move {
                let text = "SELECT lo, hi FROM partition_make({1}, {2})";
                let binds = vec![table.into(), at_ms.into()];
                let rows = tx.core.rows(own(&tx.core, text, binds)?).await?;
                read::<Made>(&rows)?.pop().ok_or_else(|| Error::internal("make a partition"))
            })
            .await?;
        let bounds = Bounds { from: made.lo, to: made.hi };
        self.inner.known.add(table, bounds);
        Ok(bounds)
    }

    /// Makes the partition of the present and three ahead, where they are missing.
    pub async fn ensure_partitions(&self, table: &str) -> Result<(), Error> {
        if self.backend() == Backend::Sqlite {
            return Ok(());
        }
        let mut at_ms = self.now().as_micros() / 1_000;
        for _ in 0..=AHEAD {
            at_ms = millis_of(self.make(table, at_ms).await?.to);
        }
        Ok(())
    }

    /// Drops partitions whose rows are all older than `keep`; the function refuses what lies within
    /// the table's least retention. Answers how many went.
    pub async fn drop_partitions(&self, table: &str, keep: Duration) -> Result<u64, Error> {
        if self.backend() == Backend::Sqlite {
            return Ok(0);
        }
        self.read_partitions().await?;
        let horizon = first_of(self.now() - keep);
        let mut dropped = 0;
        for bounds in self.inner.known.older_than(table, horizon) {
            let at_ms = millis_of(bounds.from);
            self.system(common::PARTITIONS, Shard::ONLY, |tx| async move {
                let text = "SELECT partition_drop({1}, {2})";
                let binds = vec![table.into(), at_ms.into()];
                tx.core.rows(own(&tx.core, text, binds)?).await.map(drop)
            })
            .await?;
            dropped += 1;
        }
        self.read_partitions().await?;
        Ok(dropped)
    }
}

/// The job that makes partitions ahead of time and drops those past their retention.
pub struct PartitionJob {
    store: Store,
    /// How long rows of a table are kept; tables not named here are kept for ever.
    keep: HashMap<&'static str, Duration>,
}

impl PartitionJob {
    /// For all partitioned tables of the store's schema.
    pub const fn new(store: Store, keep: HashMap<&'static str, Duration>) -> Self {
        Self { store, keep }
    }
}

#[async_trait]
impl Job for PartitionJob {
    fn spec(&self) -> JobSpec {
        JobSpec::every("store.partitions", Duration::from_hours(1))
    }

    async fn run(&self, _: JobRun) -> Result<(), JobError> {
        self.store.read_partitions().await?;
        for table in self.store.inner.known.tables() {
            self.store.ensure_partitions(&table).await?;
            if let Some(keep) = self.keep.get(table.as_str()) {
                self.store.drop_partitions(&table, *keep).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_half_open() {
        let known = Known::default();
        let id = |millis: u128| Uuid::from_u128(millis << 80);
        known.replace(HashMap::from([("note".to_owned(), Vec::new())]));
        assert!(known.is_partitioned("note"));
        assert!(!known.covers("note", id(5)));
        known.add("note", Bounds { from: id(5), to: id(9) });
        assert!(known.covers("note", id(5)));
        assert!(!known.covers("note", id(9)));
        assert!(known.covers("plain", id(1)));
    }

    #[test]
    fn the_default_partition_has_no_bounds() {
        assert_eq!(parse("DEFAULT"), None);
        let bound = "FOR VALUES FROM ('01940000-0000-0000-0000-000000000000') \
            TO ('01950000-0000-0000-0000-000000000000')";
        assert_eq!(parse(bound).map(|bounds| millis_of(bounds.from)), Some(0x0194_0000_0000));
    }
}
