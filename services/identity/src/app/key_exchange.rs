//! Exchanges an API key for a token (AUTH-15). Whatever is wrong with a key gets one answer.
//!
//! The checksum is refused before the database is asked; the digest is compared in constant time, with
//! a digest of nothing where there is no such key. The use is written at most once a minute.

use std::time::Duration;

use auth::{ApiKey, Environment};
use kernel::id::{KeyId, TenantId};
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use store::{Shard, SystemTx, purpose};

use super::App;
use super::tokens::{Issued, KeyGrant};
use crate::domain::grant::is_for_keys;
use crate::error::Error;
use crate::rows::{api_key, tenant};

/// How exactly the last use is known.
const LAST_USED: Duration = Duration::from_mins(1);

/// A key that was let in.
struct Admitted {
    grant: KeyGrant,
    at: Timestamp,
    life: Duration,
}

impl App {
    /// A token with what the key may do.
    #[tracing::instrument(name = "identity.exchange_key", skip_all, err(level = "debug"))]
    pub(crate) async fn exchange_key(&self, text: &SecretString) -> Result<Issued, Error> {
        let key = &ApiKey::parse(text.expose_secret()).map_err(|_| Error::KeyRefused)?;
        let admitted = self
            .store
            .system(purpose::identity::KEY_EXCHANGE, Shard::ONLY, |tx| async move {
                self.admit(&tx, key).await
            })
            .await?;
        self.key_token(&admitted.grant, admitted.at, admitted.life).await
    }

    async fn admit(&self, tx: &SystemTx, key: &ApiKey) -> Result<Admitted, Error> {
        let row = api_key::by_lookup(tx, key.id()).await?;
        let pepper = row.as_ref().and_then(|row| self.peppers.get(&row.pepper_id));
        let stored = row.as_ref().map_or([0; 32].as_slice(), |row| &row.digest);
        let matches = key.matches(pepper.unwrap_or(&self.peppers.current).bytes(), stored);
        let (Some(row), Some(pepper), true) = (row, pepper, matches) else {
            return Err(Error::KeyRefused);
        };
        let environment: Environment = row.environment.parse().map_err(|_| Error::KeyRefused)?;
        let now = self.now();
        let expires = row.expires_us.map(Timestamp::from_micros);
        if row.revoked_us.is_some()
            || environment != key.environment()
            || expires.is_some_and(|expires| expires <= now)
        {
            return Err(Error::KeyRefused);
        }
        if !tenant::may_act(tx, row.tenant_id).await? {
            return Err(Error::TenantSuspended);
        }
        if pepper.id() != self.peppers.current.id() {
            let current = &self.peppers.current;
            let digest = key.digest(current.bytes());
            api_key::pepper_again(tx, &row, &digest, current.id()).await?;
        }
        let at = self.now();
        let used = row.last_used_us.map(Timestamp::from_micros);
        if used.is_none_or(|used| at.since(used) >= LAST_USED) {
            api_key::used(tx, &row, at.as_micros()).await?;
        }
        // Whole seconds, and never beyond the key itself.
        let left = expires.map_or(Duration::MAX, |expires| expires.since(at));
        let life = self.config.token_life().min(left).max(Duration::from_secs(1));
        let permissions = row.permissions().into_iter().filter(|one| is_for_keys(*one));
        let grant = KeyGrant {
            tenant: TenantId::from_uuid(row.tenant_id),
            key: KeyId::from_uuid(row.id),
            environment,
            permissions: permissions.collect(),
            wabas: row.reaches(),
        };
        Ok(Admitted { grant, at, life })
    }
}
