//! Tells the dead (AUTH-23): what was revoked within one token life, then each change within a second.
//!
//! One loop a process asks the database for what was revoked since a little before it last asked: a
//! row is written an instant before it is committed, and clocks differ, so the spans overlap and what
//! was told is not told again. Watchers that do not keep up are sent away and take the first set anew.
//! Nothing is kept: a process that dies leaves its watchers to another, which starts with the whole set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::{Revocation, Scope};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kernel::clock::WallClock;
use kernel::id::{KeyId, SessionId, TenantId, UserId};
use kernel::time::Timestamp;
use server::{Revoked, StatusBuilder};
use store::{Shard, Store, SystemTx, Uuid, purpose};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::App;
use super::keyring::LEEWAY;
use crate::domain::tenant::State;
use crate::error::Error;
use crate::rows::{api_key, person, session, tenant};

/// How often other replicas' revocations are looked for; our own wake the loop.
const EVERY: Duration = Duration::from_millis(500);
/// How far spans overlap: longer than any transaction and any difference of clocks.
const OVERLAP: Duration = Duration::from_secs(30);
/// Batches that a watcher may be behind.
const BEHIND: usize = 256;
/// Revocations of one item of the first set.
const ITEM: usize = 500;
/// A pause while the database is away.
const AWAY: Duration = Duration::from_secs(1);

/// What tells one process's watchers.
pub(crate) struct Hub {
    store: Store,
    wall: Arc<dyn WallClock>,
    life: Duration,
    told: broadcast::Sender<Arc<[Revocation]>>,
    woken: Notify,
    ended: CancellationToken,
}

impl Hub {
    pub(crate) fn new(store: Store, wall: Arc<dyn WallClock>, life: Duration) -> Self {
        let (told, _) = broadcast::channel(BEHIND);
        Self { store, wall, life, told, woken: Notify::new(), ended: CancellationToken::new() }
    }

    /// Something was revoked here: to be told at once.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Cancelled when the process drains: watchers end then.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// How long a revocation counts: the life of a token that was issued while it was written.
    fn counts(&self) -> Duration {
        self.life + LEEWAY + OVERLAP
    }

    /// Everything that was revoked since.
    async fn since(&self, since: Timestamp) -> Result<Vec<Revocation>, store::Error> {
        let (since_us, counts) = (since.as_micros(), self.counts());
        self.store
            .system_read(purpose::identity::REVOCATIONS, Shard::ONLY, |tx| async move {
                read(&tx, since_us, counts).await
            })
            .await
    }

