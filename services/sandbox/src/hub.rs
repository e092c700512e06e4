//! What all parts share: the world behind its lock, the clock, the readers, and the hand-over to
//! the writer. Answers wait for their commit; webhooks and later steps are handed on only after it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::clock::{SystemClock, WallClock};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::disk::WebhookRow;
use crate::error::Error;
use crate::limits::Both;
use crate::steps::Step;
use crate::world::{Pending, World};

/// Things handed from the writer to a worker.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    items: Mutex<Vec<T>>,
    pub(crate) wake: Notify,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { items: Mutex::default(), wake: Notify::new() }
    }
}

impl<T> Inbox<T> {
    pub(crate) fn put(&self, items: Vec<T>) {
        if !items.is_empty() {
            self.items.lock().unwrap_or_else(PoisonError::into_inner).extend(items);
            self.wake.notify_one();
        }
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) readers: SqlitePool,
    pub(crate) http: reqwest::Client,
    /// Where answers say that this server is, when the caller named no host.
    pub(crate) base_url: String,
    pub(crate) deliveries: Inbox<WebhookRow>,
    pub(crate) steps: Inbox<Step>,
    /// Flush: every undelivered webhook is due now.
    pub(crate) flush: watch::Sender<u64>,
    /// Webhook sequences that were tried, for `webhook_first`.
    pub(crate) tried: broadcast::Sender<i64>,
    /// Ends long polls when the server stops.
    pub(crate) closing: CancellationToken,
    world: Mutex<World>,
    wake_writer: Notify,
    committed: watch::Sender<u64>,
}

/// The writer is gone: nothing can be promised any more.
#[derive(Debug)]
pub(crate) struct Gone;

impl Core {
    pub(crate) fn new(
        config: Config,
        clock: Clock,
        readers: SqlitePool,
        http: reqwest::Client,
        base_url: String,
        world: World,
    ) -> Self {
        Self {
            config,
            clock,
            readers,
            http,
            base_url,
            deliveries: Inbox::default(),
            steps: Inbox::default(),
            flush: watch::Sender::new(0),
            tried: broadcast::Sender::new(1_024),
            closing: CancellationToken::new(),
            world: Mutex::new(world),
            wake_writer: Notify::new(),
            committed: watch::Sender::new(0),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the world.
    pub(crate) fn peek<R>(&self, read: impl FnOnce(&mut World) -> R) -> R {
        read(&mut self.world())
    }

    /// Changes the world for nobody who waits: the change is on disk a little later.
    pub(crate) fn note<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = {
            let mut world = self.world();
            let result = change(&mut world);
            world.ticket += 1;
            result
        };
        self.wake_writer.notify_one();
        result
    }

    /// Changes the world and answers when the change is on disk.
    pub(crate) async fn act<R>(&self, change: impl FnOnce(&mut World) -> R) -> Result<R, Gone> {
        let (result, ticket) = {
            let mut world = self.world();
            let result = change(&mut world);
            let waits = !world.pending.batch.is_empty() || !world.pending.steps.is_empty();
            if waits {
                world.ticket += 1;
            }
            (result, waits.then_some(world.ticket))
        };
        if let Some(ticket) = ticket {
            self.wake_writer.notify_one();
            let mut committed = self.committed.subscribe();
            // When the server stops the writer still drains; after that nobody will answer.
            let stopped = async {
                self.closing.cancelled().await;
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            };
            tokio::select! {
                biased;
                reached = committed.wait_for(|done| *done >= ticket) => {
                    reached.map_err(|_closed| Gone)?;
                }
                () = stopped => return Err(Gone),
            }
        }
        Ok(result)
    }

    /// Business time.
    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Both clocks at once.
    pub(crate) fn both(&self) -> Both {
        Both { machine: Instant::now(), business_us: self.now_us() }
    }

    pub(crate) fn media_path(&self, id: &str) -> PathBuf {
        self.config.data.join("media").join(id)
    }

    /// Writes whatever gathers, until `stop`; then the rest.
    pub(crate) async fn write(
        &self,
        mut connection: SqliteConnection,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        loop {
            let (pending, ticket) = {
                let mut world = self.world();
                (std::mem::take(&mut world.pending), world.ticket)
            };
            let Pending { batch, steps } = pending;
            if batch.is_empty() && steps.is_empty() {
                if stop.is_cancelled() {
                    return Ok(());
                }
                tokio::select! {
                    () = self.wake_writer.notified() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            if !batch.is_empty() {
                batch.write(&mut connection).await?;
            }
            self.committed.send_replace(ticket);
            self.deliveries.put(batch.webhooks);
            self.steps.put(steps);
        }
    }
}

/// The machine's clock, in microseconds; for the anchor on disk alone.
pub(crate) fn wall_us() -> i64 {
    WallClock::now(&SystemClock).as_micros()
}
