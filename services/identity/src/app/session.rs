//! Sessions: one sign-in in one place, gone on with by refresh tokens that are used once (AUTH-9).
//!
//! A used token that comes again was stolen, by whoever came first or second: its session ends, and
//! with it the leaf that the other one holds. The compare-and-set on the token decides, so that of
//! many at once one gets a successor. A process that dies after the commit leaves a client without
//! its new token; the old one then ends the session, and the client signs in again.

use auth::Role;
use kernel::id::{SessionId, UserId};
use kernel::ids::random_token;
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use store::{Shard, SystemTx, Uuid, purpose};

use super::audit::Act;
use super::tokens::Issued;
use super::{App, places};
use crate::domain::place::{NotChosen, Place, Standing, Wanted, choose};
use crate::error::Error;
use crate::rows::{audit, refresh_token, session, tenant};

/// What refresh tokens start with, for scanners.
const PREFIX: &str = "sbr_";
/// Bytes of their randomness.
const BYTES: usize = 32;

/// What a sign-in or a refresh answers.
pub(crate) struct Tokens {
    pub(crate) access: Issued,
    pub(crate) refresh: SecretString,
    pub(crate) refresh_life: Duration,
    pub(crate) user: UserId,
    pub(crate) current: Standing,
    pub(crate) standings: Vec<Standing>,
}

/// A session that a unit has written.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) user: Uuid,
    pub(crate) session: Uuid,
    pub(crate) current: Standing,
    pub(crate) standings: Vec<Standing>,
    /// The instant of issuing: taken while the place was held.
    pub(crate) at: Timestamp,
    pub(crate) absolute_us: i64,
}

/// How a refresh ended; both are committed.
enum Refreshed {
    On(Box<Begun>),
    Reused,
}