    /// Tells watchers until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let _end = self.ended.clone().drop_guard();
        let mut seen: HashMap<(u8, Uuid, i64), Timestamp> = HashMap::new();
        let mut from = self.wall.now() - OVERLAP;
        while !stop.is_cancelled() {
            let now = self.wall.now();
            let pause = match self.since(from).await {
                Ok(found) => {
                    // By this round's own start: what was committed while it read comes next time.
                    from = now - OVERLAP;
                    seen.retain(|_, until| *until > now);
                    let fresh: Vec<_> = found
                        .into_iter()
                        .filter(|one| seen.insert(name(*one), now + OVERLAP * 2).is_none())
                        .collect();
                    if !fresh.is_empty() {
                        // Without a watcher there is nobody to tell: the next one takes the whole set.
                        self.told.send(fresh.into()).ok();
                    }
                    EVERY
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "revocations cannot be read; trying again"
                    );
                    AWAY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// First all within one token life, then each change.
    pub(crate) async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Error> {
        // Subscribed before the set is read: what falls between is told twice, and never lost.
        let told = self.told.subscribe();
        let now = self.wall.now();
        let mut all = self.since(now - self.counts()).await?;
        all.retain(|one| expiry(*one) > now);
        let mut items: Vec<Revoked> = all
            .chunks(ITEM)
            .map(|part| Revoked { revocations: part.to_vec(), complete: false })
            .collect();
        match items.last_mut() {
            Some(last) => last.complete = true,
            None => items.push(Revoked { revocations: Vec::new(), complete: true }),
        }
        let first = futures::stream::iter(items.into_iter().map(Ok));
        Ok(server::until_stopped(first.chain(changes(told)), self.ended()))
    }
}

/// What is told from now on; a watcher that lags is sent away.
fn changes(
    told: broadcast::Receiver<Arc<[Revocation]>>,
) -> impl Stream<Item = Result<Revoked, Status>> + Send {
    futures::stream::unfold(Some(told), |told| async move {
        let mut told = told?;
        match told.recv().await {
            Ok(revocations) => {
                let item = Revoked { revocations: revocations.to_vec(), complete: false };
                Some((Ok(item), Some(told)))
            }
            Err(broadcast::error::RecvError::Lagged(_)) => Some((Err(lagged()), None)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    })
}

fn lagged() -> Status {
    let words = "revocations came faster than they were taken; watch again";
    StatusBuilder::new(Code::Unavailable, "WATCH_LAGGED", words).build()
}

async fn read(
    tx: &SystemTx,
    since_us: i64,
    counts: Duration,
) -> Result<Vec<Revocation>, store::Error> {
    let expires = |at_us: i64| Timestamp::from_micros(at_us) + counts;
    let mut found = Vec::new();
    for (id, at_us) in session::dead_since(tx, since_us).await? {
        found.push(Revocation::Session(id, expires(at_us)));
    }
    for (id, at_us) in api_key::dead_since(tx, since_us).await? {
        found.push(Revocation::Key(id, expires(at_us)));
    }
    for (id, at_us) in person::dead_since(tx, since_us).await? {
        found.push(Revocation::Person {
            user: UserId::from_uuid(id),
            not_before: Timestamp::from_micros(at_us),
            expires: expires(at_us),
        });
    }
    for (id, at_us) in tenant::dead_since(tx, since_us).await? {
        found.push(Revocation::Tenant {
            tenant: TenantId::from_uuid(id),
            not_before: Timestamp::from_micros(at_us),
            expires: expires(at_us),
        });
    }
    Ok(found)
}

/// What tells one revocation from another.
const fn name(one: Revocation) -> (u8, Uuid, i64) {
    match one {
        Revocation::Session(id, _) => (0, id, 0),
        Revocation::Key(id, _) => (1, id, 0),
        Revocation::Person { user, not_before, .. } => (2, user.uuid(), not_before.as_micros()),
        Revocation::Tenant { tenant, not_before, .. } => (3, tenant.uuid(), not_before.as_micros()),
    }
}

const fn expiry(one: Revocation) -> Timestamp {
    match one {
        Revocation::Session(_, expires)
        | Revocation::Key(_, expires)
        | Revocation::Person { expires, .. }
        | Revocation::Tenant { expires, .. } => expires,
    }
}

/// Whom a check asks about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whom {
    pub(crate) session: Option<SessionId>,
    pub(crate) key: Option<KeyId>,
    pub(crate) user: Option<UserId>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) issued_us: i64,
}

impl Whom {
    /// The holder of a verified token.
    pub(crate) fn of(scope: &Scope) -> Self {
        let id = scope.session();
        let key = scope.is_api_key();
        Self {
            session: id.filter(|_| !key).map(SessionId::from_uuid),
            key: id.filter(|_| key).map(KeyId::from_uuid),
            user: scope.user(),
            tenant: scope.tenant(),
            issued_us: scope.issued().as_micros(),
        }
    }
}

impl App {
    /// Whether a token is dead, asked where it is known. Of whom there is no row no token can live.
    pub(crate) async fn is_dead(&self, whom: Whom) -> Result<bool, Error> {
        self.store
            .system_read(purpose::identity::REVOCATIONS, Shard::ONLY, |tx| async move {
                if let Some(id) = whom.session {
                    let row = session::get(&tx, id.uuid()).await?;
                    if row.is_none_or(|row| row.ended_us.is_some()) {
                        return Ok(true);
                    }
                }
                if let Some(id) = whom.key {
                    let row = api_key::any(&tx, id.uuid()).await?;
                    if row.is_none_or(|row| row.revoked_us.is_some()) {
                        return Ok(true);
                    }
                }
                if let Some(id) = whom.user {
                    let row = person::get(&tx, id.uuid()).await?;
                    if row.is_none_or(|row| whom.issued_us < row.not_before_us) {
                        return Ok(true);
                    }
                }
                if let Some(id) = whom.tenant {
                    let row = tenant::get(&tx, id.uuid()).await?;
                    let lives = row.is_some_and(|row| {
                        State::parse(&row.state) == State::Active
                            && whom.issued_us >= row.not_before_us
                    });
                    return Ok(!lives);
                }
                Ok(false)
            })
            .await
    }
}
