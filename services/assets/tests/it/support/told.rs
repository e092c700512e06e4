//! Events as other services publish them.

use bus::{About, Envelope};
use kernel::{
    id::{PartnerId, TenantId},
    time::Timestamp,
};
use proto::{
    events::v1::ElementRouted,
    onboarding::v1::{Tenant, TenantState, Waba},
};
use serde_json::Value;
use store::Uuid;
use testkit::{events, fresh, now};

use super::Account;

pub(crate) fn uuid_of<T: std::str::FromStr<Err: std::fmt::Debug> + Into<Uuid>>(text: &str) -> Uuid {
    text.parse::<T>().unwrap().into()
}

pub(crate) fn tenant(partner: Option<PartnerId>) -> Tenant {
    Tenant {
        id: TenantId::from_uuid(fresh()).to_string(),
        name: "Casa Rosa".to_owned(),
        partner_id: partner.map(|id| id.to_string()).unwrap_or_default(),
        state: TenantState::Active.into(),
        version: 1,
        ..Tenant::default()
    }
}

pub(crate) fn tenant_changed(tenant: &Tenant) -> Envelope {
    events::tenant_changed(now(), tenant)
}

pub(crate) fn waba_changed(waba: &Waba) -> Envelope {
    events::waba_changed(now(), waba)
}

/// An element of a WABA's, told and heard so many milliseconds from now.
pub(crate) fn element(account: &Account, field: &str, value: &Value, after_ms: i64) -> Envelope {
    let at = Timestamp::from_micros(now().as_micros() + after_ms * 1_000);
    let message = ElementRouted {
        tenant_id: account.tenant.to_string(),
        waba_id: account.waba.to_string(),
        waba_meta_id: account.business.waba.clone(),
        field: field.to_owned(),
        element_kind: "change".to_owned(),
        element: value.to_string().into_bytes(),
        received_us: at.as_micros(),
        entry_time_s: at.as_seconds(),
        ..ElementRouted::default()
    };
    let about = About::fact(fresh()).of(account.tenant).within(account.waba);
    events::event_as(now(), format!("webhooks.element.{field}"), about, &message)
}
