//! The 24-hour window, opt-outs and blocks (refused after the answer), eras of pricing, the clock.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";
const DAY_US: i64 = 86_400_000_000;

#[tokio::test]
async fn outside_the_window_the_answer_is_200_and_failed_131047_follows() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let (status, answer) = stage.text(&business, CUSTOMER, "never wrote").await;
    assert_eq!(status, 200);
    let failed = receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    assert_eq!(failed[0]["errors"][0]["code"], 131_047);
    assert!(failed[0].get("pricing").is_none());

    stage.writes(&business, CUSTOMER, "Olá").await;
    let (_, answer) = stage.text(&business, CUSTOMER, "inside").await;
    receiver.wait_statuses(&wamid(&answer), &["sent", "delivered"]).await;
    stage.control("POST", "/clock", json!({"advance_us": DAY_US + 1_000_000})).await;
    let (_, answer) = stage.text(&business, CUSTOMER, "a day later").await;
    receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    let rows = stage.control("GET", "/messages", Value::Null).await;
    assert_eq!(rows["data"][2]["error_code"], 131_047);
}

#[tokio::test]
async fn a_customer_who_blocked_the_business_is_undeliverable() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    stage
        .control(
            "POST",
            &format!("/customers/{CUSTOMER}/block"),
            json!({"phone_number_id": business.number}),
        )
        .await;
    let (_, answer) = stage.text(&business, CUSTOMER, "x").await;
    let failed = receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    assert_eq!(failed[0]["errors"][0]["code"], 131_026);
}

#[tokio::test]
async fn service_messages_are_free_until_october_2026_and_charged_after() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    // The machine's clock stands past both dates or not: the pricing must agree with the sandbox's.
    stage.writes(&business, CUSTOMER, "Olá").await;
    let now = stage.control("GET", "/clock", Value::Null).await["now_us"].as_i64().unwrap();
    let (_, answer) = stage.text(&business, CUSTOMER, "x").await;
    let statuses = receiver.wait_statuses(&wamid(&answer), &["sent", "delivered"]).await;
    let kind = if now < 1_790_812_800_000_000 { "free_customer_service" } else { "regular" };
    assert_eq!(statuses[0]["pricing"]["type"], kind);
    assert_eq!(statuses[0]["pricing"]["pricing_model"], "PMP");
    stage
        .control("POST", "/clock", json!({"set_us": now.max(1_790_812_800_000_000) + 60_000_000}))
        .await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let (_, answer) = stage.text(&business, CUSTOMER, "x").await;
    let statuses = receiver.wait_statuses(&wamid(&answer), &["sent", "delivered"]).await;
    assert_eq!(
        statuses[1]["pricing"],
        json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": "service"})
    );
}

#[tokio::test]
async fn the_clock_answers_at_once_or_at_its_next_change_and_never_goes_back() {
    let stage = stage().await;
    let first = stage.control("GET", "/clock", Value::Null).await;
    let version = first["version"].as_u64().unwrap();
    let poll = {
        let (http, url) =
            (stage.http.clone(), stage.url(&format!("/_sandbox/v1/clock?after={version}")));
        async move { http.get(url).send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let mut poll = Box::pin(poll);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut poll).await.is_err(), "it waits");
    stage.control("POST", "/clock", json!({"advance_us": DAY_US, "rate": 2.0})).await;
    let told = poll.await;
    assert_eq!((&told["version"], &told["rate"]), (&json!(version + 1), &json!(2.0)));
    assert!(told["now_us"].as_i64().unwrap() >= first["now_us"].as_i64().unwrap() + DAY_US);
    let back = stage
        .http
        .post(stage.url("/_sandbox/v1/clock"))
        .json(&json!({"set_us": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(back.status(), 400);
    let old = stage.control("GET", "/clock?after=0", Value::Null).await;
    assert_eq!(old["version"], json!(version + 1));
}

#[tokio::test]
async fn a_link_of_this_machine_is_fetched_and_a_dead_one_fails_the_message() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let image = |link: String| json!({"to": CUSTOMER, "type": "image", "image": {"link": link}});
    let (_, answer) = stage.send(&business, image("http://127.0.0.1:1/none.png".to_owned())).await;
    let failed = receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    assert_eq!(failed[0]["errors"][0]["code"], 131_053);
    let (_, answer) = stage.send(&business, image(stage.url("/_sandbox/v1/health"))).await;
    receiver.wait_statuses(&wamid(&answer), &["sent", "delivered"]).await;
}

#[tokio::test]
async fn a_customer_who_stopped_marketing_gets_none() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let template = json!({"name": "offer", "language": "en_US", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Our winter menu is here"}]});
    stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await;
    wait("the approval", async || receiver.values("message_template_status_update").len() == 1)
        .await;
    stage
        .control(
            "POST",
            &format!("/customers/{CUSTOMER}/preferences"),
            json!({"phone_number_id": business.number, "value": "stop"}),
        )
        .await;
    wait("the preference", async || receiver.values("user_preferences").len() == 1).await;
    let body = json!({"to": CUSTOMER, "type": "template", "template": {"name": "offer", "language": {"code": "en_US"}}});
    let (status, answer) = stage.send(&business, body).await;
    assert_eq!((status, &answer["messages"][0]["message_status"]), (200, &json!("accepted")));
    let failed = receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    assert_eq!(failed[0]["errors"][0]["code"], 131_050);
}
