//! `/webhooks/meta/{app}`: who is not Meta is refused and leaves nothing; what Meta signed is kept, whatever it is.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    answer::{Cases, Told},
    house::{HUGE, House, PATIENCE},
};
use crate::support::{text, until};

const SIGNATURE: &str = "x-hub-signature-256";

/// Case, path, signatures, body; status, code and words.
type Refused<'a> = (&'a str, &'a str, Vec<String>, &'a [u8], (u16, &'a str, &'a str));

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_delivery_of_nobody_is_refused_and_not_kept() {
    let house = House::start().await;
    let mut cases = Cases::of("/webhooks/meta refused");
    let (app, secret) =
        (text(&house.api.json, "/sandbox/app_id"), text(&house.api.json, "/sandbox/app_secret"));
    let own = format!("/webhooks/meta/{app}");
    let body = message(&house, &json!({"type": "text", "text": {"body": "let me in"}}))
        .to_string()
        .into_bytes();
    let (good, other) = (sign(secret, &body), sign("another secret", &body));
    let unsigned = (401, "SIGNATURE_INVALID", "X-Hub-Signature-256");
    let unknown = (404, "META_APP_UNKNOWN", "/webhooks/meta/{app id}");
    let longer = [&body[..], b" "].concat();
    let huge = vec![b' '; HUGE];
    let table: Vec<Refused<'_>> = vec![
        ("no signature", &own, vec![], &body, unsigned),
        ("an empty one", &own, vec![String::new()], &body, unsigned),
        ("another secret's", &own, vec![other.clone()], &body, unsigned),
        (
            "the verify token's",
            &own,
            vec![sign(text(&house.api.json, "/webhooks/verify_token"), &body)],
            &body,
            unsigned,
        ),
        ("two good ones", &own, vec![good.clone(), good.clone()], &body, unsigned),
        ("a good and a bad one", &own, vec![good.clone(), other], &body, unsigned),
        ("SHA-1", &own, vec![good.replace("sha256", "sha1")], &body, unsigned),
        ("no hex", &own, vec![format!("sha256={}", "x".repeat(64))], &body, unsigned),
        (
            "a signature of 10 kB",
            &own,
            vec![format!("sha256={}", "0".repeat(10_000))],
            &body,
            unsigned,
        ),
        ("right, over other bytes", &own, vec![good.clone()], &longer, unsigned),
        ("right, over nothing", &own, vec![good.clone()], b"", unsigned),
        ("10 MB", &own, vec![sign(secret, &huge)], &huge, (413, "BODY_TOO_LARGE", "4 MiB")),
        ("an unknown app", "/webhooks/meta/1", vec![good.clone()], &body, unknown),
        ("an app that is none", "/webhooks/meta/%00", vec![good.clone()], &body, unknown),
        ("an app without UTF-8", "/webhooks/meta/%ff", vec![good.clone()], &body, unknown),
    ];
    for (case, path, signatures, body, (status, code, says)) in table {
        let asked =
            signatures.iter().fold(house.post(path), |asked, one| asked.header(SIGNATURE, one));
        cases.refused(case, &Told::of(asked.body(body.to_owned())).await, status, code, says);
    }
    let packed =
        house.post(&own).header(SIGNATURE, &good).header("content-encoding", "gzip").body(body);
    cases.refused("gzip", &Told::of(packed).await, 415, "UNSUPPORTED_MEDIA_TYPE", "encoded");
    let token = text(&house.api.json, "/webhooks/verify_token");
    let refused = (403, "VERIFICATION_REFUSED", "hub.verify_token");
    for (case, query, (status, code, says)) in [
        ("no question", String::new(), refused),
        (
            "another token",
            "hub.mode=subscribe&hub.challenge=1&hub.verify_token=x".to_owned(),
            refused,
        ),
        (
            "another mode",
            format!("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token={token}"),
            refused,
        ),
        (
            "two tokens",
            format!(
                "hub.mode=subscribe&hub.challenge=1&hub.verify_token={token}&hub.verify_token=x"
            ),
            refused,
        ),
        (
            "a script",
            format!("hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token={token}"),
            refused,
        ),
    ] {
        let told = Told::of(house.get(&format!("{own}?{query}"))).await;
        cases.refused(&format!("verification: {case}"), &told, status, code, says);
    }
    let told = Told::of(house.get("/webhooks/meta/1?hub.mode=subscribe")).await;
    cases.refused("verification of an unknown app", &told, 404, "META_APP_UNKNOWN", "app id");
    let put = house.api.http.put(format!("{}{own}", house.api.gateway()));
    cases.refused("PUT", &Told::of(put).await, 405, "METHOD_NOT_ALLOWED", "GET");
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

