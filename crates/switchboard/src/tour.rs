//! `switchboard tour`: the main job from end to end against a running instance, each step printed with what came back.
//!
//! It needs of dev.json only gateway, operator and sandbox, onboards two tenants of its own under new names, and stops
//! with an error at the first step that does not hold. Running it again is a new walk: it leaves two tenants behind.

mod print;

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use self::print::Printer;
use crate::{
    dev_json::DevJson,
    walk::{Business, Client, PATIENCE, SignedUp, payload, string},
};

/// Password of the people whom the tour makes.
const PASSWORD: &str = "a tour of the whole house";

/// One tenant of the tour, once it is live.
struct Guest {
    tenant: String,
    key: String,
    number: String,
    number_meta_id: String,
    waba: String,
}

/// Walks the main job.
pub(crate) async fn run(dev_json: &Path, seed: &str) -> anyhow::Result<()> {
    let dev = DevJson::read(dev_json)?;
    let client = Client::new(&dev)?;
    let mut out = Printer::new();
    let operator = out
        .step("An operator signs in", client.sign_in(&dev.operator.email, &dev.operator.password))
        .await
        .inspect(|_| out.note(&format!("{} has a ten-minute token", dev.operator.email)))?;

    let bakery = welcome(&client, &mut out, &operator, seed, "Tour Bakery", 1).await?;
    let template = approve_template(&client, &mut out, &bakery, seed).await?;
    converse(&client, &mut out, &bakery, &template, seed).await?;
    figures(&client, &mut out, &operator, &bakery).await?;
    let books = welcome(&client, &mut out, &operator, seed, "Tour Books", 2).await?;
    isolation(&client, &mut out, &bakery, &books).await?;
    out.end();
    Ok(())
}

/// Creates a tenant, walks embedded signup, follows the saga and makes the tenant's own key.
async fn welcome(
    client: &Client,
    out: &mut Printer,
    operator: &str,
    seed: &str,
    name: &str,
    nth: u8,
) -> anyhow::Result<Guest> {
    let name = format!("{name} {seed}");
    let key = |what: &str| format!("tour-{seed}-{nth}-{what}");
    let tenant = out
        .step(
            &format!("The operator creates {name}"),
            client.create_tenant(operator, &name, &key("tenant")),
        )
        .await?;
    out.note(&tenant);
    out.step("Analytics hears of it over the bus", tenant_known(client, operator, &tenant)).await?;

    let link = out
        .step("The operator invites the business", client.invite(operator, &tenant, &key("invite")))
        .await?;
    out.note(&link);
    let phone = phone_number(seed, nth);
    let business = Business { name: &name, phone: &phone };
    let signed_up =
        out.step("The business walks embedded signup", client.sign_up(&link, &business)).await?;
    out.note(&format!("WABA {} with number {}", signed_up.waba_meta_id, signed_up.number_meta_id));
    let mut steps = Vec::new();
    let followed = client
        .follow_onboarding(operator, &signed_up.onboarding_id, |step| steps.push(step.clone()))
        .await;
    for step in &steps {
        out.note(&format!("{:<22} {:<8} {}", step.step, step.state, step.note));
    }
    out.step("The onboarding goes live", async { followed }).await?;

    let email = format!("owner-{seed}-{nth}@tour.test");
    let person = out
        .step(
            "Its owner sets a password by the one-time link",
            client.first_person(operator, &tenant, &email, PASSWORD, &key("owner")),
        )
        .await?;
    let secret = out
        .step("The owner makes an API key", client.create_key(&person, "tour", &key("key")))
        .await?;
    out.note(&format!("{}…", secret.chars().take(12).collect::<String>()));
    let (waba, number, e164) =
        out.step("The key sees its WABA and number", client.accounts(&secret, &signed_up)).await?;
    out.note(&format!("{waba} · {number} · {e164}"));
    let SignedUp { number_meta_id, .. } = signed_up;
    Ok(Guest { tenant, key: secret, number, number_meta_id, waba })
}

