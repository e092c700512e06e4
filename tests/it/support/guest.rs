//! A business that is welcomed the way an operator does it: created, invited, signed up, live, with a key of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Api, text, until};

/// How long a step that others do may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const PASSWORD: &str = "a guest of the whole house";

/// The business, once it is live.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) onboarding: String,
    pub(crate) key: String,
    pub(crate) number: String,
    pub(crate) number_meta: String,
    /// What its invitation's link ends in.
    pub(crate) invitation: String,
}

/// Runs a mutation that must work, and answers its payload.
pub(crate) async fn mutate(
    api: &Api,
    token: &str,
    field: &str,
    fields: &str,
    input: Value,
) -> Value {
    let (first, rest) = field.split_at(1);
    let input_type = format!("{}{rest}Input!", first.to_ascii_uppercase());
    let query = format!(
        "mutation($input: {input_type}) {{ {field}(input: $input) {{ {fields} userErrors {{ code field message }} }} }}"
    );
    let data = api.graphql(token, &query, json!({"input": input})).await;
    let payload = data.get(field).cloned().unwrap_or_default();
    assert_eq!(payload["userErrors"], json!([]), "{field}: {payload}");
    payload
}

impl Guest {
    /// Walks the whole path for a business of this name, which is its idempotency key too.
    pub(crate) async fn welcome(api: &Api, operator: &str, name: &str, phone: &str) -> Self {
        let input = json!({"name": name, "idempotencyKey": format!("{name} tenant")});
        let made = mutate(api, operator, "tenantCreate", "tenant { id }", input).await;
        let tenant = text(&made, "/tenant/id").to_owned();
        let input = json!({"tenantId": tenant, "idempotencyKey": format!("{name} invitation")});
        let invited = mutate(api, operator, "invitationCreate", "url", input).await;
        let link = text(&invited, "/url");
        let (onboarding, number_meta) = sign_up(api, link, name, phone).await;
        until("the onboarding to be live", PATIENCE, async || {
            let query =
                "query($id: ID!) { onboarding(id: $id) { state steps { step state error } } }";
            let data = api.graphql(operator, query, json!({"id": onboarding})).await;
            if text(&data, "/onboarding/state") == "LIVE" { Ok(()) } else { Err(data) }
        })
        .await;
        let key = key_of_owner(api, operator, &tenant, name).await;
        let number = until("the number to be listed", PATIENCE, async || {
            let data = api.graphql(&key, "{ numbers { nodes { id metaId } } }", json!({})).await;
            let nodes = data.pointer("/numbers/nodes").and_then(Value::as_array).expect("nodes");
            let found = nodes.iter().find(|node| node["metaId"] == number_meta.as_str());
            found.map(|node| text(node, "/id").to_owned()).ok_or(data)
        })
        .await;
        let invitation = link.rsplit('/').next().expect("a secret").to_owned();
        Self { onboarding, key, number, number_meta, invitation }
    }

    /// Lets a customer write to the business, and answers Meta's id of the message.
    pub(crate) async fn customer_writes(&self, api: &Api, customer: &str, words: &str) -> String {
        let body = json!({"phone_number_id": self.number_meta, "profile_name": "Ada Lovelace",
            "message": {"type": "text", "text": {"body": words}}});
        let path = format!("/customers/{customer}/messages");
        text(&api.control("POST", &path, &body).await, "/wamid").to_owned()
    }

    /// Waits until a message has a status, and answers Meta's id of it.
    pub(crate) async fn reached(&self, api: &Api, message: &str, wanted: &str) -> String {
        until(&format!("the message {wanted}"), PATIENCE, async || {
            let query = "query($id: ID!) { message(id: $id) { status metaId } }";
            let data = api.graphql(&self.key, query, json!({"id": message})).await;
            if text(&data, "/message/status") == wanted {
                Ok(text(&data, "/message/metaId").to_owned())
            } else {
                Err(data)
            }
        })
        .await
    }
}

/// Our page, Meta's dialog, our callback: answers the onboarding and Meta's id of the number.
async fn sign_up(api: &Api, link: &str, name: &str, phone: &str) -> (String, String) {
    walk(api, link, &[("business_name", name), ("phone_number", phone)]).await
}

/// The same for what the customer fills in.
pub(crate) async fn walk(api: &Api, link: &str, form: &[(&str, &str)]) -> (String, String) {
    let page = api.http.get(link).header("accept", "application/json").send().await;
    let page = page.expect("the page");
    let cookies = page.headers().get_all("set-cookie").iter();
    let cookies: Vec<_> =
        cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next()).collect();
    let cookie = cookies.join("; ");
    let page: Value = page.json().await.expect("JSON");
    let dialog = api.http.post(text(&page, "/dialog_url")).header("accept", "application/json");
    let dialog = dialog.form(form).send().await.expect("Meta's dialog");
    let dialog: Value = dialog.json().await.expect("JSON");
    let number_meta = text(&dialog, "/phone_number_id").to_owned();
    let told = json!({"state": text(&page, "/state"), "code": text(&dialog, "/code"),
        "waba_id": text(&dialog, "/waba_id"), "phone_number_id": number_meta});
    let callback = api.http.post(format!("{link}/callback")).header("cookie", cookie).json(&told);
    let answer: Value = callback.send().await.expect("our callback").json().await.expect("JSON");
    (text(&answer, "/onboarding_id").to_owned(), number_meta)
}

/// The tenant's first person by the one-time link, and the key that this person makes.
async fn key_of_owner(api: &Api, operator: &str, tenant: &str, name: &str) -> String {
    let email = format!("{}@guest.test", name.to_ascii_lowercase().replace(' ', "-"));
    let input = json!({"email": email, "name": "Owner", "role": "tenant.owner", "tenantId": tenant,
        "idempotencyKey": format!("{name} owner")});
    let made = mutate(api, operator, "deskPersonCreate", "setPasswordUrl", input).await;
    let secret = text(&made, "/setPasswordUrl").rsplit(['/', '#', '=']).next();
    let set = json!({"token": secret, "password": PASSWORD});
    let url = format!("{}/auth/set-password", api.gateway());
    let answer = api.http.post(url).json(&set).send().await.expect("the gateway answers");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    let owner = api.sign_in(&email, PASSWORD).await;
    let input =
        json!({"name": "guest", "environment": "SANDBOX", "idempotencyKey": format!("{name} key")});
    let made = mutate(api, &owner, "apiKeyCreate", "secret", input).await;
    text(&made, "/secret").to_owned()
}
