//! The ledger is on disk before the answer, whatever happens to the answer.

use serde_json::{Value, json};

use crate::support::{receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";

#[tokio::test]
async fn a_send_whose_answer_was_dropped_stands_in_the_ledger_and_goes_on() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let fault = json!({"operation": "messages", "app_id": business.app.id, "action": {"drop_answer": true}, "times": 1});
    stage.control("POST", "/faults", fault).await;
    let url = stage.url(&format!("/v23.0/{}/messages", business.number));
    let body = json!({"messaging_product": "whatsapp", "to": CUSTOMER, "text": {"body": "x"}, "biz_opaque_callback_data": "lost"});
    let sent = stage.http.post(&url).bearer_auth(&business.token).json(&body).send().await;
    assert!(sent.is_err(), "the connection closes without an answer");
    let lines = stage.ledger(&business.app.id).await;
    assert_eq!(lines.len(), 1, "and nobody sent it twice");
    let line = &lines[0];
    assert_eq!((&line["answer_dropped"], &line["http_status"]), (&json!(true), &json!(200)));
    assert_eq!(line["biz_opaque_callback_data"], "lost");
    receiver.wait_statuses(line["wamid"].as_str().unwrap(), &["sent", "delivered"]).await;
}

#[tokio::test]
async fn each_line_has_exactly_the_agreed_columns_also_when_the_send_was_refused() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let (_, answer) = stage.text(&business, CUSTOMER, "a").await;
    stage.send(&business, json!({"to": CUSTOMER, "type": "text"})).await;
    let read =
        json!({"status": "read", "message_id": stage.writes(&business, CUSTOMER, "?").await});
    assert_eq!(stage.send(&business, read).await, (200, json!({"success": true})));
    let lines = stage.ledger(&business.app.id).await;
    assert_eq!(lines.len(), 2, "a read receipt is no send");
    let mut columns: Vec<_> = lines[0].as_object().unwrap().keys().cloned().collect();
    columns.sort();
    assert_eq!(
        columns,
        [
            "answer_dropped",
            "app_id",
            "biz_opaque_callback_data",
            "error_code",
            "http_status",
            "phone_number_id",
            "received_at",
            "seq",
            "to",
            "type",
            "waba_id",
            "wamid"
        ]
    );
    assert_eq!(lines[0]["wamid"], wamid(&answer));
    assert_eq!(
        (&lines[1]["http_status"], &lines[1]["error_code"], &lines[1]["wamid"]),
        (&json!(400), &json!(100), &Value::Null)
    );
}

#[tokio::test]
async fn faults_strike_as_often_as_asked_and_only_where_they_were_planted() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let other = stage.join(business.app.clone(), "Livros").await;
    for business in [&business, &other] {
        stage.writes(business, CUSTOMER, "Olá").await;
    }
    let error = json!({"code": 131_000, "details": "planted"});
    let fault = json!({"operation": "messages", "phone_number_id": business.number, "action": {"error": error}, "times": 2});
    stage.control("POST", "/faults", fault).await;
    assert_eq!(stage.text(&other, CUSTOMER, "x").await.0, 200);
    for _ in 0..2 {
        let (status, body) = stage.text(&business, CUSTOMER, "x").await;
        assert_eq!((status, &body["error"]["code"]), (500, &json!(131_000)));
    }
    assert_eq!(stage.text(&business, CUSTOMER, "x").await.0, 200);

    let standing =
        json!({"operation": "any", "app_id": business.app.id, "action": {"http_status": 503}});
    let id = stage.control("POST", "/faults", standing).await["id"].as_str().unwrap().to_owned();
    let (status, body) =
        stage.graph("GET", &format!("/{}", business.waba), &business.token, Value::Null).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!(2)));
    stage.control("DELETE", &format!("/faults/{id}"), Value::Null).await;
    assert_eq!(
        stage.graph("GET", &format!("/{}", business.waba), &business.token, Value::Null).await.0,
        200
    );
}

#[tokio::test]
async fn an_error_may_come_after_the_answer_and_a_webhook_before_it() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let fault =
        json!({"operation": "messages", "action": {"async_error": {"code": 131_049}}, "times": 1});
    stage.control("POST", "/faults", fault).await;
    let (status, answer) = stage.text(&business, CUSTOMER, "x").await;
    assert_eq!(status, 200);
    let failed = receiver.wait_statuses(&wamid(&answer), &["failed"]).await;
    assert_eq!(failed[0]["errors"][0]["code"], 131_049);

    stage
        .control(
            "POST",
            "/faults",
            json!({"operation": "messages", "action": {"webhook_first": true}, "times": 1}),
        )
        .await;
    let (_, answer) = stage.text(&business, CUSTOMER, "x").await;
    assert!(receiver.status_names(&wamid(&answer)).contains(&"sent".to_owned()));

    let twice = json!({"operation": "messages", "action": {"duplicate_webhooks": 1}, "times": 1});
    stage.control("POST", "/faults", twice).await;
    let (_, answer) = stage.text(&business, CUSTOMER, "x").await;
    receiver.wait_statuses(&wamid(&answer), &["sent", "sent", "delivered", "delivered"]).await;
}

#[tokio::test]
async fn a_few_hundred_sends_a_second_are_no_strain() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage
        .control(
            "POST",
            &format!("/numbers/{}/throughput", business.number),
            json!({"mps": 100_000}),
        )
        .await;
    stage.control("PUT", "/settings", json!({"enforce_window": false})).await;
    let started = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let url = stage.url(&format!("/v23.0/{}/messages", business.number));
    for worker in 0..20_u64 {
        let (http, url, token) = (stage.http.clone(), url.clone(), business.token.clone());
        tasks.spawn(async move {
            for n in 0..25_u64 {
                let to = format!("351912{:06}", worker * 100 + n);
                let body =
                    json!({"messaging_product": "whatsapp", "to": to, "text": {"body": "x"}});
                let answer = http.post(&url).bearer_auth(&token).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let rate = 500.0 / started.elapsed().as_secs_f64();
    println!("{rate:.0} sends a second");
    assert!(rate > 100.0, "{rate:.0} sends a second");
    assert_eq!(stage.ledger(&business.app.id).await.len(), 500);
    wait("all delivered", async || {
        let rows = stage.control("GET", "/messages?limit=1000", Value::Null).await;
        let rows = rows["data"].as_array().unwrap();
        rows.len() == 500 && rows.iter().all(|row| row["status"] == "delivered")
    })
    .await;
}
