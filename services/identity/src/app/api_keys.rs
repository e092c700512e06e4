//! API keys of a tenant: made once, shown once, ended for good (AUTH-15).
//!
//! A repeated request gets its first answer, the secret too: it stands sealed in the idempotency key's
//! row, which lives for days and opens with the KEK alone. It is sealed before the unit, which may run
//! twice and touches nothing outside. A process that dies in between has made no key.

use std::collections::BTreeSet;

use auth::{ApiKey, Environment, Permission, Scope, Wabas};
use kernel::id::{KeyId, WabaId};
use kernel::page::{CursorScope, Page};
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use seal::Aad;
use sha2::{Digest as _, Sha256};
use store::{KeyClaim, ScopedTx, Uuid};

use super::App;
use super::audit::Act;
use super::tokens::KeyGrant;
use crate::domain::grant::{self, NotGranted};
use crate::error::Error;
use crate::paging::Asked;
use crate::rows::api_key::{self, Model, permission_words, waba_words};
use crate::rows::{audit, tenant};

/// Live keys of one tenant.
const MOST_LIVE: u64 = 100;
/// Longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Most rows that are looked through for a caller who sees a part of them.
const LOOKED_THROUGH: u64 = 1_000;

/// A key to be made.
#[derive(Debug, Clone)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) environment: Environment,
    pub(crate) permissions: BTreeSet<Permission>,
    /// Empty means all that the caller has.
    pub(crate) wabas: BTreeSet<WabaId>,
    pub(crate) expires_us: Option<i64>,
    /// Empty means none.
    pub(crate) idempotency_key: String,
}

/// A key with its secret.
pub(crate) struct Made {
    pub(crate) row: Model,
    pub(crate) secret: SecretString,
}

/// A repeated request's answer: the key's id, and the secret as it was sealed.
struct Stored {
    id: Uuid,
    sealed: Vec<u8>,
}

impl Stored {
    fn write(&self) -> Vec<u8> {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(&self.sealed);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (id, sealed) = bytes.split_first_chunk::<16>().ok_or(Error::StoredAnswer)?;
        Ok(Self { id: Uuid::from_bytes(*id), sealed: sealed.to_vec() })
    }
}

fn place(tenant: Uuid, key: Uuid) -> Aad<'static> {
    Aad { tenant, table: "idempotency", column: "answer", row: key }
}

impl NewKey {
    fn check(&self, now: Timestamp) -> Result<(), Error> {
        let length = self.name.chars().count();
        if length == 0 || length > LONGEST_NAME || self.name.contains('\0') {
            return Err(Error::invalid("name", format!("takes 1 to {LONGEST_NAME} characters")));
        }
        if self.environment == Environment::Any {
            return Err(Error::invalid("environment", "is `live` or `sandbox`"));
        }
        if self.expires_us.is_some_and(|expires| expires <= now.as_micros()) {
            return Err(Error::invalid("expires_us", "lies in the past"));
        }
        lawful_key(&self.idempotency_key)
    }

    /// The request's key. It is the asker's own: another member who guesses it gets no secret.
    fn claim(&self, scope: &Scope) -> Option<KeyClaim> {
        if self.idempotency_key.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        let wabas: Vec<_> = self.wabas.iter().map(ToString::to_string).collect();
        let expires = self.expires_us.map(|us| us.to_string()).unwrap_or_default();
        for part in [
            scope.subject(),
            &self.name,
            self.environment.as_str(),
            &permission_words(self.permissions.iter().copied()),
            &wabas.join(" "),
            &expires,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Some(KeyClaim {
            operation: "identity.create_api_key",
            key: self.idempotency_key.clone(),
            fingerprint: hash.finalize().into(),
            environment: scope.environment(),
        })
    }
}

/// Whether a text can be an idempotency key.
pub(crate) fn lawful_key(key: &str) -> Result<(), Error> {
    let printable = |sign: char| sign.is_ascii_graphic() || sign == ' ';
    if key.len() > 255 || !key.chars().all(printable) {
        return Err(Error::invalid("idempotency_key", "takes at most 255 printable characters"));
    }
    Ok(())
}

/// Which WABAs the key reaches: those asked for, all of them the caller's.
fn reach(scope: &Scope, asked: &BTreeSet<WabaId>) -> Result<Wabas, Error> {
    let own = scope.wabas().ok_or(store::Error::NoTenant)?;
    if asked.is_empty() {
        return Ok(own.clone());
    }
    let wabas = Wabas::Only(asked.clone());
    if own.covers(&wabas) {
        Ok(wabas)
    } else {
        Err(Error::BeyondCaller { what: "a WABA in waba_ids".to_owned() })
    }
}

impl From<NotGranted> for Error {
    fn from(why: NotGranted) -> Self {
        match why {
            NotGranted::NotForKeys(permission) => {
                Self::invalid("permissions", format!("no API key may have {permission}"))
            }
            NotGranted::BeyondWabas(permission) => Self::invalid(
                "permissions",
                format!("{permission} shows the whole tenant: no key for some WABAs may have it"),
            ),
            NotGranted::Beyond(permission) => {
                Self::BeyondCaller { what: format!("the permission {permission}") }
            }
        }
    }
}

impl App {
    /// Makes a key.
    #[tracing::instrument(name = "identity.create_api_key", skip_all, err(level = "debug"))]
    pub(crate) async fn create_api_key(&self, scope: &Scope, new: &NewKey) -> Result<Made, Error> {
        self.critical(scope).await?;
        let now = self.now();
        new.check(now)?;
        let tenant = scope.tenant().ok_or(store::Error::NoTenant)?;
        let wabas = reach(scope, &new.wabas)?;
        let permissions = grant::key_permissions(scope.permissions(), &new.permissions, &wabas)?;
        let key = ApiKey::generate(new.environment, &*self.ids);
        let id = self.ids.v7(now);
        let row = Model {
            tenant_id: tenant.uuid(),
            id,
            lookup: key.id().to_owned(),
            hint: key.hint(),
            name: new.name.clone(),
            environment: new.environment.as_str().to_owned(),
            digest: key.digest(self.peppers.current.bytes()).to_vec(),
            pepper_id: self.peppers.current.id().to_owned(),
            permissions: permission_words(permissions.iter().copied()),
            wabas: waba_words(&wabas),
            created_by: scope.subject().to_owned(),
            created_us: now.as_micros(),
            expires_us: new.expires_us,
            last_used_us: None,
            revoked_us: None,
        };
        // A token that could not be signed is found out now, not at the key's first use.
        let trial = KeyGrant {
            tenant,
            key: KeyId::from_uuid(id),
            environment: new.environment,
            permissions: permissions.into_iter().collect(),
            wabas,
        };
        self.key_token(&trial, now, self.config.token_life()).await.map_err(
            |error| match error {
                Error::Signing(error @ (auth::KeyError::TooLong | auth::KeyError::Claims(_))) => {
                    Error::invalid("waba_ids", error)
                }
                other => other,
            },
        )?;
        let claim = &new.claim(scope);
        let stored = &if claim.is_some() {
            let secret = key.text();
            let at = place(tenant.uuid(), id);
            let sealed = self.sealer.seal(&at, secret.expose_secret().as_bytes()).await?;
            Some(Stored { id, sealed })
        } else {
            None
        };
        let row = &row;
        let earlier = self
            .store
            .write(scope, |tx| async move {
                if let Some(claim) = claim
                    && let Some(earlier) = tx.claim_key(claim).await?
                {
                    return Stored::read(&earlier.0).map(Some);
                }
                self.keep(&tx, scope, row).await?;
                if let (Some(claim), Some(stored)) = (claim, stored) {
                    tx.keep_answer(claim, stored.write()).await?;
                }
                Ok::<_, Error>(None)
            })
            .await?;
        match earlier {
            None => Ok(Made { row: row.clone(), secret: key.text() }),
            Some(earlier) => self.again(scope, &earlier).await,
        }
    }