#[tokio::test]
async fn what_meta_signed_is_kept_whatever_it_is() {
    let house = House::start().await;
    let mut cases = Cases::of("/webhooks/meta kept");
    let element =
        |field: &str, value: Value| whole(house.api.of_tenant(0, "/waba/meta_id"), field, &value);
    let unreadable: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a word", b"hello".to_vec()),
        ("bytes", b"\0\x01\xff".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        (
            "entries that are a text",
            b"{\"object\":\"whatsapp_business_account\",\"entry\":\"x\"}".to_vec(),
        ),
        ("half of it", b"{\"object\":\"whatsapp_business_account\",\"entry\":[{".to_vec()),
        ("deeper than is read", "[".repeat(100_000).into_bytes()),
    ];
    let placeless: Vec<(&str, Vec<u8>)> = vec![
        (
            "a WABA of nobody",
            whole("1", "messages", &json!({"metadata": {"phone_number_id": "1"}}))
                .to_string()
                .into_bytes(),
        ),
        ("a WABA of NULs", whole("\0", "messages", &json!({"x": "\0"})).to_string().into_bytes()),
        (
            "a WABA of 10 kB",
            whole(&"9".repeat(10_000), "messages", &json!({})).to_string().into_bytes(),
        ),
    ];
    let odd: Vec<(&str, Value)> = vec![
        ("a text that is a number", message(&house, &json!({"type": "text", "text": {"body": 7}}))),
        ("a text that is none", message(&house, &json!({"type": "text"}))),
        (
            "a kind of tomorrow",
            message(&house, &json!({"type": "hologram", "hologram": {"depth": 3}})),
        ),
        ("a NUL in the text", message(&house, &json!({"type": "text", "text": {"body": "a\0b"}}))),
        (
            "half a megabyte",
            message(&house, &json!({"type": "text", "text": {"body": "x".repeat(512 << 10)}})),
        ),
        (
            "a time that is none",
            message(&house, &json!({"type": "text", "text": {"body": "x"}, "timestamp": "soon"})),
        ),
        (
            "a time beyond all",
            message(
                &house,
                &json!({"type": "text", "text": {"body": "x"}, "timestamp": "99999999999999999999"}),
            ),
        ),
        (
            "no sender",
            message(&house, &json!({"type": "text", "text": {"body": "x"}, "from": null})),
        ),
        (
            "an id of 10 kB",
            message(
                &house,
                &json!({"type": "text", "text": {"body": "x"}, "id": "w".repeat(10_000)}),
            ),
        ),
        ("no id", message(&house, &json!({"type": "text", "text": {"body": "x"}, "id": null}))),
        (
            "a status of nobody's message",
            element(
                "messages",
                json!({"metadata": metadata(&house), "statuses": [
            {"id": "wamid.nobody", "status": "delivered", "timestamp": "1700000000", "recipient_id": "1"}]}),
            ),
        ),
        (
            "a status of tomorrow",
            element(
                "messages",
                json!({"metadata": metadata(&house), "statuses": [{"id": 7, "status": {"a": 1}}]}),
            ),
        ),
        (
            "messages that are a number",
            element("messages", json!({"metadata": metadata(&house), "messages": 7})),
        ),
        ("a field of tomorrow", element("telepathy", json!({"a": [1, 2, 3]}))),
        ("a template of tomorrow", element("message_template_status_update", json!({"event": 7}))),
        ("an account that is a list", element("account_update", json!([1]))),
    ];
    for (case, body) in unreadable.iter().chain(&placeless) {
        cases.hold(case, deliver(&house, body).await == 200, &"not taken");
    }
    for (case, body) in &odd {
        cases.hold(case, deliver(&house, body.to_string().as_bytes()).await == 200, &"not taken");
    }
    until("a quarantine with all that has no place", PATIENCE, async || {
        let query = "{ quarantine(first: 100) { nodes { reason } } }";
        let data = house.api.graphql(&house.operator, query, json!({})).await;
        let nodes =
            data.pointer("/quarantine/nodes").and_then(Value::as_array).expect("nodes").clone();
        let of = |reason: &str| nodes.iter().filter(|node| text(node, "/reason") == reason).count();
        let whole = of("unreadable") == unreadable.len() && of("unknown_waba") == placeless.len();
        if whole { Ok(()) } else { Err(nodes) }
    })
    .await;
    // What can't be read as a message is one all the same: kept as it came, and shown.
    let messages: Vec<&Value> = odd
        .iter()
        .filter_map(|(_, body)| body.pointer("/entry/0/changes/0/value/messages/0"))
        .collect();
    until("every message as Meta told it", PATIENCE, async || {
        let shown = house
            .api
            .graphql(
                house.api.key(0),
                "{ messages(first: 100) { nodes { body status } } }",
                json!({}),
            )
            .await;
        let nodes = shown.pointer("/messages/nodes").and_then(Value::as_array).expect("nodes");
        let missing = messages
            .iter()
            .filter(|message| !nodes.iter().any(|node| node.get("body") == Some(**message)));
        let missing: Vec<String> =
            missing.map(|message| message.to_string().chars().take(200).collect()).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    })
    .await;
    cases.finish();
    let rows = |count: usize| i64::try_from(count).expect("few");
    let (all, kept) = (unreadable.len() + placeless.len() + odd.len(), rows(messages.len()));
    house
        .keeps(&[
            ("webhooks.inbound_raw", rows(all)),
            ("webhooks.quarantine", rows(unreadable.len() + placeless.len())),
            ("webhooks.element_seen", rows(odd.len())),
            ("messaging.message", kept),
            ("messaging.message_meta_id", kept),
            ("messaging.message_step", kept),
            ("messaging.orphan_status", 1),
            ("analytics.fact", kept),
            ("analytics.fact_key", kept),
            // The template's word that nobody can read: for an operator to look at.
            ("assets.dead_letter", 1),
            // The status of tomorrow: tried again each hour, for a build that can read it.
            ("messaging.dead_letter", 1),
        ])
        .await;
    house.lives().await;
}

