//! What a stop or a crash leaves: everything that was answered.

use serde_json::{Value, json};

use crate::support::{receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";

#[tokio::test]
async fn a_restart_keeps_apps_accounts_tokens_templates_clock_and_ledger() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.control("POST", "/clock", json!({"advance_us": 5_000_000_000_i64})).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let id = wamid(&stage.text(&business, CUSTOMER, "kept").await.1);
    let before = stage.control("GET", "/clock", Value::Null).await;
    let ledger = stage.ledger(&business.app.id).await;
    let stage = stage.restart().await;
    assert!(stage.path().join("sandbox.sqlite").exists());
    assert_eq!(stage.ledger(&business.app.id).await, ledger);
    let again = stage.app("one").await;
    assert_eq!((&again.id, &again.token), (&business.app.id, &business.app.token));
    let after = stage.control("GET", "/clock", Value::Null).await;
    assert!(
        after["now_us"].as_i64() >= before["now_us"].as_i64()
            && after["version"].as_u64() > before["version"].as_u64()
    );
    let (status, body) = stage
        .graph("GET", &format!("/{}?fields=status", business.number), &business.token, Value::Null)
        .await;
    assert_eq!((status, &body["status"]), (200, &json!("CONNECTED")));
    let (status, _) = stage.text(&business, CUSTOMER, "the window is still open").await;
    assert_eq!(status, 200);
    receiver.wait_statuses(&id, &["sent", "delivered"]).await;
}

#[tokio::test]
async fn a_crash_loses_no_answered_send_and_its_webhooks_come_after_the_start() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    wait("quiet", async || stage.control("GET", "/webhooks", Value::Null).await["pending"] == 0)
        .await;
    stage.control("PUT", "/settings", json!({"delivered_delay_ms": 60_000})).await;
    receiver.fail_next(1);
    let mut sent = Vec::new();
    for n in 0..20 {
        sent.push(wamid(&stage.text(&business, CUSTOMER, &format!("cb-{n}")).await.1));
    }
    let stage = stage.crash().await;
    let lines = stage.ledger(&business.app.id).await;
    let kept: Vec<_> =
        lines.iter().map(|line| line["wamid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, sent);
    stage.control("POST", "/webhooks/flush", Value::Null).await;
    for id in &sent {
        wait("both statuses", async || {
            let names = receiver.status_names(id);
            names.contains(&"sent".to_owned()) && names.contains(&"delivered".to_owned())
        })
        .await;
    }
}

#[tokio::test]
async fn a_second_sandbox_on_the_folder_is_refused_and_the_first_goes_on() {
    let stage = stage().await;
    let config = sandbox::Config {
        data: stage.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        ..sandbox::Config::default()
    };
    let error = sandbox::Sandbox::open(config).await.unwrap_err();
    assert!(matches!(error, sandbox::Error::InUse { .. }), "{error}");
    assert!(stage.control("GET", "/clock", Value::Null).await["now_us"].is_i64());
}
