//! Hashing of passwords: Argon2id under a pepper, off the runtime's threads, so many at once and no
//! more (AUTH-1 to AUTH-3). A caller who goes away leaves its run to end; the permit is the run's.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use kernel::ids::Ids;
use kernel::secret::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::config::Hashing;
use crate::error::Error;
use crate::peppers::{Pepper, Peppers};
use crate::rows::credential::Hashed;

/// OWASP's minimum, and Argon2's default here: memory in KiB, passes, lanes.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT: usize = 16;

/// A hash of nothing that anybody knows, with our parameters: what a password is compared with where
/// there is no person, so that the answer takes as long (AUTH-5).
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3dpdGNoYm9hcmQuLi4uLg$\
    bm9ib2R5IGtub3dzIHdoYXQgdGhpcyBvbmUgd2FzLi4";

/// Whether a password was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// Right, and its hash was made with a pepper or parameters of the past.
    RightButOld,
    Wrong,
}

/// Hashes and verifies.
pub(crate) struct Hasher {
    peppers: Arc<Peppers>,
    ids: Arc<dyn Ids>,
    running: Arc<Semaphore>,
    /// Those that run and those that wait.
    admitted: Arc<Semaphore>,
    wait: Duration,
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn failed(error: impl ToString) -> Error {
    Error::Hashing(error.to_string())
}

fn params() -> Result<Params, Error> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)
}

fn argon(pepper: &Pepper) -> Result<Argon2<'_>, Error> {
    Argon2::new_with_secret(pepper.bytes(), Algorithm::Argon2id, Version::V0x13, params()?)
        .map_err(failed)
}

impl Hasher {
    pub(crate) fn new(settings: &Hashing, peppers: Arc<Peppers>, ids: Arc<dyn Ids>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let permits = match settings.permits {
            0 => cores.saturating_sub(1).max(1),
            some => some,
        };
        Self {
            peppers,
            ids,
            running: Arc::new(Semaphore::new(permits)),
            admitted: Arc::new(Semaphore::new(permits + settings.queue)),
            wait: Duration::from_millis(settings.wait_ms),
        }
    }

    /// A fresh hash under the current pepper.
    pub(crate) async fn hash(&self, password: &SecretString) -> Result<Hashed, Error> {
        let (password, peppers) = (password.clone(), Arc::clone(&self.peppers));
        let mut salt = [0_u8; SALT];
        self.ids.fill(&mut salt);
        self.run(move || {
            let argon = argon(&peppers.current)?;
            let hash = argon
                .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
                .map_err(failed)?;
            Ok(Hashed { phc: hash.to_string(), pepper: peppers.current.id().to_owned() })
        })
        .await
    }

    /// Compares a password with a hash, or with the dummy where there is none: the same work.
    pub(crate) async fn verify(
        &self,
        password: &SecretString,
        stored: Option<Hashed>,
    ) -> Result<Verdict, Error> {
        let (password, peppers) = (password.clone(), Arc::clone(&self.peppers));
        self.run(move || {
            let known = stored.as_ref().and_then(|hashed| {
                let pepper = peppers.get(&hashed.pepper);
                if pepper.is_none() {
                    tracing::error!(
                        pepper = hashed.pepper,
                        "a password was hashed with a pepper that is not configured"
                    );
                }
                Some((hashed, pepper?))
            });
            let (phc, pepper) =
                known.map_or((DUMMY, &peppers.current), |(hashed, pepper)| (&hashed.phc, pepper));
            let parsed = PasswordHash::new(phc).map_err(failed)?;
            let matched =
                argon(pepper)?.verify_password(password.expose_secret().as_bytes(), &parsed);
            if matched.is_err() || known.is_none() {
                return Ok(Verdict::Wrong);
            }
            let current = pepper.id() == peppers.current.id()
                && Params::try_from(&parsed).is_ok_and(|used| {
                    (used.m_cost(), used.t_cost(), used.p_cost()) == (MEMORY_KIB, PASSES, LANES)
                });
            Ok(if current { Verdict::Right } else { Verdict::RightButOld })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let admitted =
            Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Error::HashingBusy)?;
        let permit = tokio::time::timeout(self.wait, Arc::clone(&self.running).acquire_owned())
            .await
            .map_err(|_| Error::HashingBusy)?
            .map_err(failed)?;
        tokio::task::spawn_blocking(move || {
            let _held = (admitted, permit);
            work()
        })
        .await
        .map_err(failed)?
    }
}

#[cfg(test)]
mod tests {
    use kernel::ids::SeededIds;
    use kernel::secret::Zeroizing;

    use super::*;

    fn hasher(peppers: Peppers, settings: &Hashing) -> Hasher {
        Hasher::new(settings, Arc::new(peppers), Arc::new(SeededIds::new(1)))
    }

    fn pepper(byte: u8) -> Pepper {
        Pepper::new(Zeroizing::new([byte; 32]))
    }

    #[tokio::test]
    async fn a_password_is_right_under_its_pepper_alone() {
        let one = hasher(pepper(1).into(), &Hashing::default());
        let hashed = one.hash(&"correct horse".into()).await.unwrap();
        assert!(hashed.phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hashed.phc);
        for (password, verdict) in
            [("correct horse", Verdict::Right), ("Correct horse", Verdict::Wrong)]
        {
            let judged = one.verify(&password.into(), Some(hashed.clone())).await.unwrap();
            assert_eq!(judged, verdict);
        }
        // A dump without the pepper, or with another one under the same name, opens nothing.
        let other = hasher(pepper(2).into(), &Hashing::default());
        let renamed = Hashed { pepper: pepper(2).id().to_owned(), ..hashed.clone() };
        let right = "correct horse".into();
        assert_eq!(other.verify(&right, Some(hashed.clone())).await.unwrap(), Verdict::Wrong);
        assert_eq!(other.verify(&right, Some(renamed)).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_pepper_of_the_past_opens_and_asks_for_a_new_hash() {
        let old = hasher(pepper(1).into(), &Hashing::default());
        let hashed = old.hash(&"correct horse".into()).await.unwrap();
        let both = Peppers { current: pepper(2), previous: Some(pepper(1)) };
        let both = hasher(both, &Hashing::default());
        let verdict = both.verify(&"correct horse".into(), Some(hashed)).await.unwrap();
        assert_eq!(verdict, Verdict::RightButOld);
    }

    #[tokio::test]
    async fn without_a_person_no_password_is_right() {
        let hasher = hasher(pepper(1).into(), &Hashing::default());
        for password in ["", "switchboard", "nobody knows what this was before"] {
            assert_eq!(hasher.verify(&password.into(), None).await.unwrap(), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn beyond_permits_and_queue_one_is_sent_away() {
        let settings = Hashing { permits: 1, queue: 1, wait_ms: 10_000 };
        let hasher = hasher(pepper(1).into(), &settings);
        let password = "x".into();
        let tries = futures::future::join_all((0..8).map(|_| hasher.hash(&password))).await;
        let busy = tries.iter().filter(|one| matches!(one, Err(Error::HashingBusy))).count();
        assert_eq!((busy, tries.iter().filter(|one| one.is_ok()).count()), (6, 2));
    }
}
