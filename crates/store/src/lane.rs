//! Group commit (DEL-9, ISO-32): accepts, settles, raw webhooks.
//!
//! Items that come together share one transaction and one commit. Inside it each (tenant, WABA set)
//! is a sub-batch with a savepoint and settings of its own, so that row-level security holds and no
//! statement ever has rows of two of them; at most fifty a commit. An answer leaves after the
//! commit. A sub-batch that fails as a whole is rolled back and its items run one by one, so that a
//! poisoned one takes nobody with it. A crash before the commit answers nobody; an item whose
//! client went away is committed all the same and found again by its idempotency key.

use std::any::{TypeId, type_name};
use std::sync::{Arc, Weak};
use std::time::Duration;

use auth::TenantReach;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::begin::{Settings, begin, sub_batch};
use crate::config::{Backend, Shard};
use crate::error::{Error, Fault};
use crate::pool::{Inner, Which};
use crate::purpose::Purpose;
use crate::scoped::{Reached, ScopedTx};
use crate::store::Store;
use crate::system::SystemTx;
use crate::tx::{Ending, TxCore};

/// Items that share a commit at most.
const MOST_ITEMS: usize = 500;
/// Sub-batches that share a commit at most: above 64 writing savepoints every snapshot slows down.
const MOST_GROUPS: usize = 50;
/// How long the first item of a commit waits for company. The next ones gather while it commits.
const LINGER: Duration = Duration::from_millis(2);
/// Items that may wait; more are refused.
const QUEUE: usize = 4_096;
const MOST_RUNS: u32 = 8;

/// The answers of a batch in its items' order, or why the whole of it failed.
pub type Outcome<A, E> = Result<Vec<Result<A, E>>, E>;

/// A batch function of a tenant's items, declared at start.
pub trait Lane: Send + Sync + 'static {
    /// What is submitted; cloned, since a batch may run again.
    type Item: Clone + Send + Sync + 'static;
    /// What the submitter gets.
    type Answer: Send + 'static;
    /// Why it gets nothing.
    type Error: From<Error> + Send + 'static;

    /// Writes the items of one tenant and one WABA set by statements over all of them, and answers
    /// in their order. An error in the list leaves the others alone; an error of the whole has them
    /// run one by one.
    fn run(
        &self,
        tx: ScopedTx,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Outcome<Self::Answer, Self::Error>> + Send;
}

/// A batch function of items that belong to no tenant yet.
pub trait SystemLane: Send + Sync + 'static {
    /// What is submitted.
    type Item: Clone + Send + Sync + 'static;
    /// What the submitter gets.
    type Answer: Send + 'static;
    /// Why it gets nothing.
    type Error: From<Error> + Send + 'static;

    /// What it writes for.
    fn purpose(&self) -> Purpose;

    /// As [`Lane::run`], without a tenant.
    fn run(
        &self,
        tx: SystemTx,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Outcome<Self::Answer, Self::Error>> + Send;
}

/// One submitted item and where its answer goes.
struct Waiting<I, A, E> {
    item: I,
    reach: Option<Reached>,
    answer: oneshot::Sender<Result<A, E>>,
}

type Queue<I, A, E> = mpsc::Sender<Waiting<I, A, E>>;
type LaneQueue<L> = Queue<<L as Lane>::Item, <L as Lane>::Answer, <L as Lane>::Error>;
type SystemQueue<L> =
    Queue<<L as SystemLane>::Item, <L as SystemLane>::Answer, <L as SystemLane>::Error>;

/// Where items of one lane go in.
pub struct LaneHandle<L: Lane> {
    store: Store,
    queue: Option<LaneQueue<L>>,
}

/// Where items of one system lane go in.
pub struct SystemLaneHandle<L: SystemLane> {
    queue: Option<SystemQueue<L>>,
}

