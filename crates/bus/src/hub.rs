//! One tail a process, routed in memory to whoever follows it: live streams by (tenant, WABA), caches by all.
//!
//! Promises that a follower either hears every item since it subscribed or is told `Resync`: when the tail was
//! opened anew, and when the follower fell 1,000 items behind, after which it ends and must subscribe again
//! (after reading the state from the database). Nothing durable hangs on it; a scope is checked again by the
//! stream that sends an item out (ISO-8).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::Wabas;
use kernel::id::{TenantId, WabaId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::transport::{Bus, TailItem, TailSpec};

/// How far a follower may fall behind.
const LAG: usize = 1_000;
/// How long the hub waits before it tries to open its tail again.
const AGAIN: Duration = Duration::from_millis(500);

/// The process's tail and its followers. Cheap to clone.
#[derive(Clone)]
pub struct TailHub {
    bus: Arc<dyn Bus>,
    spec: TailSpec,
    followers: Arc<Followers>,
}

#[derive(Default)]
struct Followers {
    table: Mutex<Table>,
    next: AtomicU64,
    live: AtomicBool,
}

#[derive(Default)]
struct Table {
    by_tenant: HashMap<Uuid, HashMap<u64, Follower>>,
    of_all: HashMap<u64, Follower>,
}

struct Follower {
    wabas: Wabas,
    items: mpsc::Sender<Heard>,
    lagged: Arc<AtomicBool>,
}

/// What a follower hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// An event.
    Event(Arc<Envelope>),
    /// Items were lost: read the state again.
    Resync,
}

impl TailHub {
    /// A hub over a tail that `run` will open.
    pub fn new(bus: Arc<dyn Bus>, service: &str, bindings: Vec<String>) -> Self {
        let spec = TailSpec { service: service.to_owned(), bindings };
        Self { bus, spec, followers: Arc::default() }
    }

    /// Reads the tail until `stop`, whatever the bus does meanwhile; then every follower's stream ends.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(opened) = stop.run_until_cancelled(self.bus.tail(self.spec.clone())).await {
            match opened {
                Ok(mut tail) => {
                    self.followers.live.store(true, Ordering::Release);
                    // Those who subscribed before it was open may have missed something.
                    self.followers.resync();
                    while let Some(item) = stop.run_until_cancelled(tail.next()).await {
                        match item {
                            TailItem::Event(envelope) => self.followers.route(envelope),
                            TailItem::Resync => self.followers.resync(),
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the tail cannot be opened; trying again"
                    );
                    stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
                }
            }
        }
        self.followers.live.store(false, Ordering::Release);
        self.followers.end();
    }

    /// Whether the tail is open.
    pub fn is_live(&self) -> bool {
        self.followers.live.load(Ordering::Acquire)
    }

    /// Follows what names this tenant and one of these WABAs. An event that names no WABA is heard by those
    /// alone who reach all of them.
    pub fn subscribe(&self, tenant: TenantId, wabas: Wabas) -> Following {
        self.follow(Some(tenant.uuid()), wabas)
    }

    /// Follows everything, for caches that must drop what changed.
    pub fn subscribe_all(&self) -> Following {
        self.follow(None, Wabas::All)
    }

    fn follow(&self, tenant: Option<Uuid>, wabas: Wabas) -> Following {
        let (sender, items) = mpsc::channel(LAG);
        let lagged = Arc::new(AtomicBool::new(false));
        let number = self.followers.next.fetch_add(1, Ordering::Relaxed);
        let follower = Follower { wabas, items: sender, lagged: Arc::clone(&lagged) };
        let mut table = self.followers.lock();
        match tenant {
            Some(tenant) => table.by_tenant.entry(tenant).or_default().insert(number, follower),
            None => table.of_all.insert(number, follower),
        };
        drop(table);
        Following { items, lagged, number, tenant, followers: Arc::clone(&self.followers) }
    }
}

impl fmt::Debug for TailHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailHub").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, envelope: Envelope) {
        let envelope = Arc::new(envelope);
        let waba = envelope.waba.map(WabaId::from_uuid);
        let mut table = self.lock();
        table.of_all.retain(|_, follower| follower.tell(Heard::Event(Arc::clone(&envelope))));
        let Some(tenant) = envelope.tenant else { return };
        let Some(group) = table.by_tenant.get_mut(&tenant) else { return };
        group.retain(|_, follower| {
            !follower.wants(waba) || follower.tell(Heard::Event(Arc::clone(&envelope)))
        });
    }

    fn resync(&self) {
        let mut table = self.lock();
        table.of_all.retain(|_, follower| follower.tell(Heard::Resync));
        for group in table.by_tenant.values_mut() {
            group.retain(|_, follower| follower.tell(Heard::Resync));
        }
    }

    fn end(&self) {
        *self.lock() = Table::default();
    }

    fn remove(&self, tenant: Option<Uuid>, number: u64) {
        let mut table = self.lock();
        match tenant {
            None => drop(table.of_all.remove(&number)),
            Some(tenant) => {
                if let Some(group) = table.by_tenant.get_mut(&tenant) {
                    group.remove(&number);
                    if group.is_empty() {
                        table.by_tenant.remove(&tenant);
                    }
                }
            }
        }
    }
}

impl Follower {
    fn wants(&self, waba: Option<WabaId>) -> bool {
        match (&self.wabas, waba) {
            (Wabas::All, _) => true,
            (Wabas::Only(some), Some(waba)) => some.contains(&waba),
            (Wabas::Only(_), None) => false,
        }
    }

    /// Whether the follower is still to be kept.
    fn tell(&self, item: Heard) -> bool {
        match self.items.try_send(item) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagged.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// One follower's stream.
pub struct Following {
    items: mpsc::Receiver<Heard>,
    lagged: Arc<AtomicBool>,
    number: u64,
    tenant: Option<Uuid>,
    followers: Arc<Followers>,
}

impl Following {
    /// The next item; `None` once the hub stopped, or after the `Resync` that says that this one fell behind.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.items.recv().await {
            Some(item) => Some(item),
            None => self.lagged.swap(false, Ordering::AcqRel).then_some(Heard::Resync),
        }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followers.remove(self.tenant, self.number);
    }
}
