//! Leases with fencing tokens (DEL-2).
//!
//! The database's clock alone says when a lease ends. A holder renews all of its leases in one
//! statement at a third of their life and stops by its own monotonic clock at two thirds, counted
//! from before the statement was sent. A paused process can outlive any lease: what must not happen
//! twice rests on the row's compare-and-set and names the token, not on the lease. A dead process's
//! leases end by themselves.
//!
//! Renewed is what somebody has in hand, by name and token: a [`Lease`] that was dropped or released
//! ends with its life at the latest, whatever became of the statement that should have ended it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use kernel::ids::random_token;
use sea_orm::FromQueryResult;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{Bind, own, read};
use crate::store::Store;

/// How long a lease lasts unless a service says otherwise.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(15);
/// Names in one statement that takes leases.
const MOST_TAKEN: usize = 500;
/// Leases in one statement that renews or releases: two binds each, of the 32,766 that SQLite takes.
const MOST_NAMED: usize = 10_000;

/// The leases that one process holds under one name of its own.
#[derive(Clone)]
pub struct Leases {
    store: Store,
    owner: Arc<str>,
    life: Duration,
    started: Instant,
    /// What is renewed; an entry that nobody has in hand any more is dropped.
    held: Arc<Mutex<HashMap<String, Weak<Held>>>>,
}

/// A lease that this process held when it was last renewed. Clones are one lease, which is renewed
/// until it is released or the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Held>);

#[derive(Debug)]
struct Held {
    name: String,
    token: i64,
    started: Instant,
    /// Milliseconds after `started` at which the holder stops unless it is renewed.
    stop_at: AtomicU64,
}

impl Lease {
    /// What is leased.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Grows with every holder: a write that names an older one changes nothing.
    pub fn token(&self) -> i64 {
        self.0.token
    }

    /// Whether the holder may still act on it.
    pub fn is_live(&self) -> bool {
        millis(self.0.started.elapsed()) < self.0.stop_at.load(Ordering::Acquire)
    }

    fn renewed(&self, until: u64) {
        // One that was released meanwhile stays ended.
        let renew = |at: u64| (at > 0).then_some(until.max(at));
        self.0.stop_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, renew).ok();
    }

    fn end(&self) {
        self.0.stop_at.store(0, Ordering::Release);
    }
}

#[derive(PartialEq, Eq, Hash, FromQueryResult)]
struct Row {
    name: String,
    token: i64,
}

/// The condition that a row is one of so many leases, whose binds begin after the owner's and what
/// stands before it. The owner is named too: what was released in between is nobody's.
fn named(leases: &[Lease], before: usize) -> String {
    let pairs: Vec<String> = (0..leases.len())
        .map(|at| format!("({{{}}}, {{{}}})", before + 2 * at + 1, before + 2 * at + 2))
        .collect();
    format!("owner = {{{before}}} AND (name, token) IN (VALUES {})", pairs.join(", "))
}

