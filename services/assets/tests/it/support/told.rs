//! Events as other services publish them.

use bus::{About, Envelope};
use kernel::{
    id::{EventId, PartnerId, TenantId, WabaId},
    time::Timestamp,
};
use proto::{
    events::v1::{ElementRouted, TenantChanged, WabaChanged},
    onboarding::v1::{Tenant, TenantState, Waba},
};
use serde_json::Value;
use store::Uuid;

use super::{Account, fresh, ids, now};

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

fn envelope<M: bus::EventMessage>(key: &str, about: About, message: &M) -> Envelope {
    let mut event: Envelope = bus::event_as(&*ids(), now(), key, about, message).into();
    event.id = EventId::from_uuid(fresh());
    event
}

pub(crate) fn tenant_changed(tenant: &Tenant) -> Envelope {
    let id: TenantId = tenant.id.parse().unwrap();
    let about = About::state(id.uuid(), tenant.version).of(id);
    let message = TenantChanged { tenant: Some(tenant.clone()) };
    envelope("onboarding.tenant.changed", about, &message)
}

pub(crate) fn waba_changed(waba: &Waba) -> Envelope {
    let (tenant, id): (TenantId, WabaId) =
        (waba.tenant_id.parse().unwrap(), waba.id.parse().unwrap());
    let about = About::state(id.uuid(), waba.version).of(tenant).within(id);
    let message = WabaChanged { waba: Some(waba.clone()), partner_id: String::new() };
    envelope("onboarding.waba.changed", about, &message)
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
    envelope(&format!("webhooks.element.{field}"), about, &message)
}

/// All orders of three.
pub(crate) const ORDERS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
