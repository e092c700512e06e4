//! The order in which a send is checked, and registration.

use serde_json::{Value, json};

use crate::support::{Stage, code, receiver, stage, wait};

const CUSTOMER: &str = "351912000111";

async fn refused(stage: &Stage, number: &str, token: Option<&str>, body: Value) -> (u16, i64) {
    let request = stage.http.post(stage.url(&format!("/v23.0/{number}/messages"))).json(&body);
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, code(&answer.json().await.unwrap()))
}

/// Each body is wrong in what its step checks and in everything that is checked later, so a step
/// that moved shows.
#[tokio::test]
async fn a_send_is_checked_in_metas_order() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let other = stage.join(business.app.clone(), "Livros").await;
    let shapeless = json!({"to": CUSTOMER});
    let number = business.number.as_str();
    let token = Some(business.token.as_str());

    assert_eq!(refused(&stage, "1", None, shapeless.clone()).await, (401, 104));
    assert_eq!(refused(&stage, "1", Some("EAAnope"), shapeless.clone()).await, (401, 190));
    assert_eq!(refused(&stage, "1", token, shapeless.clone()).await, (400, 100));
    assert_eq!(refused(&stage, &other.number, token, shapeless.clone()).await, (400, 100));

    stage
        .control("POST", &format!("/wabas/{}/status", business.waba), json!({"status": "DISABLED"}))
        .await;
    assert_eq!(refused(&stage, number, token, shapeless.clone()).await, (403, 131_031));
    stage
        .control("POST", &format!("/wabas/{}/status", business.waba), json!({"status": "ACTIVE"}))
        .await;

    stage.graph("POST", &format!("/{number}/deregister"), &business.token, Value::Null).await;
    stage.control("POST", &format!("/numbers/{number}/throughput"), json!({"mps": 1})).await;
    let unsent = json!({"messaging_product": "whatsapp", "to": "12", "type": "template",
        "template": {"name": "none", "language": {"code": "en_US"}}});
    assert_eq!(refused(&stage, number, token, shapeless.clone()).await, (400, 100));
    assert_eq!(refused(&stage, number, token, shapeless.clone()).await, (429, 130_429));
    stage.control("POST", &format!("/numbers/{number}/throughput"), json!({"mps": 80})).await;

    assert_eq!(refused(&stage, number, token, unsent.clone()).await, (400, 133_010));
    let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
    stage.graph("POST", &format!("/{number}/register"), &business.token, pin).await;
    assert_eq!(refused(&stage, number, token, unsent.clone()).await, (400, 100));
    let mut unknown_template = unsent.clone();
    unknown_template["to"] = json!(CUSTOMER);
    assert_eq!(refused(&stage, number, token, unknown_template).await, (404, 132_001));
}

#[tokio::test]
async fn a_pair_gets_a_burst_of_forty_five_and_then_one_in_six_seconds() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.control("POST", "/clock", json!({"rate": 0})).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    for _ in 0..45 {
        assert_eq!(stage.text(&business, CUSTOMER, "x").await.0, 200);
    }
    let (status, body) = stage.text(&business, CUSTOMER, "x").await;
    assert_eq!((status, code(&body)), (429, 131_056));
    stage.control("POST", "/clock", json!({"advance_us": 6_500_000})).await;
    assert_eq!(stage.text(&business, CUSTOMER, "x").await.0, 200);
}

#[tokio::test]
async fn registration_keeps_the_pin_and_counts_ten_in_seventy_two_hours() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/{}/register", business.number);
    let pin = |pin: &str| json!({"messaging_product": "whatsapp", "pin": pin});
    let (_, body) = stage.graph("POST", &path, &business.token, pin("654321")).await;
    assert_eq!(code(&body), 133_005);
    assert_eq!(code(&stage.graph("POST", &path, &business.token, pin("12")).await.1), 100);
    for _ in 0..8 {
        assert_eq!(stage.graph("POST", &path, &business.token, pin("123456")).await.0, 200);
    }
    assert_eq!(code(&stage.graph("POST", &path, &business.token, pin("123456")).await.1), 133_016);
    stage.control("POST", "/clock", json!({"advance_us": 72 * 3_600_000_000_i64})).await;
    assert_eq!(stage.graph("POST", &path, &business.token, pin("123456")).await.0, 200);
}

#[tokio::test]
async fn a_number_is_added_verified_by_code_and_registered() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let body = json!({"cc": "351", "phone_number": "912345678", "verified_name": "Casa Rosa"});
    let (_, added) = stage
        .graph("POST", &format!("/{}/phone_numbers", business.waba), &business.token, body.clone())
        .await;
    let id = added["id"].as_str().unwrap();
    let (_, again) = stage
        .graph("POST", &format!("/{}/phone_numbers", business.waba), &business.token, body)
        .await;
    assert_eq!(again["error"]["error_subcode"], 2_388_012);
    let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
    let register = format!("/{id}/register");
    assert_eq!(
        code(&stage.graph("POST", &register, &business.token, pin.clone()).await.1),
        133_006
    );
    // As SDKs do: parameters in the query, no body.
    let asked = stage
        .graph(
            "POST",
            &format!("/{id}/request_code?code_method=SMS&language=en_US"),
            &business.token,
            Value::Null,
        )
        .await;
    assert_eq!(asked.0, 200);
    let wrong = stage
        .graph("POST", &format!("/{id}/verify_code?code=000"), &business.token, Value::Null)
        .await;
    assert_eq!(code(&wrong.1), 136_025);
    let shown = stage.control("GET", &format!("/numbers/{id}"), Value::Null).await;
    let sms = shown["code"]["code"].as_str().unwrap();
    let verified = stage
        .graph("POST", &format!("/{id}/verify_code?code={sms}"), &business.token, Value::Null)
        .await;
    assert_eq!(verified.1["success"], true);
    assert_eq!(stage.graph("POST", &register, &business.token, pin).await.0, 200);
}

#[tokio::test]
async fn a_bsuid_is_sent_to_and_a_foreign_one_is_refused() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let other = stage.join(business.app.clone(), "Livros").await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    wait("the inbound webhook", async || !receiver.values("messages").is_empty()).await;
    let user_id =
        receiver.values("messages")[0]["contacts"][0]["user_id"].as_str().unwrap().to_owned();
    let body = json!({"recipient": user_id, "type": "text", "text": {"body": "x"}});
    let (status, answer) = stage.send(&business, body.clone()).await;
    assert_eq!(
        (status, &answer["contacts"][0]),
        (200, &json!({"input": user_id, "user_id": user_id}))
    );
    assert_eq!(code(&stage.send(&other, body).await.1), 131_009);
}

#[tokio::test]
async fn the_sender_itself_is_no_recipient() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let (_, number) =
        stage.graph("GET", &format!("/{}", business.number), &business.token, Value::Null).await;
    let own = number["display_phone_number"].as_str().unwrap();
    assert_eq!(code(&stage.text(&business, own, "x").await.1), 131_021);
}