async fn submit<I, A, E: From<Error>>(
    queue: Option<&Queue<I, A, E>>,
    name: &'static str,
    item: I,
    reach: Option<Reached>,
) -> Result<A, E> {
    let Some(queue) = queue else {
        return Err(Error::internal(format!("submit to {name}: no such lane was declared")).into());
    };
    let (answer, answered) = oneshot::channel();
    match queue.try_send(Waiting { item, reach, answer }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => return Err(Error::QueueFull(name).into()),
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return Err(Error::unavailable("the lane has ended").into());
        }
    }
    let lost = |_| Err(Error::unavailable("the lane ended before it answered").into());
    answered.await.unwrap_or_else(lost)
}

impl<L: Lane> LaneHandle<L> {
    /// Has the item written in a group commit and answers once that is done.
    pub fn submit<R: TenantReach + ?Sized>(
        &self,
        who: &R,
        item: L::Item,
    ) -> impl Future<Output = Result<L::Answer, L::Error>> + Send {
        let reach = self.store.reached(who);
        let queue = self.queue.clone();
        async move { submit(queue.as_ref(), type_name::<L>(), item, Some(reach?)).await }
    }
}

impl<L: SystemLane> SystemLaneHandle<L> {
    /// Has the item written in a group commit and answers once that is done.
    pub async fn submit(&self, item: L::Item) -> Result<L::Answer, L::Error> {
        submit(self.queue.as_ref(), type_name::<L>(), item, None).await
    }
}

impl Store {
    /// Declares a lane; its owner lives until [`Store::close`].
    #[must_use]
    pub fn with_lane<L: Lane>(self, lane: L) -> Self {
        self.declare::<L, _>(Scoped(lane));
        self
    }

    /// Declares a system lane.
    #[must_use]
    pub fn with_system_lane<L: SystemLane>(self, lane: L) -> Self {
        self.declare::<L, _>(System(lane));
        self
    }

    fn declare<L: 'static, W: Work>(&self, work: W) {
        let (queue, waiting) = mpsc::channel::<Waiting<W::Item, W::Answer, W::Error>>(QUEUE);
        self.inner.keep_lane(TypeId::of::<L>(), queue);
        let store = Arc::downgrade(&self.inner);
        let owner = Owner { store, blind: self.blind, work, waiting };
        self.inner.tasks.spawn(owner.run(self.inner.stop.clone()));
    }

    /// The lane of that type.
    pub fn lane<L: Lane>(&self) -> LaneHandle<L> {
        LaneHandle { store: self.clone(), queue: self.inner.find_lane(TypeId::of::<L>()) }
    }

    /// The system lane of that type.
    pub fn system_lane<L: SystemLane>(&self) -> SystemLaneHandle<L> {
        SystemLaneHandle { queue: self.inner.find_lane(TypeId::of::<L>()) }
    }
}

/// What the two kinds of lanes differ in.
trait Work: Send + Sync + 'static {
    type Item: Clone + Send + Sync + 'static;
    type Answer: Send + 'static;
    type Error: From<Error> + Send + 'static;

    const WHICH: Which;
    fn settings(&self) -> Settings;
    fn call(
        &self,
        core: Arc<TxCore>,
        reach: Option<&Reached>,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Outcome<Self::Answer, Self::Error>> + Send;
    /// A transaction of its own for one item.
    fn alone(
        &self,
        store: &Store,
        reach: Option<&Reached>,
        item: &Self::Item,
    ) -> impl Future<Output = Result<Self::Answer, Self::Error>> + Send;
}

struct Scoped<L>(L);
struct System<L>(L);

/// The one answer of a batch of one.
fn only<A, E: From<Error>>(answers: Vec<Result<A, E>>) -> Result<A, E> {
    let none = || Err(Error::internal("run a lane that answered nothing").into());
    answers.into_iter().next().unwrap_or_else(none)
}

impl<L: Lane> Work for Scoped<L> {
    type Item = L::Item;
    type Answer = L::Answer;
    type Error = L::Error;

    const WHICH: Which = Which::ScopedWrite;

    fn settings(&self) -> Settings {
        Settings::Nobody
    }

