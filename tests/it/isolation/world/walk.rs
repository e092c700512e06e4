//! The walks of operators, owners and customers.

use serde_json::{Value, json};

use super::{PASSWORD, PATIENCE, Seat, World};
use crate::{
    isolation::{
        fill::{components, unique},
        subject::Subject,
    },
    support::{text, until},
};

/// What Meta's dialog gave, before it is told to our callback.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) url: String,
    pub(crate) cookie: String,
    pub(crate) state: String,
    pub(crate) code: String,
    pub(crate) waba_meta: String,
    pub(crate) number_meta: String,
}

/// What an onboarding is about.
#[derive(Debug, Clone)]
pub(super) struct Onboarded {
    pub(super) tenant: String,
    pub(super) onboarding: String,
    pub(super) waba_meta: String,
    pub(super) number_meta: String,
}

/// A customer who wrote to nobody yet.
pub(super) fn customer() -> String {
    format!("1415{:07}", 6_000_000 + unique())
}

/// The payload of a mutation that must have worked.
pub(crate) fn payload(data: &Value, field: &str) -> Value {
    let payload = data.get(field).cloned().unwrap_or_default();
    assert_eq!(payload.get("userErrors"), Some(&json!([])), "{field}: {payload}");
    payload
}

impl World {
    /// Runs a mutation that must work, by its name, input type and wanted fields.
    pub(crate) async fn mutate(
        &self,
        bearer: &str,
        field: &str,
        fields: &str,
        input: Value,
    ) -> Value {
        let mut letters = field.chars();
        let first = letters.next().expect("a name").to_ascii_uppercase();
        let query = format!(
            "mutation($input: {first}{}Input!) {{ {field}(input: $input) {{ {fields} userErrors {{ code field message }} }} }}",
            letters.as_str()
        );
        let data = self.api.graphql(bearer, &query, json!({"input": input})).await;
        payload(&data, field)
    }

    /// POSTs JSON to the gateway; it must succeed.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.api.gateway());
        let answer =
            self.api.http.post(&url).json(&body).send().await.expect("the gateway answers");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// Business time.
    pub(super) async fn now_us(&self) -> i64 {
        self.api.control_get("/clock").await.get("now_us").and_then(Value::as_i64).expect("a clock")
    }

    pub(super) async fn demo_seat(&self, tenant: usize, owner: &str) -> Seat {
        let of = |pointer: &str| self.api.of_tenant(tenant, pointer).to_owned();
        let data = self.api.graphql(owner, "{ onboardings { nodes { id } } }", json!({})).await;
        Seat {
            tenant: of("/id"),
            onboarding: text(&data, "/onboardings/nodes/0/id").to_owned(),
            waba: of("/waba/id"),
            waba_meta: of("/waba/meta_id"),
            number: of("/number/id"),
            number_meta: of("/number/meta_id"),
        }
    }

    /// Invites a tenant and walks Meta's dialog, as far as our callback.
    pub(crate) async fn dialog(&self, desk: &str, tenant: &str, name: &str) -> Dialog {
        let number = format!("+1415{:07}", 7_000_000 + unique());
        self.dialog_with(desk, tenant, &[("business_name", name), ("phone_number", &number)]).await
    }

    /// Onboards a WABA that is live once more, and answers the new onboarding's id.
    pub(crate) async fn onboard_again(&self, own: &Subject) -> String {
        let form = [("waba_id", own.get("waba_meta")), ("phone_number_id", own.get("number_meta"))];
        let dialog = self.dialog_with(&self.operator.token, own.get("tenant"), &form).await;
        self.call_back(&dialog).await
    }

