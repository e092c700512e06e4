//! Invitations: the link whose secret half opens the signup page.

use auth::Scope;
use kernel::{
    id::{InvitationId, TenantId},
    ids::random_token,
};
use sha2::{Digest as _, Sha256};
use store::{Shard, SystemTx, purpose};
use uuid::Uuid;

use super::{
    App,
    deeds::{Desk, Keyed},
    desk, vault,
};
use crate::{
    error::Error,
    events,
    rows::{invitation, tenant},
};

/// Shortest life of an invitation, in seconds: somebody has to open it.
const SHORTEST_LIFE_S: u32 = 60;
/// Longest life of an invitation, in seconds.
const LONGEST_LIFE_S: u32 = 90 * 24 * 3_600;

/// SHA-256 of a secret, in hex: what stands in rows. The secrets are random and long, so no salt is needed.
pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

impl App {
    /// Invites a tenant's business. The same key answers the same invitation with the same link, which is kept sealed
    /// beside the key; without a key the link is kept as a hash alone.
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
        if !(SHORTEST_LIFE_S..=LONGEST_LIFE_S).contains(&life_s) {
            let problem = format!(
                "must be {SHORTEST_LIFE_S} to {LONGEST_LIFE_S} (90 days), not {life_s}; leave it out for the usual life"
            );
            return Err(Error::Invalid { field: "expires_in_s", problem });
        }
        let keyed =
            Keyed::of(&desk, "invite", key, &[&tenant.to_string(), &app_id, &life_s.to_string()])?;
        let (token, id) = (random_token(&*self.ids, 24), self.ids.v7(self.clock.now()));
        let at_us = self.wall.now().as_micros();
        let sealed = &match keyed {
            Some(_) => Some(self.seal_for(&desk, tenant.uuid(), id, &token).await?),
            None => None,
        };
        let (desk, app_id, keyed, token_hash) = (&desk, &app_id, &keyed, &hash(&token));
        let (row, before) = self
            .store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let owner = desk::own_tenant(&tx, desk, tenant.uuid()).await?;
                if !owner.is_active() {
                    return Err(Error::TenantSuspended);
                }
                if let Some(keyed) = keyed
                    && let Some(before) = keyed.take_with(&tx, id, sealed.clone()).await?
                {
                    let row = invitation::get(&tx, tenant.uuid(), before.object_id).await?;
                    return Ok((row.ok_or(Error::InvitationNotFound)?, before.answer));
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
                Ok((row, None))
            })
            .await?;
        let token = match before {
            Some(sealed) => vault::open_link(self, row.tenant_id, row.id, &sealed).await?,
            None => token,
        };
        Ok((row, token))
    }

    /// Seals a link under the key of the tenant that it invites, once that is known to be the desk's.
    async fn seal_for(
        &self,
        desk: &Desk,
        owner: Uuid,
        invitation: Uuid,
        token: &str,
    ) -> Result<Vec<u8>, Error> {
        self.store
            .system_read(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let row = tenant::get(&tx, owner).await?;
                let own = row.filter(|row| desk.may_touch(row.partner_id));
                own.map(drop).ok_or(Error::TenantNotFound)
            })
            .await?;
        vault::seal_link(self, owner, invitation, token).await
    }
}
