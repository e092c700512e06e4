//! The two demo tenants, onboarded by the path that every business walks, and kept: a later start walks nothing again.

use anyhow::Context as _;
use kernel::ids::{SystemIds, random_token};
use std::{fs, io::Write as _};

use crate::{
    data::Data,
    dev_json::{Account, Customer, DevJson, Number, Template, Tenant, private_file},
    walk::{Business, Client, SignedUp},
};

/// Name, number, and the customer who has just written, of each demo tenant.
const DEMOS: [(&str, &str, &str); 2] = [
    ("Demo Bakery", "+14155550101", "14155550171"),
    ("Other Books", "+14155550102", "14155550172"),
];

/// The tenants of dev.json.
pub(super) async fn tenants(data: &Data, dev: &DevJson) -> anyhow::Result<Vec<Tenant>> {
    let path = data.finished();
    if path.exists() {
        let kept = fs::read_to_string(&path).context("reading the kept demo tenants")?;
        return serde_json::from_str(&kept)
            .context("the kept demo tenants are damaged; start on an empty folder");
    }
    let client = Client::new(dev)?;
    let operator = client.sign_in(&dev.operator.email, &dev.operator.password).await?;
    // Both at once: most of the walk is waiting for Meta.
    let [(a_name, a_phone, a_customer), (b_name, b_phone, b_customer)] = DEMOS;
    let (first, second) = tokio::try_join!(
        onboard(&client, data, &operator, a_name, a_phone, a_customer),
        onboard(&client, data, &operator, b_name, b_phone, b_customer),
    )?;
    let made = vec![first, second];
    let beside = path.with_extension("part");
    let mut file = private_file(&beside)?;
    file.write_all(serde_json::to_string_pretty(&made)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    Ok(made)
}

async fn onboard(
    client: &Client,
    data: &Data,
    operator: &str,
    name: &str,
    phone: &str,
    customer: &str,
) -> anyhow::Result<Tenant> {
    let slug = name.to_lowercase().replace(' ', "-");
    let key = |what: &str| format!("dev-{slug}-{what}");
    let tenant = client.create_tenant(operator, name, &key("tenant")).await?;
    let signed_up =
        sign_up(client, data, operator, &tenant, &slug, &Business { name, phone }).await?;
    let email = format!("owner@{slug}.test");
    let password = data.random_text(&format!("{slug}_password"), &SystemIds::new())?;
    let person = async {
        let person =
            client.first_person(operator, &tenant, &email, &password, &key("owner")).await?;
        client.create_key(&person, "demo", &key("key")).await
    };
    let live = client.follow_onboarding(operator, &signed_up.onboarding_id, |_| {});
    let (api_key, ()) = tokio::try_join!(person, live)?;
    let (waba, number, e164) = client.accounts(&api_key, &signed_up).await?;
    let template = "order_ready".to_owned();
    let id = client.create_template(&api_key, &waba, &template, &key("template")).await?;
    let wamid = client.customer_writes(customer, &signed_up.number_meta_id, "Hello!").await?;
    let approved = client.approved(&api_key, &id);
    let received = client.received(&api_key, &number, &wamid);
    tokio::try_join!(approved, received)?;
    Ok(Tenant {
        id: tenant,
        name: name.to_owned(),
        api_key,
        waba: Account { id: waba, meta_id: signed_up.waba_meta_id },
        number: Number { id: number, meta_id: signed_up.number_meta_id, e164 },
        template: Template { name: template, language: "en_US".to_owned() },
        customer: Customer { wa_id: customer.to_owned(), inbound_wamid: wamid },
    })
}

/// Walks embedded signup. A sandbox that stays may have the demo's number of an earlier start that died: then the dialog
/// gives another one.
async fn sign_up(
    client: &Client,
    data: &Data,
    operator: &str,
    tenant: &str,
    slug: &str,
    business: &Business<'_>,
) -> anyhow::Result<SignedUp> {
    let begun = data.path("keys").join(format!("{slug}_signup.begun"));
    let phone = if begun.exists() { "" } else { business.phone };
    private_file(&begun)?.sync_all()?;
    let start = random_token(&SystemIds::new(), 6);
    let link = client.invite(operator, tenant, &format!("dev-{slug}-invite-{start}")).await?;
    client.sign_up(&link, &Business { phone, ..business.clone() }).await
}
