//! The control API's own manners, and acts of Meta's on numbers and businesses.

use serde_json::{Value, json};

use crate::support::{receiver, stage, wait};

#[tokio::test]
async fn an_installation_gets_the_same_app_for_ever() {
    let stage = stage().await;
    let first = stage.control("PUT", "/apps/one", Value::Null).await;
    assert_eq!(stage.control("PUT", "/apps/one", json!({"name": "Other"})).await, first);
    assert_eq!(stage.control("GET", "/apps/one", Value::Null).await, first);
    assert_ne!(stage.control("PUT", "/apps/two", Value::Null).await["app_id"], first["app_id"]);
    for name in ["app_id", "app_secret", "token", "business_id", "config_id"] {
        assert!(first[name].is_string(), "{name}");
    }
}

#[tokio::test]
async fn refusals_are_json_with_a_message() {
    let stage = stage().await;
    assert_eq!(stage.control("GET", "/health", Value::Null).await, json!({"status": "ok"}));
    for (method, path) in [
        ("GET", "/apps/none"),
        ("POST", "/templates/1/approve"),
        ("GET", "/nothing"),
        ("DELETE", "/faults/1"),
    ] {
        let url = stage.url(&format!("/_sandbox/v1{path}"));
        let answer = stage.http.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.json::<Value>().await.unwrap()["error"]["message"].is_string());
    }
    let url = stage.url("/_sandbox/v1/settings");
    let answer =
        stage.http.put(url).json(&json!({"template_reviw": "manual"})).send().await.unwrap();
    assert_eq!(answer.status(), 400, "a wrong key is an error");
}

#[tokio::test]
async fn a_verified_business_reaches_the_next_limit_and_its_accounts_hear_of_it() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/businesses/{}/verification", business.portfolio);
    stage.control("POST", &path, json!({"status": "verified"})).await;
    wait("the capability", async || receiver.values("business_capability_update").len() == 1).await;
    let path = format!(
        "/{}?fields=business_verification_status,whatsapp_business_manager_messaging_limit",
        business.waba
    );
    let (_, node) = stage.graph("GET", &path, &business.token, Value::Null).await;
    assert_eq!(node["business_verification_status"], "verified");
    assert_eq!(node["whatsapp_business_manager_messaging_limit"], "TIER_2K");
}

#[tokio::test]
async fn a_banned_number_sends_nothing_and_quality_is_read_on_the_node() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/numbers/{}", business.number);
    stage.control("POST", &format!("{path}/quality"), json!({"rating": "RED"})).await;
    let node = format!("/{}?fields=quality_rating,status", business.number);
    assert_eq!(
        stage.graph("GET", &node, &business.token, Value::Null).await.1["quality_rating"],
        "RED"
    );
    stage.control("POST", &format!("{path}/ban"), Value::Null).await;
    let (status, body) = stage.text(&business, "351912000111", "x").await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!(131_031)));
    stage.control("POST", &format!("{path}/throughput"), json!({"mps": 1_000})).await;
    wait("the upgrade", async || {
        receiver
            .values("phone_number_quality_update")
            .iter()
            .any(|value| value["event"] == "THROUGHPUT_UPGRADE")
    })
    .await;
}

#[tokio::test]
async fn unknown_kinds_of_inbound_messages_pass_verbatim() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let message =
        json!({"type": "some_future_event", "some_future_event": {"depth": [1, {"x": null}]}});
    let body =
        json!({"phone_number_id": business.number, "message": message, "context_wamid": "wamid.Q"});
    stage.control("POST", "/customers/351912000111/messages", body).await;
    wait("it", async || !receiver.values("messages").is_empty()).await;
    let element = receiver.values("messages")[0]["messages"][0].clone();
    assert_eq!(element["some_future_event"], json!({"depth": [1, {"x": null}]}));
    assert_eq!(element["context"]["id"], "wamid.Q");
    let rows =
        stage.control("GET", &format!("/inbound?app_id={}", business.app.id), Value::Null).await;
    assert_eq!(rows["data"][0]["type"], "some_future_event");
}

#[tokio::test]
async fn a_customer_who_hides_the_number_shows_a_user_id_alone() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage
        .control(
            "PUT",
            "/customers/351912000111",
            json!({"username": "rui.f", "hide_number": true}),
        )
        .await;
    stage.writes(&business, "351912000111", "Olá").await;
    wait("it", async || !receiver.values("messages").is_empty()).await;
    let value = receiver.values("messages")[0].clone();
    assert!(
        value["messages"][0].get("from").is_none() && value["contacts"][0].get("wa_id").is_none()
    );
    assert_eq!(value["contacts"][0]["profile"]["username"], "rui.f");
    assert!(value["messages"][0]["from_user_id"].as_str().unwrap().starts_with("PT."));
}

#[tokio::test]
async fn a_batch_runs_its_parts_and_one_failing_part_fails_alone() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let batch = json!([
        {"method": "GET", "relative_url": format!("v23.0/{}?fields=name", business.waba)},
        {"method": "GET", "relative_url": "1"}]);
    let (status, answers) =
        stage.graph("POST", "/", &business.token, json!({"batch": batch})).await;
    assert_eq!((status, &answers[0]["code"], &answers[1]["code"]), (200, &json!(200), &json!(400)));
    let first: Value = serde_json::from_str(answers[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(first["id"], business.waba.as_str());
}
