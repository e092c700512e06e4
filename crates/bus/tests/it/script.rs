//! A consumer that does what a test tells it to, and writes its effect into a table that every
//! schema has (`readmodel`, which means nothing else here).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::EventId;
use sea_orm::ActiveValue::Set;
use store::purpose::common::PROGRESS;
use store::{RawSql, Shard, Store, SystemTx};

/// What to do with one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Apply,
    Panic,
    Poison,
    Wait,
    Unknown,
    Mismatch,
    Away,
    /// Do the work and lose the answer to the commit.
    ApplyUnheard,
    /// Never come back, as a handler whose process is killed.
    Hang,
}

/// Says what to do: the event, and how often it was handled before.
pub(crate) type Plan = dyn Fn(&Envelope, usize) -> Act + Send + Sync;

#[derive(Clone)]
pub(crate) struct Script {
    group: &'static str,
    store: Store,
    plan: Arc<Plan>,
    seen: Arc<Mutex<HashMap<EventId, usize>>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Script {
    pub(crate) fn new(
        group: &'static str,
        store: &Store,
        plan: impl Fn(&Envelope, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self {
            group,
            store: store.clone(),
            plan: Arc::new(plan),
            seen: Arc::default(),
            batches: Arc::default(),
        }
    }

    /// How often the event was given to the handler.
    pub(crate) fn tries(&self, event: EventId) -> usize {
        self.seen.lock().unwrap().get(&event).copied().unwrap_or(0)
    }

    /// Sizes of the batches that the handler was given.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Consumer for Script {
    fn group(&self) -> &'static str {
        self.group
    }

    fn bindings(&self) -> Vec<String> {
        vec!["sample.#".to_owned()]
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        self.batches.lock().unwrap().push(batch.len());
        let acts: Vec<Act> = {
            let mut seen = self.seen.lock().unwrap();
            let act = |envelope: &Envelope| {
                let times = seen.entry(envelope.id).or_default();
                *times += 1;
                (self.plan)(envelope, *times - 1)
            };
            batch.iter().map(act).collect()
        };
        assert!(!acts.contains(&Act::Panic), "told to panic");
        if acts.contains(&Act::Hang) {
            std::future::pending::<()>().await;
        }
        if acts.contains(&Act::Away) {
            return Err(Failure::transient("told to be away"));
        }
        let apply: Vec<&Envelope> = batch
            .iter()
            .zip(&acts)
            .filter(|(_, act)| matches!(act, Act::Apply | Act::ApplyUnheard))
            .map(|(e, _)| e)
            .collect();
        self.store.system(PROGRESS, Shard::ONLY, |tx| apply_all(tx, self.group, &apply)).await?;
        if acts.contains(&Act::ApplyUnheard) {
            return Err(Failure::transient("told to lose the answer"));
        }
        let verdict = |act: &Act| match act {
            Act::Poison => Verdict::Poison("told to fail".to_owned()),
            Act::Wait => Verdict::Wait("a parent".to_owned()),
            Act::Unknown => Verdict::Unknown("a type".to_owned()),
            Act::Mismatch => Verdict::ScopeMismatch,
            // The others did not come so far.
            Act::Apply | Act::Panic | Act::Away | Act::ApplyUnheard | Act::Hang => Verdict::Done,
        };
        Ok(acts.iter().map(verdict).collect())
    }
}

/// The effect, behind the inbox, in one transaction.
pub(crate) async fn apply_all(
    tx: SystemTx,
    group: &str,
    batch: &[&Envelope],
) -> Result<(), store::Error> {
    let ids: Vec<EventId> = batch.iter().map(|envelope| envelope.id).collect();
    let first = tx.first_time(group, &ids).await?;
    let mut rows = Vec::new();
    for (envelope, _) in batch.iter().zip(first).filter(|(_, first)| *first) {
        rows.push(effect::ActiveModel {
            name: Set(format!("{group}/{}", tx.ids().v7(tx.now()))),
            after_id: Set(Some(envelope.id.uuid())),
            complete: Set(true),
            differences: Set(envelope.version),
            updated_us: Set(0),
        });
    }
    if !rows.is_empty() {
        tx.insert_many(rows).await?;
    }
    Ok(())
}

/// How often the effect of each event happened in a group.
pub(crate) async fn effects(store: &Store, group: &str) -> HashMap<EventId, usize> {
    let rows = store
        .system_read(PROGRESS, Shard::ONLY, |tx: SystemTx| async move {
            tx.find::<effect::Entity>().all().await
        })
        .await
        .unwrap();
    let mut counts = HashMap::new();
    let prefix = format!("{group}/");
    for row in rows.into_iter().filter(|row| row.name.starts_with(&prefix)) {
        *counts.entry(EventId::from_uuid(row.after_id.unwrap())).or_default() += 1;
    }
    counts
}

/// A read model that keeps the highest version of each aggregate (I7).
pub(crate) struct Versions {
    store: Store,
}

impl Versions {
    pub(crate) fn new(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    pub(crate) async fn of(store: &Store, aggregate: uuid::Uuid) -> Option<i64> {
        let rows = store
            .system_read(PROGRESS, Shard::ONLY, |tx: SystemTx| async move {
                tx.find::<effect::Entity>().all().await
            })
            .await
            .unwrap();
        rows.into_iter().find(|row| row.name == aggregate.to_string()).map(|row| row.differences)
    }
}

#[async_trait::async_trait]
impl Consumer for Versions {
    fn group(&self) -> &'static str {
        "versions"
    }

    fn bindings(&self) -> Vec<String> {
        vec!["sample.#".to_owned()]
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let upsert = "INSERT INTO readmodel (name, complete, differences, updated_us) \
            SELECT {1}, {2}, {3}, 0 WHERE {purpose} \
            ON CONFLICT (name) DO UPDATE SET differences = excluded.differences \
            WHERE readmodel.differences < excluded.differences";
        let unit = |tx: SystemTx| async move {
            let ids: Vec<EventId> = batch.iter().map(|envelope| envelope.id).collect();
            let first = tx.first_time("versions", &ids).await?;
            for (envelope, _) in batch.iter().zip(first).filter(|(_, first)| *first) {
                let binds = vec![
                    envelope.aggregate.to_string().into(),
                    true.into(),
                    envelope.version.into(),
                ];
                tx.raw(RawSql::both(upsert, binds)).exec().await?;
            }
            Ok::<_, store::Error>(())
        };
        self.store.system(PROGRESS, Shard::ONLY, unit).await?;
        Ok(vec![Verdict::Done; batch.len()])
    }
}

/// The table of effects.
pub(crate) mod effect {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "readmodel")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub after_id: Option<Uuid>,
        pub complete: bool,
        pub differences: i64,
        pub updated_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
