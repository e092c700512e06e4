//! Sets a password by a one-time link, and ends all sessions that there were (AUTH-10).
//!
//! The link is used up by a compare-and-set in the unit that keeps the new hash: of two at once one
//! wins. A process that dies before leaves the link good.

use kernel::id::UserId;
use kernel::ids::random_token;
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use std::time::Duration;
use store::{Shard, purpose};

use super::App;
use super::audit::Act;
use super::session::digest;
use crate::domain::password;
use crate::error::Error;
use crate::rows::{audit, credential, membership, person, session};

/// What links' tokens start with, for scanners.
const PREFIX: &str = "sbl_";
const BYTES: usize = 32;

/// A one-time link.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) token: SecretString,
    pub(crate) expires: Timestamp,
}

impl App {
    /// A fresh link; a unit keeps its digest.
    pub(crate) fn link(&self) -> Link {
        let life = Duration::from_secs(self.config.link_life_seconds);
        Link {
            token: format!("{PREFIX}{}", random_token(&*self.ids, BYTES)).into(),
            expires: self.now() + life,
        }
    }

    /// Sets the password that a link is for and answers whose it was.
    #[tracing::instrument(name = "identity.set_password", skip_all, err(level = "debug"))]
    pub(crate) async fn set_password(
        &self,
        token: &SecretString,
        new: &SecretString,
    ) -> Result<String, Error> {
        let hash = &digest(token.expose_secret());
        // Looked at before anything is hashed: without a link nobody costs us 20 ms.
        let whose = self
            .store
            .system_read(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                let now_us = self.now().as_micros();
                match credential::by_link(&tx, hash, now_us).await? {
                    Some(row) => Ok::<_, Error>(person::get(&tx, row.user_id).await?),
                    None => Ok(None),
                }
            })
            .await?
            .ok_or(Error::LinkInvalid)?;
        let context = [whose.email.as_str(), whose.name.as_str()];
        password::check(new.expose_secret(), self.config.least_password(), &context)?;
        let hashed = &self.hasher.hash(new).await?;
        self.store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                let now_us = self.now().as_micros();
                let row = credential::use_link(&tx, hash, hashed, now_us)
                    .await?
                    .ok_or(Error::LinkInvalid)?;
                session::end_of_person(&tx, row.user_id, now_us, "password_changed").await?;
                person::kill_tokens(&tx, row.user_id, now_us).await?;
                membership::activate(&tx, row.user_id).await?;
                let user = UserId::from_uuid(row.user_id);
                let mut acts = Vec::new();
                for tenant in membership::tenants_of(&tx, row.user_id).await? {
                    let act = Act::of_person(user, "person.password_set").about(user);
                    acts.push(self.act(act.in_tenant(tenant)));
                }
                if acts.is_empty() {
                    let act = Act::of_person(user, "person.password_set").about(user);
                    acts.push(self.act(act.at_desk()));
                }
                audit::write_many(&tx, acts).await?;
                Ok::<_, Error>(())
            })
            .await?;
        self.hub.wake();
        Ok(whose.email)
    }
}