async fn tenant_known(client: &Client, operator: &str, tenant: &str) -> anyhow::Result<()> {
    client
        .until("analytics to know the tenant", PATIENCE, async || {
            let data = client
                .graphql(
                    operator,
                    "query($t: ID) { tenantFigures(tenantId: $t) { tenant { id } registeredAt } }",
                    json!({"t": tenant}),
                )
                .await?;
            let known =
                data.pointer("/tenantFigures/0/tenant/id").and_then(Value::as_str) == Some(tenant);
            Ok(known.then_some(()))
        })
        .await
}

async fn approve_template(
    client: &Client,
    out: &mut Printer,
    guest: &Guest,
    seed: &str,
) -> anyhow::Result<String> {
    let name = format!("tour_order_ready_{}", seed.replace('-', "_"));
    let id = out
        .step(
            "The business submits a template",
            client.create_template(
                &guest.key,
                &guest.waba,
                &name,
                &format!("tour-{seed}-template"),
            ),
        )
        .await?;
    out.note(&id);
    out.step("Meta approves it", client.approved(&guest.key, &id)).await?;
    Ok(name)
}

async fn converse(
    client: &Client,
    out: &mut Printer,
    guest: &Guest,
    template: &str,
    seed: &str,
) -> anyhow::Result<()> {
    let customer = phone_number(seed, 9).trim_start_matches('+').to_owned();
    let wamid = out
        .step(
            "A customer writes",
            client.customer_writes(&customer, &guest.number_meta_id, "Is my cake ready?"),
        )
        .await?;
    let inbound =
        out.step("The message arrives", client.received(&guest.key, &guest.number, &wamid)).await?;
    out.note(&inbound);

    let text = json!({"text": {"body": "It is: come by until six."}});
    let answer = out
        .step(
            "The business answers",
            client.send(&guest.key, &guest.number, &customer, text, &format!("tour-{seed}-text")),
        )
        .await?;
    out.note(&answer);
    out.step("Meta accepts the answer", client.reached(&guest.key, &answer, "ACCEPTED")).await?;
    out.step("It is delivered", client.reached(&guest.key, &answer, "DELIVERED")).await?;
    let meta_id = out.step("It carries Meta's wamid", meta_id(client, &guest.key, &answer)).await?;
    let (url, body) =
        (format!("{}/customers/{customer}/read", client.control()), json!({"wamid": meta_id}));
    out.step("The customer reads it", client.post_json(&url, &body)).await?;
    out.step("It is read", client.reached(&guest.key, &answer, "READ")).await?;

    let content = json!({"template": {"name": template, "language": "en_US",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]}});
    let message = out
        .step(
            "The business sends its template",
            client.send(
                &guest.key,
                &guest.number,
                &customer,
                content,
                &format!("tour-{seed}-sent-template"),
            ),
        )
        .await?;
    out.note(&message);
    out.step("The template is delivered", client.reached(&guest.key, &message, "DELIVERED"))
        .await?;
    let steps =
        out.step("Each step of the message is kept", steps(client, &guest.key, &answer)).await?;
    out.note(&steps.join(" → "));
    Ok(())
}

async fn meta_id(client: &Client, token: &str, message: &str) -> anyhow::Result<String> {
    let data = client
        .graphql(token, "query($id: ID!) { message(id: $id) { metaId } }", json!({"id": message}))
        .await?;
    string(&data, "/message/metaId")
}

async fn steps(client: &Client, token: &str, message: &str) -> anyhow::Result<Vec<String>> {
    let data = client
        .graphql(
            token,
            "query($id: ID!) { message(id: $id) { steps { name at } } }",
            json!({"id": message}),
        )
        .await?;
    let steps = data.pointer("/message/steps").and_then(Value::as_array).context("steps")?;
    let names: Vec<String> =
        steps.iter().map(|step| string(step, "/name")).collect::<Result<_, _>>()?;
    for wanted in ["accepted", "sent", "delivered", "read"] {
        ensure!(
            names.iter().any(|name| name.eq_ignore_ascii_case(wanted)),
            "no step `{wanted}` among {names:?}"
        );
    }
    Ok(names)
}