    async fn call(
        &self,
        core: Arc<TxCore>,
        reach: Option<&Reached>,
        items: Vec<L::Item>,
    ) -> Outcome<L::Answer, L::Error> {
        let reach = reach.cloned().ok_or(Error::NoTenant)?;
        self.0.run(ScopedTx::new(core, Arc::new(reach)), items).await
    }

    async fn alone(
        &self,
        store: &Store,
        reach: Option<&Reached>,
        item: &L::Item,
    ) -> Result<L::Answer, L::Error> {
        let reach = reach.cloned().ok_or(Error::NoTenant)?;
        let unit = |tx| async move { only(self.0.run(tx, vec![item.clone()]).await?) };
        store.scoped(Which::ScopedWrite, reach, unit).await
    }
}

impl<L: SystemLane> Work for System<L> {
    type Item = L::Item;
    type Answer = L::Answer;
    type Error = L::Error;

    const WHICH: Which = Which::SystemWrite;

    fn settings(&self) -> Settings {
        Settings::System(self.0.purpose())
    }

    async fn call(
        &self,
        core: Arc<TxCore>,
        _: Option<&Reached>,
        items: Vec<L::Item>,
    ) -> Outcome<L::Answer, L::Error> {
        self.0.run(SystemTx::new(core, self.0.purpose()), items).await
    }

    async fn alone(
        &self,
        store: &Store,
        _: Option<&Reached>,
        item: &L::Item,
    ) -> Result<L::Answer, L::Error> {
        let unit = |tx| async move { only(self.0.run(tx, vec![item.clone()]).await?) };
        store.system(self.0.purpose(), Shard::ONLY, unit).await
    }
}

/// The items of one (tenant, WABA set).
struct Group<W: Work> {
    reach: Option<Reached>,
    items: Vec<W::Item>,
    answers: Vec<oneshot::Sender<Result<W::Answer, W::Error>>>,
}

type Answers<W> = Vec<Result<<W as Work>::Answer, <W as Work>::Error>>;

/// The task that owns a lane.
struct Owner<W: Work> {
    store: Weak<Inner>,
    blind: bool,
    work: W,
    waiting: mpsc::Receiver<Waiting<W::Item, W::Answer, W::Error>>,
}

