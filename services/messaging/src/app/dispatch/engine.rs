//! The loop of the dispatcher: find, claim, pick, send, and give back. One task owns all state; sends
//! run beside it and report when they are done.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kernel::id::{MessageId, NumberId, TenantId};
use store::Shard;
use store::lease::{Lease, Leases, release_of_the_dead};
use store::purpose::messaging::DISPATCH;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Dispatcher;
use super::number::{Deferred, Held, Waiting};
use super::post::{Finished, Left, Send};
use super::takeover::{lease_name, take_over};
use crate::domain::dispatch::FairShare;
use crate::domain::message::Class;
use crate::domain::sender::Sender;
use crate::error::Error;
use crate::rows::{message, sender};

/// How long the loop rests after the database failed it.
const REST: Duration = Duration::from_secs(1);
/// How long a number that others hold, or that was given up, is left alone before its lease is asked for
/// again.
const OTHERS: Duration = Duration::from_secs(2);

/// Dispatches until `stop`; then gives back what is claimed and lets what is on the wire end.
pub(crate) async fn run(by: Dispatcher, stop: CancellationToken) -> Result<(), Error> {
    if by.config.sole_owner {
        release_of_the_dead(&by.store).await?;
    }
    let leases = Leases::new(by.store.clone(), Duration::from_millis(by.config.lease_ttl_ms));
    let leases_stop = CancellationToken::new();
    let mut engine = Engine::new(by, leases.clone());
    let renewing = leases.run(leases_stop.clone());
    let working = async {
        let worked = engine.work(&stop).await;
        engine.drain().await;
        leases_stop.cancel();
        worked
    };
    let (worked, renewed) = tokio::join!(working, renewing);
    worked?;
    renewed?;
    Ok(())
}

struct Engine {
    by: Dispatcher,
    leases: Leases,
    started: Instant,
    numbers: BTreeMap<NumberId, Held>,
    /// Numbers of each tenant, in turn.
    of: BTreeMap<TenantId, VecDeque<NumberId>>,
    fair: FairShare<TenantId>,
    /// Numbers that are left to others, and until when we do not ask.
    others: BTreeMap<Uuid, Duration>,
    sends: JoinSet<Finished>,
    deferred: Vec<Deferred>,
    next_look: Duration,
}

impl Engine {
    fn new(by: Dispatcher, leases: Leases) -> Self {
        Self {
            by,
            leases,
            started: Instant::now(),
            numbers: BTreeMap::new(),
            of: BTreeMap::new(),
            fair: FairShare::default(),
            others: BTreeMap::new(),
            sends: JoinSet::new(),
            deferred: Vec::new(),
            next_look: Duration::ZERO,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            if let Err(error) = self.round().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the dispatcher could not work; trying again"
                );
                stop.run_until_cancelled(tokio::time::sleep(REST)).await;
            }
            self.rest(stop).await;
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<(), Error> {
        self.give_up().await;
        if self.now() >= self.next_look {
            self.look().await?;
            self.next_look = self.now() + Duration::from_millis(self.by.config.poll_ms);
        }
        self.claim().await?;
        self.launch();
        self.give_back_deferred().await
    }

