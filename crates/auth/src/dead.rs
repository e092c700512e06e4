//! The set of the dead (AUTH-23): sessions and keys that were revoked, and the instants before which
//! tokens of a person or a tenant no longer count. A new token needs no entry.
//!
//! `server` fills it from identity's stream. An entry is forgotten when the last token that it could
//! meet has expired, so the set is bounded by one token life. It is in memory alone: a process asks
//! for the whole set at its start, and is not ready before it has it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::clock::WallClock;
use kernel::id::{TenantId, UserId};
use kernel::time::Timestamp;
use uuid::Uuid;

use crate::claims::{Claims, Holder, Lawful};
use crate::reach::Reach;

/// One death. The instant of expiry says when it may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// A session, dead whatever its token's age, and its expiry.
    Session(Uuid, Timestamp),
    /// An API key, dead whatever its token's age, and its expiry.
    Key(Uuid, Timestamp),
    /// Every token of a person issued before an instant.
    Person {
        /// The person.
        user: UserId,
        /// Tokens issued earlier are dead.
        not_before: Timestamp,
        /// When the entry may be forgotten.
        expires: Timestamp,
    },
    /// Every token of a tenant issued before an instant.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// Tokens issued earlier are dead.
        not_before: Timestamp,
        /// When the entry may be forgotten.
        expires: Timestamp,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whom {
    Session(Uuid),
    Key(Uuid),
    Person(UserId),
    Tenant(TenantId),
}

#[derive(Debug, Clone, Copy)]
struct Death {
    not_before: Timestamp,
    expires: Timestamp,
}

/// The set. Shared by everything in a process.
#[derive(Debug)]
pub struct Dead {
    deaths: RwLock<HashMap<Whom, Death>>,
    clock: Arc<dyn WallClock>,
}

impl Dead {
    /// Nobody yet.
    pub fn new(clock: Arc<dyn WallClock>) -> Self {
        Self { deaths: RwLock::default(), clock }
    }

    /// Adds one, and forgets those whose time is over. Of two for the same person or tenant the
    /// later instant counts, in whichever order they come.
    pub fn apply(&self, revocation: Revocation) {
        let now = self.clock.now();
        let mut deaths = self.deaths.write().unwrap_or_else(PoisonError::into_inner);
        deaths.retain(|_, death| death.expires > now);
        add(&mut deaths, revocation);
    }

    /// Takes a first set instead of all before.
    pub fn replace_all(&self, revocations: Vec<Revocation>) {
        let mut fresh = HashMap::with_capacity(revocations.len());
        for revocation in revocations {
            add(&mut fresh, revocation);
        }
        *self.deaths.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// Whether a token with these claims is dead. Claims that make no sense are.
    pub fn contains(&self, claims: &Claims) -> bool {
        claims.lawful().map_or(true, |lawful| self.holds(&lawful))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.deaths.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nobody is dead.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn holds(&self, token: &Lawful) -> bool {
        let deaths = self.deaths.read().unwrap_or_else(PoisonError::into_inner);
        let older =
            |whom: Whom| deaths.get(&whom).is_some_and(|death| token.issued < death.not_before);
        let holder = match token.holder {
            Holder::Key(key) => deaths.contains_key(&Whom::Key(key.uuid())),
            Holder::Person { user, session } => {
                deaths.contains_key(&Whom::Session(session.uuid())) || older(Whom::Person(user))
            }
        };
        let tenant = match &token.reach {
            Reach::Tenant { tenant, .. } => older(Whom::Tenant(*tenant)),
            Reach::Partner { .. } | Reach::Operator { .. } => false,
        };
        holder || tenant
    }
}

fn add(deaths: &mut HashMap<Whom, Death>, revocation: Revocation) {
    let (whom, not_before, expires) = match revocation {
        Revocation::Session(session, expires) => (Whom::Session(session), Timestamp::MAX, expires),
        Revocation::Key(key, expires) => (Whom::Key(key), Timestamp::MAX, expires),
        Revocation::Person { user, not_before, expires } => {
            (Whom::Person(user), not_before, expires)
        }
        Revocation::Tenant { tenant, not_before, expires } => {
            (Whom::Tenant(tenant), not_before, expires)
        }
    };
    let death = deaths.entry(whom).or_insert(Death { not_before, expires });
    death.not_before = death.not_before.max(not_before);
    death.expires = death.expires.max(expires);
}
