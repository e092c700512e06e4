//! The public path that a BSP walks: sign in, create a tenant, invite it, sign it up, make it a key.
//!
//! `dev` walks it for its demo tenants and `tour` to show the main job. Both use public HTTP and the sandbox's control
//! API alone: what works here works for a script of anybody's. Nothing is kept; a walk that dies half-way is walked again
//! under the same idempotency keys.

mod client;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::client::{Client, string};

/// How long a step that others do (Meta's review, a webhook) may take before the walk calls it stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What embedded signup left behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "each is the id of another thing")]
pub(crate) struct SignedUp {
    pub(crate) onboarding_id: String,
    pub(crate) waba_meta_id: String,
    pub(crate) number_meta_id: String,
}

/// A business as the stand-in for Meta's dialog asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Business<'a> {
    pub(crate) name: &'a str,
    /// E.164.
    pub(crate) phone: &'a str,
}

/// One step of an onboarding, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenStep {
    pub(crate) step: String,
    pub(crate) state: String,
    pub(crate) note: String,
}

impl Client {
    /// Signs a person in and answers the access token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> anyhow::Result<String> {
        let answer = self
            .post_json(
                &format!("{}/auth/sign-in", self.gateway()),
                &json!({"email": email, "password": password}),
            )
            .await
            .context("signing in")?;
        string(&answer, "/access_token")
    }

    /// Creates a tenant and answers its id.
    pub(crate) async fn create_tenant(
        &self,
        token: &str,
        name: &str,
        key: &str,
    ) -> anyhow::Result<String> {
        let data = self
            .graphql(
                token,
                "mutation($input: TenantCreateInput!) { tenantCreate(input: $input) { tenant { id name state } userErrors { code message } } }",
                json!({"input": {"name": name, "idempotencyKey": key}}),
            )
            .await?;
        string(&payload(&data, "tenantCreate")?, "/tenant/id")
    }

    /// Invites a tenant and answers the link.
    pub(crate) async fn invite(
        &self,
        token: &str,
        tenant: &str,
        key: &str,
    ) -> anyhow::Result<String> {
        let data = self
            .graphql(
                token,
                "mutation($input: InvitationCreateInput!) { invitationCreate(input: $input) { url invitation { id } userErrors { code message } } }",
                json!({"input": {"tenantId": tenant, "idempotencyKey": key}}),
            )
            .await?;
        string(&payload(&data, "invitationCreate")?, "/url")
    }

    /// Walks embedded signup: our page, Meta's dialog, our callback.
    pub(crate) async fn sign_up(
        &self,
        url: &str,
        business: &Business<'_>,
    ) -> anyhow::Result<SignedUp> {
        let (page, cookie) =
            self.get_json_and_cookie(url).await.context("opening the invitation")?;
        let dialog = string(&page, "/dialog_url")?;
        let done = self
            .post_form_for_json(
                &dialog,
                &[("business_name", business.name), ("phone_number", business.phone)],
            )
            .await
            .context("Meta's dialog")?;
        let waba_meta_id = string(&done, "/waba_id")?;
        let number_meta_id = string(&done, "/phone_number_id")?;
        let answer = self
            .post_json_with_cookie(
                &format!("{url}/callback"),
                &cookie,
                &json!({
                    "state": string(&page, "/state")?, "code": string(&done, "/code")?,
                    "waba_id": waba_meta_id, "phone_number_id": number_meta_id,
                }),
            )
            .await
            .context("the callback of embedded signup")?;
        Ok(SignedUp {
            onboarding_id: string(&answer, "/onboarding_id")?,
            waba_meta_id,
            number_meta_id,
        })
    }

    /// Follows an onboarding until it is live, telling each step as it is seen.
    pub(crate) async fn follow_onboarding(
        &self,
        token: &str,
        onboarding: &str,
        mut tell: impl FnMut(&SeenStep),
    ) -> anyhow::Result<()> {
        let mut told: Vec<SeenStep> = Vec::new();
        self.until("the onboarding to be live", PATIENCE, async || {
                let data = self
                    .graphql(
                        token,
                        "query($id: ID!) { onboarding(id: $id) { state steps { step state error metaError { code message } } } }",
                        json!({"id": onboarding}),
                    )
                    .await?;
                let state = string(&data, "/onboarding/state")?;
                for step in data.pointer("/onboarding/steps").and_then(Value::as_array).into_iter().flatten() {
                    let seen = SeenStep {
                        step: string(step, "/step")?,
                        state: string(step, "/state")?,
                        note: step.get("error").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    };
                    if seen.state != "PENDING" && !told.contains(&seen) {
                        tell(&seen);
                        told.push(seen);
                    }
                }
                match state.as_str() {
                    "LIVE" => Ok(Some(())),
                    "RUNNING" | "RETRYING" => Ok(None),
                    other => bail!("the onboarding stopped in state {other}: {data}"),
                }
            })
            .await
    }

    /// Makes the first person of a tenant, sets a password by the one-time link and answers that person's access token.
    pub(crate) async fn first_person(
        &self,
        operator: &str,
        tenant: &str,
        email: &str,
        password: &str,
        key: &str,
    ) -> anyhow::Result<String> {
        let data = self
            .graphql(
                operator,
                "mutation($input: DeskPersonCreateInput!) { deskPersonCreate(input: $input) { person { id } setPasswordUrl userErrors { code message } } }",
                json!({"input": {"email": email, "name": "Owner", "role": "tenant.owner", "tenantId": tenant, "idempotencyKey": key}}),
            )
            .await?;
        let link = string(&payload(&data, "deskPersonCreate")?, "/setPasswordUrl")?;
        let secret = link.rsplit(['/', '#', '=']).next().unwrap_or_default();
        self.post_json(
            &format!("{}/auth/set-password", self.gateway()),
            &json!({"token": secret, "password": password}),
        )
        .await
        .context("setting the password")?;
        self.sign_in(email, password).await
    }

    /// Makes an API key that may do all that its maker may, and answers the whole key.
    pub(crate) async fn create_key(
        &self,
        token: &str,
        name: &str,
        key: &str,
    ) -> anyhow::Result<String> {
        let data = self
            .graphql(
                token,
                "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret apiKey { id } userErrors { code message } } }",
                json!({"input": {"name": name, "environment": "SANDBOX", "idempotencyKey": key}}),
            )
            .await?;
        string(&payload(&data, "apiKeyCreate")?, "/secret")
    }

    /// The tenant's WABA and number by Meta's id, once both have come through.
    pub(crate) async fn accounts(
        &self,
        token: &str,
        signed_up: &SignedUp,
    ) -> anyhow::Result<(String, String, String)> {
        self.until("the WABA and its number to be listed", PATIENCE, async || {
            let data = self
                .graphql(
                    token,
                    "{ wabas { nodes { id metaId } } numbers { nodes { id metaId e164 status } } }",
                    json!({}),
                )
                .await?;
            let waba = node_by_meta_id(&data, "/wabas/nodes", &signed_up.waba_meta_id);
            let number = node_by_meta_id(&data, "/numbers/nodes", &signed_up.number_meta_id);
            match (waba, number) {
                (Some(waba), Some(number)) => Ok(Some((
                    string(waba, "/id")?,
                    string(number, "/id")?,
                    string(number, "/e164")?,
                ))),
                (None | Some(_), None) | (None, Some(_)) => Ok(None),
            }
        })
        .await
    }

    /// Submits a template with one named variable in its body, and answers its id.
    pub(crate) async fn create_template(
        &self,
        token: &str,
        waba: &str,
        name: &str,
        key: &str,
    ) -> anyhow::Result<String> {
        let components = json!([
            {"type": "BODY", "text": "Hello {{1}}, your order is ready.", "example": {"body_text": [["Ada"]]}},
            {"type": "FOOTER", "text": "Sent with Switchboard"},
        ]);
        let data = self
            .graphql(
                token,
                "mutation($input: TemplateCreateInput!) { templateCreate(input: $input) { template { id status } userErrors { code field message } } }",
                json!({"input": {"wabaId": waba, "name": name, "language": "en_US", "category": "UTILITY",
                                  "components": components, "idempotencyKey": key}}),
            )
            .await?;
        string(&payload(&data, "templateCreate")?, "/template/id")
    }

    /// Waits for Meta's review of a template.
    pub(crate) async fn approved(&self, token: &str, template: &str) -> anyhow::Result<()> {
        self.until("Meta's review of the template", PATIENCE, async || {
            let data = self
                .graphql(
                    token,
                    "query($id: ID!) { template(id: $id) { status rejectedReason } }",
                    json!({"id": template}),
                )
                .await?;
            match string(&data, "/template/status")?.as_str() {
                "APPROVED" => Ok(Some(())),
                "REJECTED" | "SUBMIT_FAILED" | "DISABLED" => bail!(
                    "the template was not approved: {}",
                    data.pointer("/template").cloned().unwrap_or_default()
                ),
                _ => Ok(None),
            }
        })
        .await
    }

    /// Lets a customer write to a number, through the sandbox's control API, and answers Meta's wamid.
    pub(crate) async fn customer_writes(
        &self,
        wa_id: &str,
        number_meta_id: &str,
        text: &str,
    ) -> anyhow::Result<String> {
        let answer = self
            .post_json(
                &format!("{}/customers/{wa_id}/messages", self.control()),
                &json!({"phone_number_id": number_meta_id, "profile_name": "Ada Lovelace",
                        "message": {"type": "text", "text": {"body": text}}}),
            )
            .await
            .context("the customer's message")?;
        string(&answer, "/wamid")
    }

    /// Waits until an inbound message is stored, by Meta's wamid, and answers our id of it.
    pub(crate) async fn received(
        &self,
        token: &str,
        number: &str,
        wamid: &str,
    ) -> anyhow::Result<String> {
        self.until("the customer's message to arrive", PATIENCE, async || {
            let data = self
                .graphql(
                    token,
                    "query($n: ID!) { messages(numberId: $n, first: 50) { nodes { id metaId direction } } }",
                    json!({"n": number}),
                )
                .await?;
            node_by_meta_id(&data, "/messages/nodes", wamid).map(|node| string(node, "/id")).transpose()
        })
        .await
    }

    /// Sends a message and answers its id.
    pub(crate) async fn send(
        &self,
        token: &str,
        number: &str,
        to: &str,
        content: Value,
        key: &str,
    ) -> anyhow::Result<String> {
        let data = self
            .graphql(
                token,
                "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id status } userErrors { code field message } } }",
                json!({"input": {"numberId": number, "to": to, "content": content, "idempotencyKey": key}}),
            )
            .await?;
        string(&payload(&data, "messageSend")?, "/message/id")
    }

    /// Waits until a message has a status at least as far as wanted; `failed` ends the wait.
    pub(crate) async fn reached(
        &self,
        token: &str,
        message: &str,
        wanted: &str,
    ) -> anyhow::Result<()> {
        const ROAD: [&str; 7] =
            ["QUEUED", "UNKNOWN", "ACCEPTED", "SENT", "DELIVERED", "READ", "PLAYED"];
        let rank = |status: &str| ROAD.iter().position(|name| *name == status);
        let goal = rank(wanted).context("a status of the road")?;
        self.until(&format!("the message to be {wanted}"), PATIENCE, async || {
            let data = self
                .graphql(
                    token,
                    "query($id: ID!) { message(id: $id) { status dispatch failureReason metaError { code title message details } } }",
                    json!({"id": message}),
                )
                .await?;
            let status = string(&data, "/message/status")?;
            ensure!(status != "FAILED", "the message failed: {}", data.pointer("/message").cloned().unwrap_or_default());
            Ok((rank(&status) >= Some(goal)).then_some(()))
        })
        .await
    }
}

/// The payload of a mutation, or its user errors as one.
pub(crate) fn payload(data: &Value, field: &str) -> anyhow::Result<Value> {
    let payload = data.get(field).cloned().unwrap_or_default();
    let errors =
        payload.get("userErrors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ensure!(errors.is_empty(), "{field} was refused: {}", Value::from(errors));
    Ok(payload)
}

fn node_by_meta_id<'a>(data: &'a Value, path: &str, meta_id: &str) -> Option<&'a Value> {
    data.pointer(path)?
        .as_array()?
        .iter()
        .find(|node| node.get("metaId").and_then(Value::as_str) == Some(meta_id))
}
