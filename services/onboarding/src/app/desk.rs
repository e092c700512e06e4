//! Tenants and partners: made, suspended and resumed from the desk.

use auth::Scope;
use kernel::id::{PartnerId, TenantId};
use store::{ScopedTx, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::{
    App,
    deeds::{Desk, Keyed},
};
use crate::{
    domain::suspension::{self, NotYours, Suspender},
    error::Error,
    events,
    rows::{partner, tenant},
};

/// Longest name of a tenant or partner, in characters.
const LONGEST_NAME: usize = 200;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// A text of 1 to `most` characters without control characters.
pub(crate) fn text(field: &'static str, given: &str, most: usize) -> Result<String, Error> {
    let trimmed = given.trim();
    let length = trimmed.chars().count();
    if length == 0 || length > most {
        return Err(Error::Invalid {
            field,
            problem: format!("has {length} characters; it takes 1 to {most}"),
        });
    }
    if trimmed.chars().any(char::is_control) {
        return Err(Error::Invalid {
            field,
            problem: "has control characters; leave them out".to_owned(),
        });
    }
    Ok(trimmed.to_owned())
}

/// What a new tenant is made of.
pub(crate) struct NewTenant {
    pub(crate) name: String,
    pub(crate) partner: Option<PartnerId>,
    pub(crate) region: String,
    pub(crate) key: String,
}

impl App {
    /// Makes a tenant. The same key with the same words answers the same tenant.
    pub(crate) async fn create_tenant(
        &self,
        scope: &Scope,
        new: NewTenant,
    ) -> Result<tenant::Model, Error> {
        let desk = Desk::of(scope)?;
        let name = text("name", &new.name, LONGEST_NAME)?;
        let region = if new.region.is_empty() { self.config.region.clone() } else { new.region };
        if region != self.config.region {
            let problem = format!("is not served; leave it empty or name `{}`", self.config.region);
            return Err(Error::Invalid { field: "region", problem });
        }
        // A partner makes its own tenants, whatever it names.
        let partner = desk.partner.or_else(|| new.partner.map(|id| id.uuid()));
        let said = partner.map(|id| id.to_string()).unwrap_or_default();
        let keyed = Keyed::of(&desk, "create_tenant", &new.key, &[&name, &region, &said])?;
        let at_us = self.wall.now().as_micros();
        let (desk, name, region, keyed) = (&desk, &name, &region, &keyed);
        self.store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let id = tx.ids().v7(tx.now());
                if let Some(keyed) = keyed
                    && let Some(before) = keyed.take(&tx, id).await?
                {
                    return tenant::get(&tx, before).await?.ok_or(Error::TenantNotFound);
                }
                if let Some(partner) = partner
                    && !partner::exists(&tx, partner).await?
                {
                    return Err(Error::PartnerNotFound);
                }
                let row = tenant::Model {
                    tenant_id: id,
                    partner_id: partner,
                    name: name.clone(),
                    region: region.clone(),
                    state: "active".to_owned(),
                    suspended_by: String::new(),
                    require_opt_in: String::new(),
                    messages_per_day: None,
                    created_us: tx.now().as_micros(),
                    version: 1,
                };
                tenant::insert(&tx, row.clone()).await?;
                tx.publish(events::tenant_changed(tx.ids(), tx.now(), &row)).await?;
                let object = TenantId::from_uuid(id).to_string();
                let deed = desk.deed("tenant.created", object, (Some(id), partner), "");
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await
    }

    /// Suspends a tenant. Idempotent; the operator takes over what a partner suspended.
    pub(crate) async fn suspend_tenant(
        &self,
        scope: &Scope,
        id: TenantId,
        reason: &str,
    ) -> Result<tenant::Model, Error> {
        let reason = text("reason", reason, LONGEST_REASON)?;
        self.set_suspender(scope, id, ("tenant.suspended", &reason), |before, by| {
            Ok(Some(suspension::suspended(before, by)))
        })
        .await
    }

    /// Resumes a tenant, where no higher desk has it suspended. Idempotent.
    pub(crate) async fn resume_tenant(
        &self,
        scope: &Scope,
        id: TenantId,
    ) -> Result<tenant::Model, Error> {
        self.set_suspender(scope, id, ("tenant.resumed", ""), |before, by| {
            let resumed = suspension::may_resume(before, by).map(|()| None);
            resumed.map_err(|NotYours| Error::SuspendedByOperator)
        })
        .await
    }

    async fn set_suspender(
        &self,
        scope: &Scope,
        id: TenantId,
        (action, reason): (&str, &str),
        next: impl Fn(Option<Suspender>, Suspender) -> Result<Option<Suspender>, Error> + Send + Sync,
    ) -> Result<tenant::Model, Error> {
        let desk = Desk::of(scope)?;
        let at_us = self.wall.now().as_micros();
        let (desk, next) = (&desk, &next);
        self.store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let before = own_tenant(&tx, desk, id.uuid()).await?;
                let suspender = next(before.suspender()?, desk.suspender())?;
                if suspender == before.suspender()? {
                    return Ok(before);
                }
                let mut row = before.clone().with_suspender(suspender);
                // Others hear whether it may act, not by whose word.
                if row.state != before.state {
                    row.version += 1;
                    tx.publish(events::tenant_changed(tx.ids(), tx.now(), &row)).await?;
                }
                tenant::update(&tx, &row).await?;
                let whose = (Some(row.tenant_id), row.partner_id);
                let deed = desk.deed(action, id.to_string(), whose, reason);
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await
    }

    /// Makes a partner.
    pub(crate) async fn create_partner(
        &self,
        scope: &Scope,
        name: &str,
        key: &str,
    ) -> Result<partner::Model, Error> {
        let desk = Desk::of_operator(scope)?;
        let name = text("name", name, LONGEST_NAME)?;
        let keyed = Keyed::of(&desk, "create_partner", key, &[&name])?;
        let at_us = self.wall.now().as_micros();
        let (desk, name, keyed) = (&desk, &name, &keyed);
        self.store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let id = tx.ids().v7(tx.now());
                if let Some(keyed) = keyed
                    && let Some(before) = keyed.take(&tx, id).await?
                {
                    return partner::get(&tx, before).await?.ok_or(Error::PartnerNotFound);
                }
                let row = partner::Model {
                    id,
                    name: name.clone(),
                    created_us: tx.now().as_micros(),
                    version: 1,
                };
                partner::insert(&tx, row.clone()).await?;
                tx.publish(events::partner_changed(&tx, &row)).await?;
                let deed = desk.deed(
                    "partner.created",
                    PartnerId::from_uuid(id).to_string(),
                    (None, Some(id)),
                    "",
                );
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await
    }

    /// The caller's own tenant.
    pub(crate) async fn own_tenant(&self, scope: &Scope) -> Result<tenant::Model, Error> {
        let found =
            self.store.read(scope, |tx: ScopedTx| async move { tenant::own(&tx).await }).await?;
        found.ok_or(Error::TenantNotFound)
    }
}

/// A tenant that this desk may touch, its row locked; anybody else's does not exist.
pub(crate) async fn own_tenant(
    tx: &SystemTx,
    desk: &Desk,
    id: Uuid,
) -> Result<tenant::Model, Error> {
    let row = tenant::lock(tx, id).await?.ok_or(Error::TenantNotFound)?;
    if desk.may_touch(row.partner_id) { Ok(row) } else { Err(Error::TenantNotFound) }
}