fn names(leases: &[Lease]) -> impl Iterator<Item = Bind> {
    leases.iter().flat_map(|lease| [lease.name().into(), lease.token().into()])
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Leases {
    /// The leases of this process on `store`, each of which lasts `life`.
    pub fn new(store: Store, life: Duration) -> Self {
        let owner = random_token(&*store.inner.ids, 12).into();
        Self { store, owner, life, started: Instant::now(), held: Arc::default() }
    }

    /// Takes a lease, unless somebody holds it.
    pub async fn acquire(&self, name: &str) -> Result<Option<Lease>, Error> {
        Ok(self.acquire_some(&[name.to_owned()]).await?.pop())
    }

    /// Takes those of several leases that nobody holds, in one statement.
    pub async fn acquire_some(&self, names: &[String]) -> Result<Vec<Lease>, Error> {
        let mut taken = Vec::new();
        for names in names.chunks(MOST_TAKEN) {
            taken.append(&mut self.take(names).await?);
        }
        Ok(taken)
    }

    async fn take(&self, names: &[String]) -> Result<Vec<Lease>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let sent = Instant::now();
        let tuples: Vec<String> = (0..names.len())
            .map(|at| format!("({{{}}}, {{1}}, 1, {{db_now}} + {{2}})", at + 3))
            .collect();
        let text = format!(
            "INSERT INTO lease (name, owner, token, until_us) VALUES {} \
             ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = lease.token + 1, \
             until_us = excluded.until_us WHERE lease.until_us < {{db_now}} \
             RETURNING name, token",
            tuples.join(", ")
        );
        let text = &text;
        let rows: Vec<Row> = self
            .store
            .system(common::LEASES, Shard::ONLY, |tx| async move {
                let mut binds: Vec<Bind> = vec![(&*self.owner).into(), micros(self.life).into()];
                binds.extend(names.iter().map(|name| Bind::from(name.clone())));
                read(&tx.core.rows(own(&tx.core, text, binds)?).await?)
            })
            .await?;
        let stop_at = self.stop_at(sent);
        let lease = |row: Row| {
            Lease(Arc::new(Held {
                name: row.name,
                token: row.token,
                started: self.started,
                stop_at: AtomicU64::new(stop_at),
            }))
        };
        let leases: Vec<Lease> = rows.into_iter().map(lease).collect();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |lease: &Lease| (lease.name().to_owned(), Arc::downgrade(&lease.0));
        held.extend(leases.iter().map(entry));
        Ok(leases)
    }

    fn stop_at(&self, sent: Instant) -> u64 {
        millis(sent.duration_since(self.started) + self.life * 2 / 3)
    }

    /// What somebody still has in hand.
    fn in_hand(&self) -> Vec<Lease> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, lease| lease.strong_count() > 0);
        held.values().filter_map(Weak::upgrade).map(Lease).collect()
    }

    /// Renews all of them in one statement; answers those that were lost, which are ended.
    pub async fn renew_all(&self) -> Result<Vec<Lease>, Error> {
        let mut lost = Vec::new();
        for leases in self.in_hand().chunks(MOST_NAMED) {
            let sent = Instant::now();
            let text = format!(
                "UPDATE lease SET until_us = {{db_now}} + {{1}} WHERE {} RETURNING name, token",
                named(leases, 2)
            );
            let text = &text;
            let rows: Vec<Row> = self
                .store
                .system(common::LEASES, Shard::ONLY, |tx| async move {
                    let mut binds: Vec<Bind> =
                        vec![micros(self.life).into(), (&*self.owner).into()];
                    binds.extend(names(leases));
                    read(&tx.core.rows(own(&tx.core, text, binds)?).await?)
                })
                .await?;
            let stop_at = self.stop_at(sent);
            let ours: HashSet<Row> = rows.into_iter().collect();
            for lease in leases {
                if ours.contains(&Row { name: lease.name().to_owned(), token: lease.token() }) {
                    lease.renewed(stop_at);
                } else {
                    self.forget(lease);
                    lost.push(lease.clone());
                }
            }
        }
        Ok(lost)
    }

    fn forget(&self, lease: &Lease) {
        lease.end();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(lease.name()).is_some_and(|kept| kept.as_ptr() == Arc::as_ptr(&lease.0)) {
            held.remove(lease.name());
        }
    }

    /// Gives a lease back, so that the next one who asks has it at once. Where that fails it ends with
    /// its life: it is renewed no more.
    pub async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.release_some(std::slice::from_ref(lease)).await
    }

    /// Gives several back in one statement.
    pub async fn release_some(&self, leases: &[Lease]) -> Result<(), Error> {
        for lease in leases {
            self.forget(lease);
        }
        for leases in leases.chunks(MOST_NAMED) {
            let text =
                format!("UPDATE lease SET until_us = 0, owner = NULL WHERE {}", named(leases, 1));
            let text = &text;
            self.store
                .system(common::LEASES, Shard::ONLY, |tx| async move {
                    let mut binds: Vec<Bind> = vec![(&*self.owner).into()];
                    binds.extend(names(leases));
                    tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
                })
                .await?;
        }
        Ok(())
    }

    /// Gives all of them back, at drain: also what is ours by the table alone.
    pub async fn release_all(&self) -> Result<(), Error> {
        for lease in self.in_hand() {
            self.forget(&lease);
        }
        let text = "UPDATE lease SET until_us = 0, owner = NULL WHERE owner = {1}";
        self.store
            .system(common::LEASES, Shard::ONLY, |tx| async move {
                let binds = vec![(&*self.owner).into()];
                tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
            })
            .await
    }

    /// Renews at a third of a life until told to stop, then gives all of them back.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(self.life / 3);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.renew_all().await {
                // The holders stop by themselves at two thirds.
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "leases could not be renewed");
            }
        }
        self.release_all().await
    }
}

/// Ends every lease there is. Lawful where something else proves that no holder lives: the lock on
/// the folder of the embedded wiring.
pub async fn release_of_the_dead(store: &Store) -> Result<u64, Error> {
    store
        .system(common::LEASES, Shard::ONLY, |tx| async move {
            let text = "UPDATE lease SET until_us = 0, owner = NULL WHERE owner IS NOT NULL";
            tx.core.execute(own(&tx.core, text, Vec::new())?).await
        })
        .await
}