    async fn dialog_with(&self, desk: &str, tenant: &str, form: &[(&str, &str)]) -> Dialog {
        let input = json!({"tenantId": tenant, "idempotencyKey": format!("invite-{}", unique())});
        let url =
            text(&self.mutate(desk, "invitationCreate", "url", input).await, "/url").to_owned();
        let page = self
            .api
            .http
            .get(&url)
            .header("accept", "application/json")
            .send()
            .await
            .expect("the page");
        let cookies = page.headers().get_all("set-cookie").iter();
        let cookies: Vec<&str> =
            cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()).collect();
        let cookie = cookies.join("; ");
        let page: Value = page.json().await.expect("JSON");
        let dialog = text(&page, "/dialog_url");
        let done =
            self.api.http.post(dialog).header("accept", "application/json").form(form).send().await;
        let done: Value = done.expect("Meta's dialog").json().await.expect("JSON");
        Dialog {
            url,
            cookie,
            state: text(&page, "/state").to_owned(),
            code: text(&done, "/code").to_owned(),
            waba_meta: text(&done, "/waba_id").to_owned(),
            number_meta: text(&done, "/phone_number_id").to_owned(),
        }
    }

    /// Tells our callback what the dialog said, and answers the onboarding's id.
    pub(super) async fn call_back(&self, dialog: &Dialog) -> String {
        let body = json!({"state": dialog.state, "code": dialog.code,
            "waba_id": dialog.waba_meta, "phone_number_id": dialog.number_meta});
        let url = format!("{}/callback", dialog.url);
        let answer =
            self.api.http.post(&url).header("cookie", &dialog.cookie).json(&body).send().await;
        let answer: Value = answer.expect("the callback").json().await.expect("JSON");
        text(&answer, "/onboarding_id").to_owned()
    }

    /// Onboards a business until it is live.
    pub(super) async fn onboard(&self, desk: &str, tenant: &str, name: &str) -> Onboarded {
        let dialog = self.dialog(desk, tenant, name).await;
        let onboarding = self.call_back(&dialog).await;
        self.stands_at(desk, &onboarding, "LIVE", "LIVE").await;
        let Dialog { waba_meta, number_meta, .. } = dialog;
        Onboarded { tenant: tenant.to_owned(), onboarding, waba_meta, number_meta }
    }

    /// Waits until an onboarding is in a state, at a step.
    pub(super) async fn stands_at(&self, desk: &str, onboarding: &str, state: &str, step: &str) {
        until(&format!("the onboarding {state} at {step}"), PATIENCE, async || {
            let query =
                "query($id: ID!) { onboarding(id: $id) { state step steps { step state error } } }";
            let data = self.api.graphql(desk, query, json!({"id": onboarding})).await;
            let seen = (text(&data, "/onboarding/state"), text(&data, "/onboarding/step"));
            if seen == (state, step) { Ok(()) } else { Err(data) }
        })
        .await;
    }

    /// The seat of a live onboarding, once WABA and number have come through to the tenant.
    pub(super) async fn seat(&self, owner: &str, onboarded: Onboarded) -> Seat {
        let Onboarded { tenant, onboarding, waba_meta, number_meta } = onboarded;
        until("the WABA and its number", PATIENCE, async || {
            let query = "{ wabas(first: 50) { nodes { id metaId } } numbers(first: 50) { nodes { id metaId } } }";
            let data = self.api.graphql(owner, query, json!({})).await;
            let (waba, number) = (by_meta_id(&data, "/wabas/nodes", &waba_meta), by_meta_id(&data, "/numbers/nodes", &number_meta));
            let (Some(waba), Some(number)) = (waba, number) else { return Err(data) };
            Ok(Seat {
                tenant: tenant.clone(),
                onboarding: onboarding.clone(),
                waba: text(waba, "/id").to_owned(),
                waba_meta: waba_meta.clone(),
                number: text(number, "/id").to_owned(),
                number_meta: number_meta.clone(),
            })
        })
        .await
    }

    /// Lets a customer write, and answers Meta's wamid.
    pub(crate) async fn customer_writes(
        &self,
        customer: &str,
        number_meta: &str,
        words: &str,
    ) -> String {
        let body = json!({"phone_number_id": number_meta, "message": {"type": "text", "text": {"body": words}}});
        let answer =
            self.api.control("POST", &format!("/customers/{customer}/messages"), &body).await;
        text(&answer, "/wamid").to_owned()
    }

    /// A customer's message, once it is stored.
    pub(crate) async fn arrived(&self, owner: &str, number: &str, wamid: &str) -> Value {
        until("the customer's message", PATIENCE, async || {
            let query = "query($n: ID!) { messages(numberId: $n, first: 50) { nodes { id metaId conversation { id } contact { id } } } }";
            let data = self.api.graphql(owner, query, json!({"n": number})).await;
            by_meta_id(&data, "/messages/nodes", wamid).cloned().ok_or(data)
        })
        .await
    }

    /// Sends a message and answers its id.
    pub(crate) async fn send(
        &self,
        owner: &str,
        number: &str,
        to: &str,
        mut input: Value,
    ) -> String {
        input["numberId"] = json!(number);
        input["to"] = json!(to);
        input["idempotencyKey"] = json!(format!("send-{}", unique()));
        text(&self.mutate(owner, "messageSend", "message { id }", input).await, "/message/id")
            .to_owned()
    }

    /// Waits until a message is delivered, and answers its wamid.
    pub(super) async fn delivered(&self, owner: &str, message: &str) -> String {
        until("the message to be delivered", PATIENCE, async || {
            let query = "query($id: ID!) { message(id: $id) { status metaId failureReason metaError { code message } } }";
            let data = self.api.graphql(owner, query, json!({"id": message})).await;
            if text(&data, "/message/status") == "DELIVERED" { Ok(text(&data, "/message/metaId").to_owned()) } else { Err(data) }
        })
        .await
    }

    /// A template of a WABA by its name, made where it is not there, once Meta has approved it.
    pub(super) async fn template(&self, owner: &str, waba: &str, name: &str) -> String {
        let query = "query($w: ID!, $n: String) { templates(wabaId: $w, name: $n) { nodes { id status } } }";
        let found = self.api.graphql(owner, query, json!({"w": waba, "n": name})).await;
        if found.pointer("/templates/nodes/0").is_none() {
            let input = json!({"wabaId": waba, "name": name, "language": "en_US", "category": "UTILITY",
                "components": components(), "idempotencyKey": format!("template-{}", unique())});
            self.mutate(owner, "templateCreate", "template { id }", input).await;
        }
        until("an approved template", PATIENCE, async || {
            let found = self.api.graphql(owner, query, json!({"w": waba, "n": name})).await;
            let approved = found.pointer("/templates/nodes/0/status") == Some(&json!("APPROVED"));
            if approved { Ok(text(&found, "/templates/nodes/0/id").to_owned()) } else { Err(found) }
        })
        .await
    }

    /// Adds a person to the owner's tenant.
    pub(super) async fn colleague(&self, owner: &str, email: &str) -> String {
        let input = json!({"email": email, "name": "A colleague", "role": "tenant.agent"});
        text(&self.mutate(owner, "personCreate", "person { id }", input).await, "/person/id")
            .to_owned()
    }

    /// Makes an API key, and answers its id and the key.
    pub(crate) async fn key(&self, owner: &str, mut input: Value) -> (String, String) {
        input["name"] = json!(format!("key {}", unique()));
        input["environment"] = json!("SANDBOX");
        let made = self.mutate(owner, "apiKeyCreate", "secret apiKey { id }", input).await;
        (text(&made, "/apiKey/id").to_owned(), text(&made, "/secret").to_owned())
    }

    /// Makes a partner.
    pub(super) async fn partner(&self, name: &str) -> String {
        let made = self
            .mutate(&self.operator.token, "partnerCreate", "partner { id }", json!({"name": name}))
            .await;
        text(&made, "/partner/id").to_owned()
    }

    /// Makes somebody at a desk's place (a tenant or a partner), and signs them in.
    pub(crate) async fn first_person(
        &self,
        desk: &str,
        mut place: Value,
        email: &str,
        role: &str,
    ) -> String {
        place["email"] = json!(email);
        place["name"] = json!("A first person");
        place["role"] = json!(role);
        let made = self.mutate(desk, "deskPersonCreate", "setPasswordUrl", place).await;
        let link = text(&made, "/setPasswordUrl");
        let token = link.rsplit('#').next().expect("a fragment");
        self.post("/auth/set-password", json!({"token": token, "password": PASSWORD})).await;
        self.api.sign_in(email, PASSWORD).await
    }

    pub(super) async fn partner_person(&self, partner: &str) -> String {
        self.first_person(
            &self.operator.token,
            json!({"partnerId": partner}),
            "desk@reseller.test",
            "partner.admin",
        )
        .await
    }

    /// A tenant of the partner's own, live.
    pub(super) async fn partner_tenant(&self, partner: &str) -> Subject {
        let made = self
            .mutate(partner, "tenantCreate", "tenant { id }", json!({"name": "Resold Shoes"}))
            .await;
        let tenant = text(&made, "/tenant/id");
        let onboarded = self.onboard(partner, tenant, "Resold Shoes").await;
        let owner = self
            .first_person(partner, json!({"tenantId": tenant}), "owner@resold.test", "tenant.owner")
            .await;
        let seat = self.seat(&owner, onboarded).await;
        self.things(&owner, &seat, "resold").await
    }
}

fn by_meta_id<'a>(data: &'a Value, path: &str, meta_id: &str) -> Option<&'a Value> {
    let nodes = data.pointer(path)?.as_array()?;
    nodes.iter().find(|node| node.get("metaId").and_then(Value::as_str) == Some(meta_id))
}
