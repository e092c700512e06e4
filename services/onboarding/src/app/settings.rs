//! What holds for all of a tenant's messages: the quota, which the desk sets, and where an opt-in is asked for, which the
//! tenant decides. Messaging hears of both by the tenant's own event.

use std::collections::BTreeSet;

use auth::{Scope, Wabas};
use kernel::id::TenantId;
use store::{ScopedTx, Shard, SystemTx, purpose};

use super::{App, deeds::Desk, desk::own_tenant};
use crate::{
    error::Error,
    events::{self, Deed},
    rows::tenant,
};

/// Categories of templates, Meta's words in lower case: an opt-in can be asked for each. A service message answers a
/// customer who wrote first, so there is nothing to ask.
const CATEGORIES: [&str; 3] = ["marketing", "utility", "authentication"];
/// Largest quota, in messages a day; more than any number of Meta's could send.
const LARGEST_QUOTA: i64 = 1_000_000_000;

impl App {
    /// Sets or lifts a tenant's quota. Idempotent.
    pub(crate) async fn set_quota(
        &self,
        scope: &Scope,
        id: TenantId,
        messages_per_day: Option<i64>,
    ) -> Result<tenant::Model, Error> {
        let desk = Desk::of_operator(scope)?;
        if messages_per_day.is_some_and(|most| !(0..=LARGEST_QUOTA).contains(&most)) {
            return Err(Error::Invalid {
                field: "messages_per_day",
                problem: format!("takes 0 to {LARGEST_QUOTA}; leave it out to lift the quota"),
            });
        }
        let at_us = self.wall.now().as_micros();
        let desk = &desk;
        self.store
            .system(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                let mut row = own_tenant(&tx, desk, id.uuid()).await?;
                if row.messages_per_day == messages_per_day {
                    return Ok(row);
                }
                row.messages_per_day = messages_per_day;
                row.version += 1;
                tenant::update(&tx, &row).await?;
                tx.publish(events::tenant_changed(tx.ids(), tx.now(), &row)).await?;
                let most =
                    messages_per_day.map_or_else(|| "none".to_owned(), |most| most.to_string());
                let whose = (Some(row.tenant_id), row.partner_id);
                let deed = desk.deed("tenant.quota_set", id.to_string(), whose, &most);
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await
    }

    /// Sets for which categories the caller's own tenant asks for an opt-in. Idempotent.
    pub(crate) async fn update_own(
        &self,
        scope: &Scope,
        require_opt_in: &[String],
    ) -> Result<tenant::Model, Error> {
        if scope.wabas() != Some(&Wabas::All) {
            return Err(Error::LimitedCaller);
        }
        let wanted: BTreeSet<&str> = require_opt_in.iter().map(String::as_str).collect();
        if !wanted.iter().all(|word| CATEGORIES.contains(word)) {
            let problem = format!("takes {}", CATEGORIES.join(", "));
            return Err(Error::Invalid { field: "require_opt_in", problem });
        }
        let wanted: Vec<&str> =
            CATEGORIES.into_iter().filter(|category| wanted.contains(category)).collect();
        let (wanted, at_us) = (&wanted.join(" "), self.wall.now().as_micros());
        self.store
            .write(scope, |tx: ScopedTx| async move {
                let mut row = tenant::lock_own(&tx).await?.ok_or(Error::TenantNotFound)?;
                if row.require_opt_in == *wanted {
                    return Ok(row);
                }
                row.require_opt_in.clone_from(wanted);
                row.version += 1;
                tenant::update_own(&tx, &row).await?;
                tx.publish(events::tenant_changed(tx.ids(), tx.now(), &row)).await?;
                let deed = Deed {
                    actor: scope.subject().to_owned(),
                    action: "tenant.opt_in_required",
                    object: TenantId::from_uuid(row.tenant_id).to_string(),
                    tenant: Some(row.tenant_id),
                    partner: row.partner_id,
                    detail: if wanted.is_empty() { "none" } else { wanted },
                    desk: false,
                };
                tx.publish(events::audit(tx.ids(), tx.now(), at_us, &deed)).await?;
                Ok(row)
            })
            .await
    }
}
