//! The token vault: one sealed token a saga, the newest of a WABA answered to those who call Meta for it (SEC-3).
//!
//! Sealing and opening stand outside every unit of work: they may make a data key in a transaction of their own.

use auth::Acting;
use kernel::{
    id::{TenantId, WabaId},
    secret::MetaToken,
};
use seal::Aad;
use store::{Error as StoreError, ScopedTx, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::App;
use crate::{
    error::Error,
    rows::{credential, tenant, waba},
};

/// A token and what callers must know of it.
pub(crate) struct Token {
    pub(crate) secret: MetaToken,
    pub(crate) app_id: String,
    pub(crate) generation: i64,
    pub(crate) expires_us: Option<i64>,
}

fn aad(tenant: Uuid, row: Uuid) -> Aad<'static> {
    Aad { tenant, table: "credential", column: "token", row }
}

/// Seals a token for a credential's row.
pub(crate) async fn seal(
    app: &App,
    tenant: Uuid,
    row: Uuid,
    token: &MetaToken,
) -> Result<Vec<u8>, Error> {
    app.sealer.seal(&aad(tenant, row), token.expose().as_bytes()).await.map_err(Error::Seal)
}

/// Where the link of an invitation is sealed: beside the idempotency key that it was made under.
const fn link(tenant: Uuid, invitation: Uuid) -> Aad<'static> {
    Aad { tenant, table: "desk_command", column: "answer", row: invitation }
}

/// Seals the secret half of an invitation's link.
pub(crate) async fn seal_link(
    app: &App,
    tenant: Uuid,
    invitation: Uuid,
    secret: &str,
) -> Result<Vec<u8>, Error> {
    app.sealer.seal(&link(tenant, invitation), secret.as_bytes()).await.map_err(Error::Seal)
}

/// Opens it again.
pub(crate) async fn open_link(
    app: &App,
    tenant: Uuid,
    invitation: Uuid,
    sealed: &[u8],
) -> Result<String, Error> {
    let opened = app.sealer.open(&link(tenant, invitation), sealed).await.map_err(Error::Seal)?;
    let text = std::str::from_utf8(&opened);
    text.map(str::to_owned).map_err(|_| Error::Internal("a stored link is not text"))
}

async fn open(app: &App, row: &credential::Model) -> Result<MetaToken, Error> {
    let opened =
        app.sealer.open(&aad(row.tenant_id, row.id), &row.token).await.map_err(Error::Seal)?;
    let text =
        std::str::from_utf8(&opened).map_err(|_| Error::Internal("a stored token is not text"))?;
    Ok(MetaToken::new(text))
}

/// The token that a saga exchanged; `None` once it was forgotten.
pub(crate) async fn token_of_saga(
    app: &App,
    acting: &Acting,
    saga: Uuid,
) -> Result<Option<MetaToken>, StoreError> {
    let row = app
        .store
        .read(acting, |tx: ScopedTx| async move { credential::of_saga(&tx, saga).await })
        .await?;
    match row {
        None => Ok(None),
        Some(row) => open(app, &row)
            .await
            .map(Some)
            .map_err(|error| StoreError::bad_row("credential", error.to_string())),
    }
}

impl App {
    /// The newest token of a WABA that this tenant holds. A suspended tenant's is kept back: nobody calls Meta for it.
    pub(crate) async fn token(&self, tenant: TenantId, waba: WabaId) -> Result<Token, Error> {
        let (tenant, waba) = (tenant.uuid(), waba.uuid());
        let found = self
            .store
            .system_read(purpose::onboarding::VAULT, Shard::ONLY, |tx: SystemTx| async move {
                let held = waba::held_of(&tx, tenant, waba).await?.ok_or(Error::WabaNotFound)?;
                if !tenant::is_active(&tx, tenant).await? {
                    return Err(Error::TenantSuspended);
                }
                let row = credential::of_waba(&tx, tenant, waba).await?;
                Ok((row.ok_or(Error::WabaNotFound)?, held.credential_generation))
            })
            .await?;
        let (row, generation) = found;
        Ok(Token {
            secret: open(self, &row).await?,
            app_id: row.app_id.clone(),
            generation,
            expires_us: row.expires_us,
        })
    }
}