    async fn keep(&self, tx: &ScopedTx, scope: &Scope, row: &Model) -> Result<(), Error> {
        tenant::lock_own(tx).await?;
        if api_key::count_live(tx, row.created_us).await? >= MOST_LIVE {
            return Err(Error::TooManyKeys(MOST_LIVE));
        }
        api_key::insert(tx, row).await?;
        let act = Act::of(scope, "api_key.created")
            .about(KeyId::from_uuid(row.id))
            .saying(&row.environment);
        Ok(audit::write_own(tx, self.act(act)).await?)
    }

    /// The answer of the first request.
    async fn again(&self, scope: &Scope, earlier: &Stored) -> Result<Made, Error> {
        let row = self.api_key(scope, earlier.id).await?;
        let at = place(row.tenant_id, row.id);
        let secret = self.sealer.open(&at, &earlier.sealed).await?;
        let secret = std::str::from_utf8(&secret).map_err(|_| Error::StoredAnswer)?;
        Ok(Made { row, secret: secret.into() })
    }

    async fn api_key(&self, scope: &Scope, id: Uuid) -> Result<Model, Error> {
        let found = self
            .store
            .read(scope, |tx| async move { Ok::<_, Error>(api_key::get(&tx, id).await?) })
            .await?;
        found.ok_or(Error::KeyNotFound)
    }

    /// Keys of the tenant. A caller limited to some WABAs sees the keys that reach no further.
    pub(crate) async fn list_api_keys(
        &self,
        scope: &Scope,
        asked: &Asked,
    ) -> Result<Page<Model>, Error> {
        let tenant = scope.tenant().ok_or(store::Error::NoTenant)?;
        let own = scope.wabas().ok_or(store::Error::NoTenant)?;
        let place = CursorScope::Tenant(tenant);
        let paging = asked.within(&self.cursors, place, "api_keys", &[])?;
        let span = paging.span();
        let limit = if *own == Wabas::All { span.limit } else { LOOKED_THROUGH };
        let mut rows = self
            .store
            .read(scope, |tx| async move {
                let listed = api_key::list(&tx, span.after, span.newest_first, limit);
                Ok::<_, Error>(listed.await?)
            })
            .await?;
        rows.retain(|row| own.covers(&row.reaches()));
        Ok(paging.cut(&self.cursors, rows, |row| row.id))
    }

    /// Ends a key; once ended, the same answer again.
    #[tracing::instrument(name = "identity.revoke_api_key", skip_all, err(level = "debug"))]
    pub(crate) async fn revoke_api_key(&self, scope: &Scope, id: KeyId) -> Result<Model, Error> {
        self.critical(scope).await?;
        let own = scope.wabas().ok_or(store::Error::NoTenant)?;
        let row = self
            .store
            .write(scope, |tx| async move {
                let found = api_key::get(&tx, id.uuid()).await?;
                let mut row =
                    found.filter(|row| own.covers(&row.reaches())).ok_or(Error::KeyNotFound)?;
                let now_us = self.now().as_micros();
                if api_key::revoke(&tx, row.id, now_us).await? {
                    row.revoked_us = Some(now_us);
                    let act = Act::of(scope, "api_key.revoked").about(id);
                    audit::write_own(&tx, self.act(act)).await?;
                }
                Ok::<_, Error>(row)
            })
            .await?;
        self.hub.wake();
        Ok(row)
    }
}