/// Meta's payload with one change.
fn whole(waba: &str, field: &str, value: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": [{"field": field, "value": value}]}]})
}

fn metadata(house: &House) -> Value {
    json!({"display_phone_number": house.api.of_tenant(0, "/number/e164"), "phone_number_id": house.api.of_tenant(0, "/number/meta_id")})
}

/// A message to the first demo tenant, with these members over the usual ones; null takes one away.
fn message(house: &House, over: &Value) -> Value {
    let number = house.api.of_tenant(0, "/customer/wa_id");
    let mut message = json!({"from": number, "id": format!("wamid.{:032x}", rand::random::<u128>()), "timestamp": "1795000000"});
    let members = message.as_object_mut().expect("an object");
    for (name, value) in over.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    let value = json!({"messaging_product": "whatsapp", "metadata": metadata(house),
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": number}], "messages": [message]});
    whole(house.api.of_tenant(0, "/waba/meta_id"), "messages", &value)
}

/// Delivers a body as Meta signs it.
async fn deliver(house: &House, body: &[u8]) -> u16 {
    let url = text(&house.api.json, "/webhooks/url");
    let signature = sign(text(&house.api.json, "/sandbox/app_secret"), body);
    let sent = house.api.http.post(url).header(SIGNATURE, signature).body(body.to_owned()).send();
    sent.await.expect("an answer").status().as_u16()
}
