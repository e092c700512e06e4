//! What others tell of: tenants and WABAs by onboarding, numbers and templates by assets, elements by webhooks.

use bus::{About, Envelope};
use kernel::clock::Clock as _;
use kernel::id::TemplateId;
use kernel::time::Timestamp;
use proto::assets::v1 as assets;
use proto::events::v1 as events;
use proto::onboarding::v1 as onboarding;
use serde_json::json;
use testkit::events::{event_as, number_changed, template_changed, tenant_changed, waba_changed};
use testkit::until;
use uuid::Uuid;

use super::{Number, World, send};

impl World {
    /// Has the owners tell of a number, its WABA and its tenant, and waits until messaging knows.
    pub(crate) async fn tell_of(&self, number: &Number) {
        self.stage.hook.numbers.lock().unwrap().push(number.clone());
        let tenant = tenant_proto(number, 1);
        self.publish_raw(tenant_changed(self.clock.now(), &tenant)).await;
        self.waba_says(number, onboarding::WabaState::Live, 1).await;
        let number_event = number_changed(self.clock.now(), &number_proto(number, 1));
        self.publish_raw(number_event).await;
        until("the read model", async || self.knows(number).await).await;
    }

    async fn knows(&self, number: &Number) -> bool {
        let mut caller = self.caller_of(number);
        let mut probe = send(number, "+351912000999", "probe");
        // No such template: refused, but only once the number is known.
        probe.body_json =
            json!({"type": "template", "template": {"name": "none", "language": {"code": "en"}}})
                .to_string();
        let refused = caller.messages.send_message(probe).await.unwrap_err();
        refused.message().contains("132001")
    }

    pub(crate) async fn waba_says(
        &self,
        number: &Number,
        state: onboarding::WabaState,
        version: i64,
    ) {
        let waba = onboarding::Waba {
            id: number.waba.to_string(),
            tenant_id: number.tenant.to_string(),
            meta_id: number.waba_meta_id.clone(),
            environment: number.environment.to_owned(),
            state: state.into(),
            app_id: self.stage.signed.app_id.clone(),
            credential_generation: version,
            version,
            ..Default::default()
        };
        self.publish_raw(waba_changed(self.clock.now(), &waba)).await;
    }

    /// Publishes a change of the tenant, as onboarding would.
    pub(crate) async fn tenant_says(&self, change: impl FnOnce(&mut onboarding::Tenant)) {
        let mut tenant = tenant_proto(&self.number, self.clock.now().as_micros());
        change(&mut tenant);
        self.publish_raw(tenant_changed(self.clock.now(), &tenant)).await;
    }

    /// Publishes a change of the number, as assets would.
    pub(crate) async fn number_says(&self, change: impl FnOnce(&mut assets::Number)) {
        let version = self.clock.now().as_micros();
        let mut number = number_proto(&self.number, version);
        change(&mut number);
        self.publish_raw(number_changed(self.clock.now(), &number)).await;
    }

    /// Publishes a template, as assets would.
    pub(crate) async fn template_says(&self, name: &str, category: &str, status: &str, body: &str) {
        let version = self.clock.now().as_micros();
        let id = TemplateId::from_uuid(Uuid::from_u128(u128::from(name.len() as u64) + 7_000));
        let template = assets::Template {
            id: id.to_string(),
            tenant_id: self.number.tenant.to_string(),
            waba_id: self.number.waba.to_string(),
            name: name.to_owned(),
            language: "en_US".to_owned(),
            category: category.to_owned(),
            status: status.to_owned(),
            parameter_format: "POSITIONAL".to_owned(),
            components_json: json!([{ "type": "BODY", "text": body }]).to_string(),
            version,
            ..Default::default()
        };
        self.publish_raw(template_changed(self.clock.now(), &template)).await;
    }

    /// Publishes an event as its owner would, once a group is bound to its key.
    pub(crate) async fn publish<M: bus::EventMessage>(&self, about: About, message: &M) {
        self.publish_raw(testkit::events::event(self.clock.now(), about, message)).await;
    }

    pub(crate) async fn publish_raw(&self, envelope: Envelope) {
        until("somebody to hear", async || {
            let answers = self.bus.publish(vec![envelope.clone()]).await;
            answers.iter().all(Result::is_ok)
        })
        .await;
    }
}

fn number_proto(number: &Number, version: i64) -> assets::Number {
    assets::Number {
        id: number.id.to_string(),
        tenant_id: number.tenant.to_string(),
        waba_id: number.waba.to_string(),
        meta_id: number.meta_id.clone(),
        e164: "+15550009999".to_owned(),
        status: "CONNECTED".to_owned(),
        throughput_mps: 80,
        registered: true,
        environment: number.environment.to_owned(),
        version,
        ..Default::default()
    }
}

fn tenant_proto(number: &Number, version: i64) -> onboarding::Tenant {
    onboarding::Tenant {
        id: number.tenant.to_string(),
        name: "Casa Rosa".to_owned(),
        state: onboarding::TenantState::Active.into(),
        version,
        ..Default::default()
    }
}

/// A routed element, as webhooks-in publishes it.
pub(crate) fn routed(
    number: &Number,
    field: &str,
    kind: &str,
    element: &str,
    contact: Option<&str>,
    received: Timestamp,
) -> Envelope {
    let body = events::ElementRouted {
        tenant_id: number.tenant.to_string(),
        waba_id: number.waba.to_string(),
        waba_meta_id: number.waba_meta_id.clone(),
        phone_number_meta_id: number.meta_id.clone(),
        number_id: number.id.to_string(),
        field: field.to_owned(),
        element_kind: kind.to_owned(),
        element: element.as_bytes().to_vec(),
        contact: contact.unwrap_or_default().as_bytes().to_vec(),
        received_us: received.as_micros(),
        raw_id: "inbound_test".to_owned(),
        ..Default::default()
    };
    let about = About::fact(number.waba.uuid()).of(number.tenant).within(number.waba);
    let key = format!("webhooks.element.{field}");
    event_as(received, key, about, &body)
}
