//! Invitations: the link whose secret half opens the signup page.

use auth::Scope;
use kernel::{
    id::{InvitationId, TenantId},
    ids::random_token,
};
use sha2::{Digest as _, Sha256};
use store::{Shard, SystemTx, purpose};

use super::{
    App,
    deeds::{Desk, Keyed},
    desk,
};
use crate::{error::Error, events, rows::invitation};

/// Longest life of an invitation, in seconds.
const LONGEST_LIFE_S: u32 = 90 * 24 * 3_600;

/// SHA-256 of a secret, in hex: what stands in rows. The secrets are random and long, so no salt is needed.
pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

impl App {
    /// Invites a tenant's business. The same key answers the same invitation with a fresh link, since the first one is
    /// kept only as a hash; the old link is dead then.
    pub(crate) async fn invite(
        &self,
        scope: &Scope,
        tenant: TenantId,
        app_id: &str,
        expires_in_s: u32,
        key: &str,
    ) -> Result<(invitation::Model, String), Error> {
        let desk = Desk::of(scope)?;
        let app_id = self
            .meta_app(app_id)
            .ok_or_else(|| Error::UnknownApp(app_id.to_owned()))?
            .id()
            .as_str()
            .to_owned();
        let life_s = if expires_in_s == 0 { self.config.invitation_life_s } else { expires_in_s };
        if life_s > LONGEST_LIFE_S {
            let problem = format!("is {life_s}; at most {LONGEST_LIFE_S} (90 days)");
            return Err(Error::Invalid { field: "expires_in_s", problem });
        }
        let keyed =
            Keyed::of(&desk, "invite", key, &[&tenant.to_string(), &app_id, &life_s.to_string()])?;
        let token = random_token(&*self.ids, 24);
        let at_us = self.wall.now().as_micros();
        let (desk, app_id, keyed, token_hash) = (&desk, &app_id, &keyed, &hash(&token));
        let row = self
            .store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let owner = desk::own_tenant(&tx, desk, tenant.uuid()).await?;
                if !owner.is_active() {
                    return Err(Error::TenantSuspended);
                }
                let id = tx.ids().v7(tx.now());
                if let Some(keyed) = keyed
                    && let Some(before) = keyed.take(&tx, id).await?
                {
                    return invitation::renew(&tx, tenant.uuid(), before, token_hash)
                        .await?
                        .ok_or(Error::InvitationNotFound);
                }
                let now_us = tx.now().as_micros();
                let row = invitation::Model {
                    tenant_id: tenant.uuid(),
                    id,
                    partner_id: owner.partner_id,
                    app_id: app_id.clone(),
                    token_hash: token_hash.clone(),
                    state_hash: None,
                    browser_hash: None,
                    state_until_us: None,
                    created_us: now_us,
                    expires_us: now_us + i64::from(life_s) * 1_000_000,
                    used_us: None,
                };
                invitation::insert(&tx, row.clone()).await?;
                let object = InvitationId::from_uuid(id).to_string();
                let deed =
                    desk.deed("tenant.invited", object, (Some(row.tenant_id), row.partner_id), "");
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await?;
        Ok((row, token))
    }
}
