//! The one-time link: it lets a person into the one place that it was made for (AUTH-10).
//!
//! Whoever has no password yet sets it with the link, which ends all that there was before. Whoever
//! has one proves it instead: the link alone, which an inviter holds, opens nothing of the person's
//! other places, and the password alone, which somebody may have set who claimed the address first,
//! opens nothing of this one. A wrong password is charged like one at sign-in, so that a link is no
//! way around the throttle.
//!
//! The link is used up in the unit that opens the place: of two at once one wins. A process that dies
//! before leaves the link good.

use kernel::id::{TenantId, UserId};
use kernel::ids::random_token;
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use std::time::Duration;
use store::{Error as StoreError, Shard, SystemTx, Uuid, purpose};

use super::App;
use super::audit::Act;
use super::hashing::Verdict;
use super::session::digest;
use super::sign_in::LONGEST_PASSWORD;
use super::throttle::Buckets;
use crate::domain::password;
use crate::domain::place::Place;
use crate::error::Error;
use crate::rows::credential::{self, Hashed};
use crate::rows::{audit, membership, operator, person, place_link, session};

/// What links' tokens start with, for scanners.
const PREFIX: &str = "sbl_";
const BYTES: usize = 32;

/// A one-time link.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) token: SecretString,
    pub(crate) expires: Timestamp,
}

/// What a link leads to.
struct Found {
    link: place_link::Model,
    person: person::Model,
    stored: Option<Hashed>,
}

/// What came with a link.
enum Shown {
    /// The person's first password.
    First(Hashed),
    /// The password that the person has, and where the try was charged.
    Own(Buckets),
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

    /// Gives a person this link into a place that waits for them, a tenant's or a desk's.
    pub(crate) async fn give_link(
        &self,
        tx: &SystemTx,
        place_id: Uuid,
        in_tenant: Option<TenantId>,
        user: UserId,
        link: &Link,
    ) -> Result<(), StoreError> {
        let row = place_link::Model {
            hash: digest(link.token.expose_secret()),
            place_id,
            user_id: user.uuid(),
            in_tenant: in_tenant.map(|tenant| tenant.uuid()),
            expires_us: link.expires.as_micros(),
        };
        place_link::give(tx, &row).await
    }

    /// Lets a person into the place of a link, and answers whose it was.
    #[tracing::instrument(name = "identity.set_password", skip_all, err(level = "debug"))]
    pub(crate) async fn set_password(
        &self,
        token: &SecretString,
        password: &SecretString,
    ) -> Result<String, Error> {
        let hash = &digest(token.expose_secret());
        // Looked at before anything is hashed: without a link nobody costs us 20 ms.
        let found = &self.behind(hash).await?.ok_or(Error::LinkInvalid)?;
        let shown = &if let Some(stored) = &found.stored {
            Shown::Own(self.prove(&found.person, password, stored).await?)
        } else {
            let context = [found.person.email.as_str(), found.person.name.as_str()];
            password::check(password.expose_secret(), self.config.least_password(), &context)?;
            Shown::First(self.hasher.hash(password).await?)
        };
        self.store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                self.let_in(&tx, found, shown).await
            })
            .await?;
        self.hub.wake();
        Ok(found.person.email.clone())
    }

    async fn behind(&self, hash: &[u8]) -> Result<Option<Found>, Error> {
        self.store
            .system_read(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                let now_us = self.now().as_micros();
                let Some(link) = place_link::live(&tx, hash, now_us).await? else {
                    return Ok(None);
                };
                let Some(person) = person::get(&tx, link.user_id).await? else { return Ok(None) };
                let credential = credential::get(&tx, person.id).await?;
                let stored = credential.and_then(credential::Model::hashed);
                Ok::<_, Error>(Some(Found { link, person, stored }))
            })
            .await
    }

    /// Charges a try and compares the password with the person's own.
    async fn prove(
        &self,
        person: &person::Model,
        password: &SecretString,
        stored: &Hashed,
    ) -> Result<Buckets, Error> {
        if password.expose_secret().len() > LONGEST_PASSWORD {
            return Err(Error::LinkNeedsPassword);
        }
        let buckets = self.buckets(&person.email, None, "");
        let charged = &buckets;
        self.store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                Ok::<_, Error>(self.charge(&tx, charged).await?)
            })
            .await?
            .map_err(Error::Throttled)?;
        match self.hasher.verify(password, Some(stored.clone())).await? {
            Verdict::Right | Verdict::RightButOld => Ok(buckets),
            Verdict::Wrong => Err(Error::LinkNeedsPassword),
        }
    }

    async fn let_in(&self, tx: &SystemTx, found: &Found, shown: &Shown) -> Result<(), Error> {
        let Found { link, stored, .. } = found;
        let now_us = self.now().as_micros();
        // Locked: the password is still the one that was shown, or there is still none.
        let own = credential::of_person(tx, link.user_id, now_us).await?;
        if own.hash.as_ref() != stored.as_ref().map(|stored| &stored.phc) {
            return Err(Error::LinkNeedsPassword);
        }
        if !place_link::use_up(tx, &link.hash, now_us).await? {
            return Err(Error::LinkInvalid);
        }
        let place = take(tx, link).await?.ok_or(Error::LinkInvalid)?;
        match shown {
            Shown::First(hashed) => {
                credential::set(tx, link.user_id, hashed, now_us).await?;
                session::end_of_person(tx, link.user_id, now_us, "password_changed").await?;
                person::kill_tokens(tx, link.user_id, now_us).await?;
            }
            Shown::Own(charged) => self.give_back(tx, charged).await?,
        }
        // One word for both: a tenant's log does not tell who has a password from elsewhere (ISO-9).
        let user = UserId::from_uuid(link.user_id);
        let act = Act::of_person(user, "person.joined").about(user).at_place(place);
        Ok(audit::write(tx, self.act(act)).await?)
    }
}

/// Opens the place of a link; none where the person was taken out since.
async fn take(tx: &SystemTx, link: &place_link::Model) -> Result<Option<Place>, StoreError> {
    if let Some(tenant) = link.in_tenant {
        let taken = membership::activate(tx, tenant, link.place_id).await?;
        return Ok(taken.then(|| Place::Tenant(TenantId::from_uuid(tenant))));
    }
    let row = operator::activate(tx, link.place_id).await?;
    Ok(row.map(|row| Place::of_desk(row.partner_id)))
}
