//! Use cases: sign in and go on, make people and keys, tell the dead, keep the log.

pub(crate) mod api_keys;
pub(crate) mod assertion;
pub(crate) mod audit;
pub(crate) mod bootstrap;
pub(crate) mod desk;
pub(crate) mod hashing;
pub(crate) mod key_exchange;
pub(crate) mod keyring;
pub(crate) mod local;
pub(crate) mod people;
pub(crate) mod places;
pub(crate) mod read_model;
pub(crate) mod revocations;
pub(crate) mod session;
pub(crate) mod set_password;
pub(crate) mod sign_in;
pub(crate) mod snapshot;
pub(crate) mod sweep;
pub(crate) mod throttle;
pub(crate) mod tokens;

use std::sync::Arc;

use auth::{AssertionKeys, Scope};
use kernel::clock::WallClock;
use kernel::ids::Ids;
use kernel::page::Cursors;
use kernel::time::Timestamp;
use seal::Sealer;
use store::{Shard, Store, Uuid, purpose};

use crate::config::Config;
use crate::error::Error;
use crate::peppers::Peppers;
use crate::rows;
use hashing::Hasher;
use keyring::Keyring;
use revocations::Hub;

/// What the use cases work with; clones share it.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) peppers: Arc<Peppers>,
    pub(crate) hasher: Hasher,
    pub(crate) keyring: Keyring,
    pub(crate) hub: Hub,
    pub(crate) assertions: AssertionKeys,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The wall clock: tokens, sessions and audit go by it and by nothing else (DEL-8).
    pub(crate) fn now(&self) -> Timestamp {
        self.wall.now()
    }

    /// A fresh id of a row, by the wall clock.
    pub(crate) fn mint(&self) -> Uuid {
        self.ids.v7(self.wall.now())
    }

    /// Lets a change of keys or members through only for a person who signed in a moment ago and whose
    /// session lives, asked where it is known (AUTH-19).
    pub(crate) async fn critical(&self, scope: &Scope) -> Result<(), Error> {
        let (Some(user), Some(session)) = (scope.user(), scope.session()) else {
            return Err(Error::NotAPerson);
        };
        let recent = std::time::Duration::from_secs(self.config.recent_sign_in_seconds);
        let now = self.now();
        self.store
            .system_read(purpose::identity::REVOCATIONS, Shard::ONLY, |tx| async move {
                let row = rows::session::get(&tx, session).await?;
                let row = row.filter(|row| row.user_id == user.uuid() && row.ended_us.is_none());
                let row = row.ok_or(Error::SessionEnded)?;
                let age = now.since(Timestamp::from_micros(row.signed_in_us));
                if age > recent { Err(Error::SignInAgain) } else { Ok(()) }
            })
            .await
    }
}