/// The day's figures: two sent and delivered, one read, one received.
async fn figures(
    client: &Client,
    out: &mut Printer,
    operator: &str,
    guest: &Guest,
) -> anyhow::Result<()> {
    let look = client.until("the day's figures", PATIENCE, async || {
        let data = client
            .graphql(
                &guest.key,
                "query($w: ID!) { measures(wabaId: $w) { timezone totals { accepted sent delivered read failed received byCategory { name measure count } } } }",
                json!({"w": guest.waba}),
            )
            .await?;
        let count = |name: &str| data.pointer(&format!("/measures/totals/{name}")).and_then(Value::as_u64).unwrap_or_default();
        let whole = count("accepted") == 2 && count("delivered") == 2 && count("read") == 1 && count("received") == 1;
        Ok(whole.then(|| data.pointer("/measures").cloned().unwrap_or_default()))
    });
    let seen = out.step("The business sees the day's figures", look).await?;
    out.note(&seen.to_string());
    out.step(
        "The operator sees them too, without content",
        desk_figures(client, operator, &guest.tenant),
    )
    .await
}

async fn desk_figures(client: &Client, operator: &str, tenant: &str) -> anyhow::Result<()> {
    client
        .until("the desk's figures", PATIENCE, async || {
            let data = client
                .graphql(
                    operator,
                    "query($t: ID) { tenantFigures(tenantId: $t) { sent received } }",
                    json!({"t": tenant}),
                )
                .await?;
            let received = data.pointer("/tenantFigures/0/received").and_then(Value::as_u64);
            Ok((received == Some(1)).then_some(()))
        })
        .await
}

/// The second tenant asks for everything of the first.
async fn isolation(
    client: &Client,
    out: &mut Printer,
    owner: &Guest,
    stranger: &Guest,
) -> anyhow::Result<()> {
    out.step("The other tenant can see none of it", nothing_visible(client, owner, stranger))
        .await?;
    out.step("Nor send from its number", cannot_send(client, owner, stranger)).await
}

async fn nothing_visible(client: &Client, owner: &Guest, stranger: &Guest) -> anyhow::Result<()> {
    let query = "query($w: ID!, $n: ID!) { waba(id: $w) { id } number(id: $n) { id } node(id: $n) { id } messages(numberId: $n) { nodes { id } } }";
    let variables = json!({"w": owner.waba, "n": owner.number});
    let own = client
        .graphql(&owner.key, query, variables.clone())
        .await
        .context("the rightful owner must see it")?;
    ensure!(
        own.pointer("/waba/id").is_some() && own.pointer("/messages/nodes/0").is_some(),
        "the rightful owner must see it: {own}"
    );
    let seen = client.graphql_raw(&stranger.key, query, variables).await?;
    for field in ["/data/waba", "/data/number", "/data/node", "/data/messages/nodes/0"] {
        ensure!(
            seen.pointer(field).is_none_or(Value::is_null),
            "the stranger sees {field}: {seen}"
        );
    }
    Ok(())
}

async fn cannot_send(client: &Client, owner: &Guest, stranger: &Guest) -> anyhow::Result<()> {
    let data = client
        .graphql(
            &stranger.key,
            "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code message } } }",
            json!({"input": {"numberId": owner.number, "to": "+14155550100", "content": {"text": {"body": "hello"}}}}),
        )
        .await?;
    ensure!(payload(&data, "messageSend").is_err(), "the stranger could send: {data}");
    Ok(())
}

/// A number that the sandbox takes and no other run uses: North American, from the seed.
fn phone_number(seed: &str, nth: u8) -> String {
    let digits =
        seed.bytes().fold(u64::from(nth), |sum, byte| (sum * 131 + u64::from(byte)) % 10_000_000);
    format!("+1415{:07}", 2_000_000 + (digits * 10 + u64::from(nth)) % 7_999_999)
}