/// SHA-256 of a token: what is stored of it. 256 random bits need no slower hash.
pub(crate) fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl From<NotChosen> for Error {
    fn from(why: NotChosen) -> Self {
        match why {
            NotChosen::Nowhere => Self::NoMembership,
            NotChosen::NotThere => Self::MembershipNotFound,
            NotChosen::Closed => Self::TenantSuspended,
        }
    }
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

impl App {
    /// A fresh refresh token.
    pub(crate) fn refresh_token(&self) -> SecretString {
        format!("{PREFIX}{}", random_token(&*self.ids, BYTES)).into()
    }

    /// How long a session in this place lives from its sign-in, in microseconds.
    pub(crate) fn absolute_us(&self, place: Place) -> i64 {
        micros(match place {
            Place::Tenant(_) => self.config.refresh_absolute_seconds,
            Place::Partner(_) | Place::Bsp => self.config.desk_absolute_seconds,
        })
    }

    /// Chooses a place and starts a session in it, inside the unit that let the person in.
    pub(crate) async fn begin(&self, tx: &SystemTx, start: &Start<'_>) -> Result<Begun, Error> {
        let standings = places::of_person(tx, start.user).await?;
        let current = choose(&standings, start.wanted)?.clone();
        if let Place::Tenant(tenant) = current.place
            && !tenant::may_act(tx, tenant.uuid()).await?
        {
            return Err(Error::TenantSuspended);
        }
        let at = self.now();
        let signed_in_us = start.signed_in_us.unwrap_or(at.as_micros());
        let absolute_us = signed_in_us.saturating_add(self.absolute_us(current.place));
        let (in_tenant, in_partner) = match current.place {
            Place::Tenant(tenant) => (Some(tenant.uuid()), None),
            Place::Partner(partner) => (None, Some(partner.uuid())),
            Place::Bsp => (None, None),
        };
        let row = session::Model {
            id: start.session,
            user_id: start.user,
            in_tenant,
            in_partner,
            place_id: current.id,
            signed_in_us,
            absolute_us,
            ended_us: None,
            ended_why: None,
        };
        session::insert(tx, &row).await?;
        refresh_token::insert(tx, start.refresh, row.id, at.as_micros()).await?;
        let act = Act::of_person(UserId::from_uuid(start.user), "session.started")
            .about(SessionId::from_uuid(row.id))
            .at_place(current.place);
        audit::write(tx, self.act(act)).await?;
        let open = standings.into_iter().filter(|standing| standing.open).collect();
        Ok(Begun { user: row.user_id, session: row.id, current, standings: open, at, absolute_us })
    }

    /// The answer for a session that was committed.
    pub(crate) async fn answer(
        &self,
        begun: Begun,
        refresh: SecretString,
    ) -> Result<Tokens, Error> {
        let user = UserId::from_uuid(begun.user);
        let session = SessionId::from_uuid(begun.session);
        let access = self.person_token(user, session, &begun.current, begun.at).await?;
        let left = Timestamp::from_micros(begun.absolute_us).since(begun.at);
        let refresh_life = left.min(Duration::from_secs(self.config.refresh_idle_seconds));
        Ok(Tokens {
            access,
            refresh,
            refresh_life,
            user,
            current: begun.current,
            standings: begun.standings,
        })
    }

    /// Uses a refresh token and answers its successor, in the same place or in another one.
    #[tracing::instrument(name = "identity.refresh", skip_all, err(level = "debug"))]
    pub(crate) async fn refresh(
        &self,
        token: &SecretString,
        wanted: Wanted,
    ) -> Result<Tokens, Error> {
        if !token.expose_secret().starts_with(PREFIX) {
            return Err(Error::RefreshInvalid);
        }
        let old = &digest(token.expose_secret());
        let refresh = self.refresh_token();
        let new = &digest(refresh.expose_secret());
        let fresh = self.mint();
        let refreshed = self
            .store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                self.rotate(&tx, old, new, wanted, fresh).await
            })
            .await?;
        match refreshed {
            Refreshed::On(begun) => {
                if begun.session == fresh {
                    // The session that was left is dead from now on.
                    self.hub.wake();
                }
                self.answer(*begun, refresh).await
            }
            Refreshed::Reused => {
                self.hub.wake();
                tracing::warn!("a refresh token came a second time; its session was ended");
                Err(Error::RefreshReused)
            }
        }
    }

    async fn rotate(
        &self,
        tx: &SystemTx,
        old: &[u8],
        new: &[u8],
        wanted: Wanted,
        fresh: Uuid,
    ) -> Result<Refreshed, Error> {
        let token = refresh_token::get(tx, old).await?.ok_or(Error::RefreshInvalid)?;
        // Locked before the token is used: of two at once the second sees what the first one did.
        let row = session::lock(tx, token.session_id).await?.ok_or(Error::RefreshInvalid)?;
        let now_us = self.now().as_micros();
        if !refresh_token::use_up(tx, old, now_us).await? {
            if session::end(tx, row.id, now_us, "refresh_reused").await? {
                let act = Act::of_person(UserId::from_uuid(row.user_id), "session.reuse_detected")
                    .about(SessionId::from_uuid(row.id))
                    .at_place(place_of(&row));
                audit::write(tx, self.act(act)).await?;
            }
            return Ok(Refreshed::Reused);
        }
        let idle_us = token.created_us.saturating_add(micros(self.config.refresh_idle_seconds));
        if row.ended_us.is_some() || idle_us <= now_us || row.absolute_us <= now_us {
            return Err(Error::SessionEnded);
        }
        let standings = places::of_person(tx, row.user_id).await?;
        let here = standings.iter().find(|standing| standing.id == row.place_id);
        let stays = match wanted {
            Wanted::Any => true,
            Wanted::In(place) => place == place_of(&row),
        };
        if !stays {
            session::end(tx, row.id, now_us, "left_for_another_place").await?;
            let start = Start {
                user: row.user_id,
                session: fresh,
                wanted,
                refresh: new,
                signed_in_us: Some(row.signed_in_us),
            };
            return Ok(Refreshed::On(Box::new(self.begin(tx, &start).await?)));
        }
        let current = here.cloned().ok_or(Error::SessionEnded)?;
        if let Place::Tenant(tenant) = current.place
            && !tenant::may_act(tx, tenant.uuid()).await?
        {
            return Err(Error::TenantSuspended);
        }
        let at = self.now();
        refresh_token::insert(tx, new, row.id, at.as_micros()).await?;
        let open = standings.into_iter().filter(|standing| standing.open).collect();
        Ok(Refreshed::On(Box::new(Begun {
            user: row.user_id,
            session: row.id,
            current,
            standings: open,
            at,
            absolute_us: row.absolute_us,
        })))
    }

    /// Ends the session of a refresh token. Whatever is not known is answered alike.
    #[tracing::instrument(name = "identity.sign_out", skip_all, err(level = "debug"))]
    pub(crate) async fn sign_out(&self, token: &SecretString) -> Result<(), Error> {
        let hash = &digest(token.expose_secret());
        self.store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                let Some(token) = refresh_token::get(&tx, hash).await? else { return Ok(()) };
                let Some(row) = session::lock(&tx, token.session_id).await? else {
                    return Ok(());
                };
                let now_us = self.now().as_micros();
                if session::end(&tx, row.id, now_us, "signed_out").await? {
                    let act = Act::of_person(UserId::from_uuid(row.user_id), "session.ended")
                        .about(SessionId::from_uuid(row.id))
                        .at_place(place_of(&row));
                    audit::write(&tx, self.act(act)).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.hub.wake();
        Ok(())
    }
}

/// What a session starts with.
pub(crate) struct Start<'a> {
    pub(crate) user: Uuid,
    pub(crate) session: Uuid,
    pub(crate) wanted: Wanted,
    /// Digest of the refresh token.
    pub(crate) refresh: &'a [u8],
    /// When the person signed in, where that was before.
    pub(crate) signed_in_us: Option<i64>,
}

/// Where a session is.
fn place_of(row: &session::Model) -> Place {
    use kernel::id::{PartnerId, TenantId};
    match (row.in_tenant, row.in_partner) {
        (Some(tenant), _) => Place::Tenant(TenantId::from_uuid(tenant)),
        (None, Some(partner)) => Place::Partner(PartnerId::from_uuid(partner)),
        (None, None) => Place::Bsp,
    }
}

/// Whether a role is one of a tenant's owners.
pub(crate) fn is_owner(role: &str) -> bool {
    role == Role::TenantOwner.as_str()
}
