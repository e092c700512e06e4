//! Signature, escaping, retries, overrides, subscription.

use serde_json::{Value, json};

use crate::support::{receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";

fn signature(secret: &str, raw: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(raw);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_webhook_is_ascii_and_signed_over_exactly_its_bytes() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Ainda há mesa? 👍 a/b").await;
    wait("the inbound webhook", async || !receiver.values("messages").is_empty()).await;
    for delivery in receiver.deliveries() {
        assert_eq!(delivery.signature, signature(&business.app.secret, &delivery.raw));
        assert!(delivery.raw.is_ascii());
        assert!(delivery.headers.get("traceparent").is_none(), "Meta sends no trace context");
    }
    let value = &receiver.values("messages")[0];
    assert_eq!(value["messages"][0]["text"]["body"], "Ainda há mesa? 👍 a/b");
    assert_eq!(value["messages"][0]["from"], CUSTOMER);
    assert_eq!(value["contacts"][0]["profile"]["name"], "Rui");
    assert_eq!(value["metadata"]["phone_number_id"], business.number.as_str());
    let last = receiver.deliveries().pop().unwrap();
    let raw = String::from_utf8(last.raw.to_vec()).unwrap();
    assert!(
        raw.contains("h\\u00e1") && raw.contains("\\ud83d\\udc4d") && raw.contains("a\\/b"),
        "{raw}"
    );
}

#[tokio::test]
async fn a_failed_webhook_comes_again_by_the_sandboxs_clock_and_a_flush_hurries_it() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    wait("quiet", async || stage.control("GET", "/webhooks", Value::Null).await["pending"] == 0)
        .await;
    stage.control("POST", "/clock", json!({"rate": 0})).await;
    receiver.fail_next(2);
    stage.writes(&business, CUSTOMER, "Olá").await;
    let attempts = async || {
        let rows = stage.control("GET", "/webhooks?state=pending", Value::Null).await;
        rows["data"][0]["attempts"].as_i64().unwrap_or_default()
    };
    wait("a first failure", async || attempts().await == 1).await;
    assert!(receiver.values("messages").is_empty());
    stage.control("POST", "/clock", json!({"advance_us": 1_000_000})).await;
    wait("a second failure", async || attempts().await == 2).await;
    let flushed = stage.control("POST", "/webhooks/flush", Value::Null).await;
    assert_eq!(flushed["due"], 1);
    wait("it to arrive", async || receiver.values("messages").len() == 1).await;
    wait("nothing pending", async || {
        stage.control("GET", "/webhooks", Value::Null).await["pending"] == 0
    })
    .await;
}

#[tokio::test]
async fn after_seven_days_a_webhook_is_dead() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    wait("quiet", async || stage.control("GET", "/webhooks", Value::Null).await["pending"] == 0)
        .await;
    receiver.fail_next(1_000);
    stage.writes(&business, CUSTOMER, "Olá").await;
    wait("a first failure", async || {
        let rows = stage.control("GET", "/webhooks?state=pending", Value::Null).await;
        rows["data"][0]["attempts"].as_i64().unwrap_or_default() >= 1
    })
    .await;
    stage.control("POST", "/clock", json!({"advance_us": 8 * 86_400_000_000_i64})).await;
    wait("its death", async || {
        !stage.control("GET", "/webhooks?state=dead", Value::Null).await["data"]
            .as_array()
            .unwrap()
            .is_empty()
    })
    .await;
}

#[tokio::test]
async fn overrides_take_messages_alone_number_before_account_before_app() {
    let (stage, app_hook, waba_hook, number_hook) =
        (stage().await, receiver().await, receiver().await, receiver().await);
    let business = stage.onboard("one", &app_hook).await;
    let body = json!({"override_callback_uri": waba_hook.url, "verify_token": "vt"});
    let path = format!("/{}/subscribed_apps", business.waba);
    assert_eq!(stage.graph("POST", &path, &business.token, body).await.0, 200);
    stage.writes(&business, CUSTOMER, "eins").await;
    wait("the account's override", async || waba_hook.values("messages").len() == 1).await;
    let body = json!({"webhook_configuration": {"override_callback_uri": number_hook.url, "verify_token": "vt"}});
    assert_eq!(
        stage.graph("POST", &format!("/{}", business.number), &business.token, body).await.0,
        200
    );
    stage.writes(&business, CUSTOMER, "zwei").await;
    wait("the number's override", async || number_hook.values("messages").len() == 1).await;
    let wrong = json!({"override_callback_uri": waba_hook.url, "verify_token": "other"});
    assert_eq!(stage.graph("POST", &path, &business.token, wrong).await.0, 400);
    let template = json!({"name": "hello", "language": "en_US", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Your table is ready"}]});
    stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await;
    wait("the app's own callback", async || {
        app_hook.values("message_template_status_update").len() == 1
    })
    .await;
    assert!(app_hook.values("messages").is_empty());
}

#[tokio::test]
async fn nothing_arrives_for_an_account_without_subscription() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/{}/subscribed_apps", business.waba);
    let (_, body) = stage.graph("GET", &path, &business.token, Value::Null).await;
    assert_eq!(body["data"][0]["whatsapp_business_api_data"]["id"], business.app.id.as_str());
    stage.graph("DELETE", &path, &business.token, Value::Null).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    stage.graph("POST", &path, &business.token, Value::Null).await;
    stage.writes(&business, CUSTOMER, "again").await;
    wait("the second", async || !receiver.values("messages").is_empty()).await;
    assert_eq!(receiver.values("messages")[0]["messages"][0]["text"]["body"], "again");
}

#[tokio::test]
async fn a_callback_that_does_not_answer_its_challenge_is_refused() {
    let (stage, receiver) = (stage().await, receiver().await);
    let app = stage.app("one").await;
    let body = json!({"object": "whatsapp_business_account", "callback_url": receiver.url, "verify_token": "wrong", "fields": "messages"});
    let token = format!("{}|{}", app.id, app.secret);
    let (status, body) =
        stage.graph("POST", &format!("/{}/subscriptions", app.id), &token, body).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!(2200)));
}

#[tokio::test]
async fn a_customer_reads_and_the_reading_stands_for_a_delivery_that_was_still_to_come() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.control("PUT", "/settings", json!({"delivered_delay_ms": 60_000})).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let id = wamid(&stage.text(&business, CUSTOMER, "x").await.1);
    receiver.wait_statuses(&id, &["sent"]).await;
    stage.control("POST", &format!("/customers/{CUSTOMER}/read"), json!({"wamid": id})).await;
    let statuses = receiver.wait_statuses(&id, &["sent", "read"]).await;
    assert!(statuses[1].get("pricing").is_some(), "pricing stands on one of delivered and read");
    let rows =
        stage.control("GET", &format!("/messages?app_id={}", business.app.id), Value::Null).await;
    assert_eq!(rows["data"][0]["status"], "read");
}

#[tokio::test]
async fn lost_status_webhooks_do_not_change_metas_own_word() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/settings?app_id={}", business.app.id);
    let settings = stage.control("PUT", &path, json!({"lose_status_webhooks": true})).await;
    assert_eq!(settings["lose_status_webhooks"], true);
    stage.writes(&business, CUSTOMER, "Olá").await;
    let id = wamid(&stage.text(&business, CUSTOMER, "x").await.1);
    wait("delivered", async || {
        let rows = stage.control("GET", "/messages", Value::Null).await;
        rows["data"][0]["status"] == "delivered"
    })
    .await;
    assert!(receiver.statuses(&id).is_empty());
}
