//! Sign-in: charge the try, compare the password, start a session. Unknown people and wrong passwords
//! get one answer after the same work (AUTH-5).
//!
//! Two units with the hashing between them: no transaction waits for 20 ms of arithmetic. The second
//! asks again whether the password is still the one that was compared, so that a change of password
//! leaves no session of the old one behind.

use std::time::Duration;

use kernel::secret::{ExposeSecret as _, SecretString};
use store::{Shard, SystemTx, purpose};

use super::App;
use super::hashing::Verdict;
use super::session::{Start, Tokens, digest};
use super::throttle::{Buckets, Device};
use crate::domain::place::Wanted;
use crate::error::Error;
use crate::rows::credential::{self, Hashed};
use crate::rows::person::{self, Login};

/// Longest address that is looked at; longer ones are nobody's.
const LONGEST_EMAIL: usize = 320;
/// Longest password that is hashed, in bytes: 256 characters have no more.
pub(super) const LONGEST_PASSWORD: usize = 1_024;

/// A try to sign in.
pub(crate) struct SignIn {
    pub(crate) email: String,
    pub(crate) password: SecretString,
    pub(crate) wanted: Wanted,
    pub(crate) client_address: String,
    pub(crate) device_token: String,
}

/// A sign-in that succeeded.
pub(crate) struct SignedIn {
    pub(crate) tokens: Tokens,
    pub(crate) device: SecretString,
}

/// What the first unit found.
struct Tried {
    login: Option<Login>,
    device: Option<Device>,
    buckets: Buckets,
}

impl App {
    /// Checks a password and starts a session.
    #[tracing::instrument(name = "identity.sign_in", skip_all, err(level = "debug"))]
    pub(crate) async fn sign_in(&self, asked: &SignIn) -> Result<SignedIn, Error> {
        let email = &asked.email.trim().to_lowercase();
        if email.len() > LONGEST_EMAIL
            || email.contains('\0')
            || asked.password.expose_secret().len() > LONGEST_PASSWORD
        {
            return Err(Error::SignInRefused);
        }
        let device = self.read_device(&asked.device_token);
        let tried = self
            .store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                self.try_once(&tx, email, device, &asked.client_address).await
            })
            .await?
            .map_err(Error::Throttled)?;
        let stored = tried.login.as_ref().and_then(|login| {
            Some(Hashed { phc: login.hash.clone()?, pepper: login.pepper_id.clone()? })
        });
        let verdict = self.hasher.verify(&asked.password, stored.clone()).await?;
        let again = match verdict {
            Verdict::Wrong => return Err(Error::SignInRefused),
            Verdict::Right => None,
            Verdict::RightButOld => Some(self.hasher.hash(&asked.password).await?),
        };
        let (Some(login), Some(stored)) = (&tried.login, &stored) else {
            return Err(Error::SignInRefused);
        };
        let refresh = self.refresh_token();
        let new = &digest(refresh.expose_secret());
        let session = self.mint();
        let (tried, again) = (&tried, &again);
        let begun = self
            .store
            .system(purpose::identity::SESSIONS, Shard::ONLY, |tx| async move {
                if !credential::still(&tx, login.id, &stored.phc).await? {
                    return Err(Error::SignInRefused);
                }
                if let Some(again) = again {
                    credential::set(&tx, login.id, again, self.now().as_micros()).await?;
                }
                self.give_back(&tx, &tried.buckets).await?;
                let start = Start {
                    user: login.id,
                    session,
                    wanted: asked.wanted,
                    refresh: new,
                    signed_in_us: None,
                };
                self.begin(&tx, &start).await
            })
            .await?;
        let device = tried.device.unwrap_or_else(|| Device { user: login.id, id: self.mint() });
        let tokens = self.answer(begun, refresh).await?;
        Ok(SignedIn { tokens, device: self.device_token(device) })
    }

    /// Looks the person up and charges the try.
    async fn try_once(
        &self,
        tx: &SystemTx,
        email: &str,
        device: Option<Device>,
        address: &str,
    ) -> Result<Result<Tried, Duration>, Error> {
        let login = person::login(tx, email).await?;
        let device = device.filter(|device| login.as_ref().is_some_and(|p| p.id == device.user));
        let buckets = self.buckets(email, device, address);
        let charged = self.charge(tx, &buckets).await?;
        Ok(charged.map(|()| Tried { login, device, buckets }))
    }
}