impl<W: Work> Owner<W> {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.waiting.recv() => first,
                () = stop.cancelled(), if !self.waiting.is_closed() => {
                    // What waits is still written; what comes now is refused.
                    self.waiting.close();
                    continue;
                }
            };
            let Some(first) = first else { return };
            let batch = self.gather(first).await;
            let Some(inner) = self.store.upgrade() else { return };
            let store = Store { inner, blind: self.blind };
            for groups in commits::<W>(batch) {
                store.inner.metrics.group(groups.iter().map(|group| group.items.len()).sum());
                self.commit(&store, groups).await;
            }
        }
    }

    async fn gather(
        &mut self,
        first: Waiting<W::Item, W::Answer, W::Error>,
    ) -> Vec<Waiting<W::Item, W::Answer, W::Error>> {
        let until = Instant::now() + LINGER;
        let mut batch = vec![first];
        while batch.len() < MOST_ITEMS {
            let room = MOST_ITEMS - batch.len();
            let more = self.waiting.recv_many(&mut batch, room);
            if !matches!(tokio::time::timeout_at(until, more).await, Ok(came) if came > 0) {
                break;
            }
        }
        batch
    }

    /// Writes the groups of one commit and answers all of their items.
    async fn commit(&self, store: &Store, groups: Vec<Group<W>>) {
        let outcome = match store.know_partitions().await {
            Ok(()) => self.together(store, &groups).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(outcomes) => {
                for (group, outcome) in groups.into_iter().zip(outcomes) {
                    match outcome {
                        Some(answers) => tell(group.answers, answers),
                        None => self.one_by_one(store, group).await,
                    }
                }
            }
            Err(error) => {
                for group in groups {
                    let failed = || Err(error.clone().into());
                    let answers = group.answers.iter().map(|_| failed()).collect();
                    tell(group.answers, answers);
                }
            }
        }
    }

    /// One transaction; `None` for a group that was rolled back.
    async fn together(
        &self,
        store: &Store,
        groups: &[Group<W>],
    ) -> Result<Vec<Option<Answers<W>>>, Error> {
        let mut runs = 0;
        loop {
            runs += 1;
            let core = begin(&store.inner, W::WHICH, self.work.settings()).await?;
            let outcomes = self.fill(&core, groups).await;
            let ok = outcomes.is_ok();
            match core.end(ok).await? {
                Ending::Committed => return outcomes,
                Ending::RolledBack(fault) => {
                    if runs >= MOST_RUNS || !store.may_run_again(fault, runs).await? {
                        let gave_up = Error::unavailable("conflicts with other transactions");
                        return outcomes.and_then(|_| Err(gave_up));
                    }
                }
            }
        }
    }

    async fn fill(
        &self,
        core: &Arc<TxCore>,
        groups: &[Group<W>],
    ) -> Result<Vec<Option<Answers<W>>>, Error> {
        let savepoints = groups.len() > 1;
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            if savepoints {
                core.plain("SAVEPOINT lane").await?;
            }
            if let (Some(reach), Backend::Postgres) = (&group.reach, core.backend()) {
                core.rows(sub_batch(Some((reach.tenant, &reach.wabas)))).await?;
            }
            let lent = core.lend().await?;
            let answers =
                self.work.call(Arc::clone(&lent), group.reach.as_ref(), group.items.clone()).await;
            let fault = core.take_back(lent).await?;
            if let Some(again @ (Fault::Retry | Fault::Partition { .. })) = fault {
                core.mark(again);
                return Err(Error::internal("run a group commit again"));
            }
            let whole = match answers {
                Ok(answers) if answers.len() == group.items.len() && fault.is_none() => {
                    Some(answers)
                }
                Ok(_) | Err(_) => None,
            };
            if savepoints {
                if whole.is_none() {
                    core.plain("ROLLBACK TO SAVEPOINT lane").await?;
                    core.forgive();
                }
                core.plain("RELEASE SAVEPOINT lane").await?;
            } else if whole.is_none() {
                // Nothing else is in this transaction: let it roll back and try the items alone.
                core.roll_back().await;
                return Ok(vec![None]);
            }
            outcomes.push(whole);
        }
        if savepoints && core.backend() == Backend::Postgres && W::WHICH == Which::ScopedWrite {
            core.rows(sub_batch(None)).await?;
        }
        Ok(outcomes)
    }

    async fn one_by_one(&self, store: &Store, group: Group<W>) {
        for (item, answer) in group.items.iter().zip(group.answers) {
            let outcome = self.work.alone(store, group.reach.as_ref(), item).await;
            // Nobody waits any more: the item is written all the same.
            drop(answer.send(outcome));
        }
    }
}

fn tell<A, E>(waiting: Vec<oneshot::Sender<Result<A, E>>>, answers: Vec<Result<A, E>>) {
    for (waiting, answer) in waiting.into_iter().zip(answers) {
        drop(waiting.send(answer));
    }
}

/// Sorts items into groups, and groups into commits.
fn commits<W: Work>(batch: Vec<Waiting<W::Item, W::Answer, W::Error>>) -> Vec<Vec<Group<W>>> {
    let mut groups: Vec<Group<W>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for waiting in batch {
        let key = waiting.reach.as_ref().map(|reach| (reach.tenant, reach.wabas.clone()));
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Group {
                reach: waiting.reach.clone(),
                items: Vec::new(),
                answers: Vec::new(),
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.items.push(waiting.item);
            group.answers.push(waiting.answer);
        }
    }
    let mut commits = Vec::new();
    while !groups.is_empty() {
        let rest = groups.split_off(groups.len().min(MOST_GROUPS));
        commits.push(std::mem::replace(&mut groups, rest));
    }
    commits
}
