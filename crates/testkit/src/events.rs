//! Events as their owners publish them: the state of a thing, told under its version.

use bus::{About, Envelope, EventMessage};
use kernel::{
    id::{NumberId, TemplateId, TenantId, WabaId},
    time::Timestamp,
};
use proto::{
    assets::v1::{Number, Template},
    events::v1::{NumberChanged, TemplateChanged, TenantChanged, WabaChanged},
    onboarding::v1::{Tenant, Waba},
};

use crate::fresh::ids;

/// Any event, under the key that it always has.
pub fn event<M: EventMessage>(at: Timestamp, about: About, message: &M) -> Envelope {
    bus::event(ids(), at, about, message).into()
}

/// Any event, under a key of its own.
pub fn event_as<M: EventMessage>(
    at: Timestamp,
    key: impl Into<String>,
    about: About,
    message: &M,
) -> Envelope {
    bus::event_as(ids(), at, key, about, message).into()
}

/// What onboarding tells of a tenant.
pub fn tenant_changed(at: Timestamp, tenant: &Tenant) -> Envelope {
    let id: TenantId = tenant.id.parse().unwrap();
    let about = About::state(id.uuid(), tenant.version).of(id);
    event(at, about, &TenantChanged { tenant: Some(tenant.clone()) })
}

/// What onboarding tells of a WABA.
pub fn waba_changed(at: Timestamp, waba: &Waba) -> Envelope {
    let (id, tenant) = (waba.id.parse::<WabaId>().unwrap(), waba.tenant_id.parse().unwrap());
    let about = About::state(id.uuid(), waba.version).of(tenant).within(id);
    let message = WabaChanged { waba: Some(waba.clone()), partner_id: String::new() };
    event(at, about, &message)
}

/// What assets tells of a number.
pub fn number_changed(at: Timestamp, number: &Number) -> Envelope {
    let id: NumberId = number.id.parse().unwrap();
    let (tenant, waba) = (number.tenant_id.parse().unwrap(), number.waba_id.parse().unwrap());
    let about = About::state(id.uuid(), number.version).of(tenant).within(waba);
    let message = NumberChanged { number: Some(number.clone()), partner_id: String::new() };
    event(at, about, &message)
}

/// What assets tells of a template.
pub fn template_changed(at: Timestamp, template: &Template) -> Envelope {
    let id: TemplateId = template.id.parse().unwrap();
    let (tenant, waba) = (template.tenant_id.parse().unwrap(), template.waba_id.parse().unwrap());
    let about = About::state(id.uuid(), template.version).of(tenant).within(waba);
    let message = TemplateChanged { template: Some(template.clone()), shape_json: String::new() };
    event(at, about, &message)
}
