//! Streams of sagas: what changed after the client's cursor, read from the database, then each change as it happens.
//!
//! A cursor is the id of a change. Ids are minted before their transaction commits, so a stream starts a little before the
//! cursor and may repeat a state; whoever follows states by version loses nothing. Nothing durable hangs on a stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use auth::{Environment, Scope, Wabas};
use bus::{Following, Heard, TailHub};
use futures::{Stream, stream};
use kernel::{
    id::TenantId,
    page::{CursorScope, Cursors, filter_hash},
};
use proto::{events::v1::OnboardingChanged, onboarding::v1::Onboarding};
use store::page::cursor_scope;
use tonic::Status;
use uuid::Uuid;

use crate::{app::App, error::Error, events, rows::saga::Saga};

/// How far before its cursor a stream starts.
const OVERLAP: Duration = Duration::from_secs(5);

/// One item, for either stream.
pub(crate) struct Item {
    pub(crate) onboarding: Option<Onboarding>,
    pub(crate) cursor: String,
    pub(crate) resync: bool,
}

/// Which sagas a stream follows.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// The caller's own.
    Own,
    /// What the desk may see, of one tenant where one is named.
    Desk(Option<TenantId>),
}

struct Follower {
    cursors: Arc<Cursors>,
    scope: CursorScope,
    hash: [u8; 32],
    ready: VecDeque<Item>,
    following: Following,
    wanted: Wanted,
    partner: Option<String>,
    over: bool,
}

/// Opens a stream.
pub(crate) async fn follow(
    app: &App,
    hub: &TailHub,
    scope: &Scope,
    after: &str,
    wanted: Wanted,
) -> Result<impl Stream<Item = Result<Item, Status>> + Send + 'static, Error> {
    let hash = filter_hash("onboarding changes", &[]);
    let owner = cursor_scope(scope);
    let from = match after {
        "" => Uuid::nil(),
        cursor => a_little_before(app.cursors.decode(&owner, &hash, cursor)?),
    };
    // Follow first, read then: what happens in between is seen twice, not lost.
    let following = match scope.tenant() {
        Some(tenant) => hub.subscribe(tenant, scope.wabas().cloned().unwrap_or(Wabas::All)),
        None => hub.subscribe_all(),
    };
    let sagas = past(app, scope, from, &wanted).await?;
    let mut follower = Follower {
        cursors: Arc::clone(&app.cursors),
        scope: owner,
        hash,
        ready: VecDeque::new(),
        following,
        wanted,
        partner: scope.partner().map(|id| id.to_string()),
        over: false,
    };
    follower.ready = sagas.iter().map(|saga| follower.state(saga)).collect();
    Ok(stream::unfold(follower, |mut follower| async move {
        let item = follower.next().await?;
        Some((Ok(item), follower))
    }))
}

/// Every saga that changed after a change, read in pages.
async fn past(
    app: &App,
    scope: &Scope,
    mut after: Uuid,
    wanted: &Wanted,
) -> Result<Vec<Saga>, Error> {
    let mut all = Vec::new();
    loop {
        let page = match wanted {
            Wanted::Own => app.own_changed_after(scope, after).await?,
            Wanted::Desk(tenant) => app.desk_changed_after(scope, after, *tenant).await?,
        };
        let Some(last) = page.last() else { return Ok(all) };
        after = last.row.change_id;
        all.extend(page);
    }
}

/// Whether a saga is one of the caller's own, of its environment (AUTH-15), and within its WABAs where it is limited to
/// some.
pub(crate) fn is_own(onboarding: &Onboarding, scope: &Scope) -> bool {
    let tenant = scope.tenant().is_some_and(|tenant| onboarding.tenant_id == tenant.to_string());
    let waba = match scope.wabas() {
        None | Some(Wabas::All) => true,
        Some(some) => onboarding.waba_id.parse().is_ok_and(|waba| some.contains(waba)),
    };
    let environment = onboarding.environment.parse().unwrap_or(Environment::Any);
    tenant && waba && scope.environment().admits(environment)
}

/// The least id of the moment a little before a change.
fn a_little_before(change: Uuid) -> Uuid {
    let at_ms = u64::try_from(change.as_u128() >> 80).unwrap_or_default();
    let from_ms = at_ms.saturating_sub(u64::try_from(OVERLAP.as_millis()).unwrap_or_default());
    Uuid::from_u128(u128::from(from_ms) << 80)
}

impl Follower {
    fn state(&self, saga: &Saga) -> Item {
        Item {
            onboarding: Some(events::onboarding(saga)),
            cursor: self.cursors.encode(&self.scope, &self.hash, saga.row.change_id),
            resync: false,
        }
    }

    async fn next(&mut self) -> Option<Item> {
        if let Some(item) = self.ready.pop_front() {
            return Some(item);
        }
        if self.over {
            return None;
        }
        loop {
            match self.following.next().await? {
                Heard::Resync => {
                    self.over = true;
                    return Some(Item { onboarding: None, cursor: String::new(), resync: true });
                }
                Heard::Event(envelope) => {
                    let Ok(event) = bus::decode::<OnboardingChanged>(&envelope) else { continue };
                    let Some(onboarding) = event.onboarding.filter(|one| self.is_wanted(one))
                    else {
                        continue;
                    };
                    let cursor = self.cursors.encode(&self.scope, &self.hash, envelope.id.uuid());
                    return Some(Item { onboarding: Some(onboarding), cursor, resync: false });
                }
            }
        }
    }

    fn is_wanted(&self, onboarding: &Onboarding) -> bool {
        let named = match &self.wanted {
            Wanted::Own | Wanted::Desk(None) => true,
            Wanted::Desk(Some(tenant)) => onboarding.tenant_id == tenant.to_string(),
        };
        named && self.partner.as_ref().is_none_or(|partner| onboarding.partner_id == *partner)
    }
}