    /// Waits until a send ends, something is accepted, a number has room again, or it is time to look.
    async fn rest(&mut self, stop: &CancellationToken) {
        let now = self.now();
        let mut until = self.next_look;
        let full = self.sends.len() >= self.by.config.in_flight;
        for held in self.numbers.values().filter(|held| !full && !held.lineup.is_empty()) {
            let next = held.pace.lock().throughput.next_room(now).unwrap_or(now);
            until = until.min(next);
        }
        let pause = until.saturating_sub(now).max(Duration::from_millis(1));
        // All of these may be dropped at any await: nothing is taken from what did not come first.
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.by.wake.notified() => self.next_look = Duration::ZERO,
            Some(ended) = self.sends.join_next(), if !self.sends.is_empty() => self.ended(ended),
            () = tokio::time::sleep(pause) => {}
        }
        while let Some(ended) = self.sends.try_join_next() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<Finished, tokio::task::JoinError>) {
        match ended {
            Ok(finished) => {
                let of_this_lease = |held: &&mut Held| held.lease.token() == finished.fence;
                let held = self.numbers.get_mut(&finished.number).filter(of_this_lease);
                let panicked = matches!(finished.left, Left::Panicked);
                if let Some(held) = held {
                    held.under_way = held.under_way.saturating_sub(1);
                    if panicked {
                        held.leave();
                    }
                }
                if panicked {
                    tracing::error!(number.id = %finished.number, "a send panicked");
                }
                if let Left::Deferred(deferred) = finished.left {
                    self.deferred.push(deferred);
                }
            }
            Err(error) => tracing::error!(%error, "a send was cut"),
        }
    }

    /// Finds numbers with work: takes those that nobody holds, lets go of those without.
    async fn look(&mut self) -> Result<(), Error> {
        let senders: Vec<Sender> = self
            .by
            .store
            .system_read(DISPATCH, Shard::ONLY, |tx| async move {
                let numbers = message::due_numbers(&tx, tx.now()).await?;
                if numbers.is_empty() {
                    return Ok(Vec::new());
                }
                Ok::<_, Error>(sender::load_all(&tx, &numbers).await?)
            })
            .await?;
        let (business, now) = (self.by.clock.now(), self.now());
        self.others.retain(|_, until| *until > now);
        let mut wanted = BTreeMap::new();
        let mut due: Vec<NumberId> = Vec::new();
        for sender in senders {
            if sender.holds_back(business).is_some() {
                continue;
            }
            due.push(sender.number);
            match self.numbers.get_mut(&sender.number) {
                Some(held) => {
                    held.more = true;
                    held.pace.lock().throughput.set_limit(sender.mps());
                    held.sender = sender;
                }
                None if self.others.contains_key(&sender.number.uuid()) => {}
                None => drop(wanted.insert(lease_name(sender.number), sender)),
            }
        }
        self.let_go(&due).await?;
        let names: Vec<String> = wanted.keys().cloned().collect();
        let mut not_taken = Vec::new();
        for lease in self.leases.acquire_some(&names).await? {
            // Those before it may have taken long.
            let Some(sender) = wanted.get(lease.name()).filter(|_| lease.is_live()) else {
                continue;
            };
            match self.take(sender.clone(), lease.clone()).await {
                Ok(()) => drop(wanted.remove(lease.name())),
                // One that cannot be taken over keeps no other from its turn.
                Err(error) => {
                    tracing::warn!(
                        number.id = %sender.number,
                        error = &error as &dyn std::error::Error,
                        "a number could not be taken over"
                    );
                    not_taken.push(lease);
                }
            }
        }
        for sender in wanted.into_values() {
            self.others.insert(sender.number.uuid(), now + OTHERS);
        }
        self.release(&not_taken).await;
        Ok(())
    }

    async fn take(&mut self, sender: Sender, lease: Lease) -> Result<(), Error> {
        let pace = take_over(&self.by, &sender, &lease, self.started).await?;
        let (number, tenant) = (sender.number, sender.tenant);
        let held = Held {
            sender,
            lease,
            lineup: crate::domain::dispatch::Lineup::default(),
            pace,
            under_way: 0,
            more: true,
            leaving: false,
        };
        self.numbers.insert(number, held);
        self.of.entry(tenant).or_default().push_back(number);
        self.fair.join(tenant);
        Ok(())
    }

    fn forget(&mut self, number: NumberId) -> Option<Held> {
        let held = self.numbers.remove(&number)?;
        let tenant = held.sender.tenant;
        if let Some(numbers) = self.of.get_mut(&tenant) {
            numbers.retain(|known| *known != number);
            if numbers.is_empty() {
                self.of.remove(&tenant);
                self.fair.leave(tenant);
            }
        }
        Some(held)
    }

    /// Numbers without due rows cost nothing: their leases go back. What is stopped meanwhile gives its
    /// claims back too.
    async fn let_go(&mut self, due: &[NumberId]) -> Result<(), Error> {
        let idle: Vec<NumberId> = self
            .numbers
            .iter()
            .filter(|(number, held)| !due.contains(number) && held.under_way == 0)
            .map(|(number, _)| *number)
            .collect();
        for number in idle {
            if let Some(held) = self.forget(number) {
                if !held.is_idle() {
                    self.queue_again(number, &held.lease).await?;
                }
                self.leases.release(&held.lease).await?;
            }
        }
        Ok(())
    }

    /// Gives up numbers whose lease ended while we were not looking, so that somebody else may hold them,
    /// and those that left.
    async fn give_up(&mut self) {
        let over = self.numbers.iter().filter(|(_, held)| held.is_over());
        let over: Vec<NumberId> = over.map(|(number, _)| *number).collect();
        let mut leases = Vec::new();
        for number in over {
            let Some(held) = self.forget(number) else { continue };
            tracing::warn!(
                number.id = %number,
                lost = !held.lease.is_live(),
                "a number was given up"
            );
            self.others.insert(number.uuid(), self.now() + OTHERS);
            leases.push(held.lease);
        }
        self.release(&leases).await;
    }

    /// Gives leases back where that is possible; else they end by themselves.
    async fn release(&self, leases: &[Lease]) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.leases.release_some(leases).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leases could not be given back; they end by themselves"
            );
        }
    }

    async fn queue_again(&self, number: NumberId, lease: &Lease) -> Result<(), Error> {
        let (number, fence) = (number.uuid(), lease.token());
        self.by
            .store
            .system(DISPATCH, Shard::ONLY, |tx| async move {
                Ok::<_, Error>(message::give_back(&tx, number, fence, tx.now()).await?)
            })
            .await
            .map(drop)
    }

    /// Fills the lines of each number that may have more.
    async fn claim(&mut self) -> Result<(), Error> {
        let (business, now, ahead) = (self.by.clock.now(), self.now(), self.by.config.claim_ahead);
        for (number, held) in &mut self.numbers {
            if !held.more || held.leaving {
                continue;
            }
            let room = |class: Class| {
                let waiting = u32::try_from(held.lineup.len_of(class)).unwrap_or(u32::MAX);
                ahead.saturating_sub(waiting)
            };
            let rooms = Class::ALL.map(room);
            // A line that is half full is full enough: fewer and larger claims.
            if rooms.iter().all(|room| *room <= ahead / 2) {
                continue;
            }
            let (id, lease) = (number.uuid(), &held.lease);
            let claimed = self
                .by
                .store
                .system(DISPATCH, Shard::ONLY, |tx| async move {
                    let rows = message::claim(&tx, id, lease, business, rooms).await?;
                    let acting = |row: message::Model| {
                        let acting = tx.acting::<message::Entity>(&row);
                        (row, acting)
                    };
                    Ok::<_, Error>(rows.into_iter().map(acting).collect::<Vec<_>>())
                })
                .await;
            let claimed = match claimed {
                Ok(claimed) => claimed,
                // It may have been committed, with nobody who knows what it took.
                Err(error) => {
                    held.leave();
                    return Err(error);
                }
            };
            let taken =
                |class: Class| claimed.iter().filter(|(row, _)| row.rank == class.rank()).count();
            held.more = Class::ALL.into_iter().zip(rooms).any(|(class, room)| {
                room > 0 && taken(class) >= usize::try_from(room).unwrap_or(usize::MAX)
            });
            for (row, acting) in claimed {
                let waited = business.since(kernel::time::Timestamp::from_micros(row.due_us));
                let waiting = Waiting {
                    message: MessageId::from_uuid(row.id),
                    acting,
                    counterpart: row.counterpart,
                };
                held.lineup.push(Class::from_rank(row.rank), now.saturating_sub(waited), waiting);
            }
        }
        Ok(())
    }

    /// Puts messages on their way while there are slots, each tenant in its turn.
    fn launch(&mut self) {
        let now = self.now();
        while self.sends.len() < self.by.config.in_flight {
            let (numbers, of, deferred) = (&mut self.numbers, &mut self.of, &mut self.deferred);
            let picked = self.fair.pick(|tenant| {
                let turn = of.get_mut(&tenant)?;
                for _ in 0..turn.len() {
                    let number = turn.pop_front()?;
                    turn.push_back(number);
                    let held = numbers.get_mut(&number)?;
                    if let Some(waiting) = next_of(held, now, deferred) {
                        return Some((number, waiting));
                    }
                }
                None
            });
            let Some((number, waiting)) = picked else { return };
            let Some(held) = self.numbers.get_mut(&number) else { return };
            held.under_way += 1;
            let send = Send {
                waiting,
                number,
                lease: held.lease.clone(),
                pace: held.pace.clone(),
                started: self.started,
                patience: Duration::from_millis(self.by.config.lease_ttl_ms),
            };
            self.sends.spawn(send.run(self.by.clone()));
        }
    }

    async fn give_back_deferred(&mut self) -> Result<(), Error> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let now = self.by.clock.now();
        let back: Vec<message::Back> = self
            .deferred
            .iter()
            .map(|one| message::Back {
                id: one.message,
                fence: one.fence,
                due_us: (now + one.wait).as_micros(),
            })
            .collect();
        let back = &back;
        self.by
            .store
            .system(DISPATCH, Shard::ONLY, |tx| async move {
                Ok::<_, Error>(message::defer(&tx, back).await?)
            })
            .await?;
        self.deferred.clear();
        Ok(())
    }

    /// Gives back what is claimed, and lets what is on the wire end.
    async fn drain(&mut self) {
        let numbers: Vec<NumberId> = self.numbers.keys().copied().collect();
        for number in &numbers {
            let Some(held) = self.numbers.get_mut(number) else { continue };
            held.lineup.drain();
            let lease = held.lease.clone();
            if let Err(error) = self.queue_again(*number, &lease).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "claims could not be given back; they are free when the lease ends"
                );
            }
        }
        let limit = Duration::from_millis(self.by.config.drain_ms);
        let all = async { while self.sends.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(under_way = self.sends.len(), "sends were cut at the drain limit");
            self.sends.shutdown().await;
        }
    }
}

/// The next message of a number that may go now; those of a parked pair are put aside.
fn next_of(held: &mut Held, now: Duration, deferred: &mut Vec<Deferred>) -> Option<Waiting> {
    if !held.lease.is_live() {
        return None;
    }
    loop {
        let mut pace = held.pace.lock();
        if pace.throughput.room(now) == 0 {
            return None;
        }
        let (_, waiting) = held.lineup.pop(now)?;
        let wait = pace.pairs.wait(&waiting.counterpart, now);
        if wait.is_zero() {
            pace.throughput.record(now);
            pace.pairs.record(&waiting.counterpart, now);
            return Some(waiting);
        }
        deferred.push(Deferred {
            message: waiting.message.uuid(),
            fence: held.lease.token(),
            wait,
        });
    }
}
