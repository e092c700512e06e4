//! The Cloud API edge: what an unmodified client sends, and what comes back in Meta's words.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, StatusCode};
use proto::messaging::v1 as pb;
use rstest::rstest;
use serde_json::{Value, json};
use server::StatusBuilder;
use tonic::Code;

use crate::support::{Answer, Gateway};

const NUMBER: &str = "106540352242922";
const EDGE_ID: &str = "wamid.HBgMMzUxOTEyMDAwMTExFQIAERgSNEExRkM3RDIzMEI5OEU2NjBDAA==";

/// A gateway whose messaging takes every message of the number, and what it was asked.
async fn taking() -> (Gateway, Arc<Mutex<Vec<pb::SendMessageRequest>>>) {
    let gateway = Gateway::start().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    gateway.fakes.on("MessageService/SendMessage", move |request: pb::SendMessageRequest| {
        if request.number_id != NUMBER {
            return Err(StatusBuilder::new(Code::NotFound, "NUMBER_NOT_FOUND", "no").build());
        }
        let body: Value = serde_json::from_str(&request.body_json).unwrap_or_default();
        let message = pb::Message {
            edge_id: EDGE_ID.to_owned(),
            counterpart: if request.to.contains('.') { &request.to } else { "351912000111" }
                .to_owned(),
            r#type: body["type"].as_str().unwrap_or_default().to_owned(),
            ..Default::default()
        };
        heard.lock().unwrap().push(request);
        Ok(pb::SendMessageResponse { message: Some(message) })
    });
    (gateway, asked)
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Answer {
    let token = format!("Bearer {}", gateway.token());
    gateway.post(path, &[("authorization", &token)], body).await
}

fn text() -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+351 912 000 111",
        "type": "text", "text": { "body": "Olá", "preview_url": null },
        "context": { "message_id": "wamid.X" }, "biz_opaque_callback_data": "mine",
    })
}

#[rstest]
#[case("/v23.0/106540352242922/messages")]
#[case("/v13.0/106540352242922/messages/")]
#[case("/106540352242922/messages")]
#[tokio::test]
async fn a_message_is_taken_under_any_version_and_answered_as_meta_does(#[case] path: &str) {
    let (gateway, asked) = taking().await;
    let answer = post(&gateway, path, &text()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({
            "messaging_product": "whatsapp",
            "contacts": [{ "input": "+351 912 000 111", "wa_id": "351912000111" }],
            "messages": [{ "id": EDGE_ID }],
        })
    );
    assert!(answer.header("facebook-api-version").starts_with('v'));
    let asked = asked.lock().unwrap();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(request.origin(), pb::Origin::Edge);
    assert_eq!((request.to.as_str(), request.callback_data.as_str()), ("+351 912 000 111", "mine"));
    assert_eq!(request.context_message_id, "wamid.X");
    let body: Value = serde_json::from_str(&request.body_json).unwrap();
    assert_eq!(body, json!({ "type": "text", "text": { "body": "Olá" } }));
}

#[tokio::test]
async fn a_template_to_a_bsuid_is_answered_with_its_status_and_without_a_number() {
    let (gateway, _) = taking().await;
    let body = json!({
        "messaging_product": "whatsapp", "recipient": "US.13491208655302741918", "type": "template",
        "template": { "name": "welcome", "language": { "code": "en_US" } },
    });
    let answer = post(&gateway, "/v23.0/106540352242922/messages", &body).await.json();
    let contact =
        json!({ "input": "US.13491208655302741918", "user_id": "US.13491208655302741918" });
    assert_eq!(answer["contacts"], json!([contact]));
    assert_eq!(answer["messages"][0]["message_status"], "accepted");
}

#[tokio::test]
async fn a_form_with_the_token_in_the_query_says_the_same() {
    let (gateway, asked) = taking().await;
    let path = format!("/v23.0/{NUMBER}/messages?access_token={}", gateway.token());
    let form =
        "messaging_product=whatsapp&to=351912000111&type=text&text=%7B%22body%22%3A%22x%22%7D";
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form));
    let answer = gateway.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let asked = asked.lock().unwrap();
    let body: Value = serde_json::from_str(&asked[0].body_json).unwrap();
    assert_eq!(body, json!({ "type": "text", "text": { "body": "x" } }));
}

#[tokio::test]
async fn the_idempotency_key_goes_with_the_message() {
    let (gateway, asked) = taking().await;
    let token = format!("Bearer {}", gateway.token());
    let path = format!("/v23.0/{NUMBER}/messages");
    let headers = [("authorization", token.as_str()), ("idempotency-key", "order-7")];
    assert_eq!(gateway.post(&path, &headers, &text()).await.status, StatusCode::OK);
    assert_eq!(asked.lock().unwrap()[0].idempotency_key, "order-7");
    let headers = [("authorization", token.as_str()), ("idempotency-key", " ")];
    let refused = gateway.post(&path, &headers, &text()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("Idempotency-Key"));
}

#[tokio::test]
async fn another_ones_number_is_an_unknown_object_whatever_else_is_wrong() {
    let (gateway, _) = taking().await;
    let unknown = post(&gateway, "/v23.0/1/messages", &text()).await;
    let wrong = post(&gateway, "/v23.0/1/messages", &json!({})).await;
    for answer in [unknown, wrong] {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["error_subcode"]), (&json!(100), &json!(33)));
        assert_eq!(error["type"], "GraphMethodException");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("Unsupported post request. Object with ID '1'")
        );
        assert_eq!(error["fbtrace_id"], answer.header("x-fb-trace-id"));
    }
}

#[rstest]
#[case::product(json!({ "to": "1", "text": { "body": "x" } }), "The parameter messaging_product is required.")]
#[case::to(json!({ "messaging_product": "whatsapp", "text": { "body": "x" } }), "The parameter to is required.")]
#[case::group(json!({ "messaging_product": "whatsapp", "to": "1", "recipient_type": "group" }), "recipient_type")]
#[case::read(json!({ "messaging_product": "whatsapp", "status": "read" }), "The parameter message_id is required.")]
#[case::status(json!({ "messaging_product": "whatsapp", "status": "seen", "message_id": "w" }), "status")]
#[tokio::test]
async fn a_parameter_that_is_wrong_is_named(#[case] body: Value, #[case] told: &str) {
    let (gateway, _) = taking().await;
    let answer = post(&gateway, &format!("/v23.0/{NUMBER}/messages"), &body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let error = &answer.json()["error"];
    assert_eq!(error["code"], 100);
    assert!(error["message"].as_str().unwrap().contains(told), "{error}");
}

#[tokio::test]
async fn a_mark_as_read_with_typing_is_passed_on() {
    let gateway = Gateway::start().await;
    let heard = Arc::new(Mutex::new(None));
    let hears = Arc::clone(&heard);
    gateway.fakes.on("MessageService/MarkRead", move |request: pb::MarkReadRequest| {
        *hears.lock().unwrap() = Some(request);
        Ok(pb::MarkReadResponse {})
    });
    let body = json!({
        "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN",
        "typing_indicator": { "type": "text" },
    });
    let answer = post(&gateway, &format!("/v23.0/{NUMBER}/messages"), &body).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "success": true })));
    let asked = heard.lock().unwrap().clone().unwrap();
    let wanted = pb::MarkReadRequest {
        message_id: "wamid.IN".into(),
        typing: true,
        number_id: NUMBER.into(),
    };
    assert_eq!(asked, wanted);
}

#[rstest]
#[case::none(None, 104)]
#[case::bad(Some("Bearer EAAG-of-somebody"), 190)]
#[case::bad_key(Some("Bearer sb_live_nonsense"), 190)]
#[tokio::test]
async fn who_has_no_good_token_is_told_so_before_anything_else(
    #[case] token: Option<&str>,
    #[case] code: i64,
) {
    let (gateway, asked) = taking().await;
    let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
    let answer = gateway.post("/v23.0/1/messages", &headers, &json!("nonsense")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["error"]["code"], code);
    assert!(answer.header("www-authenticate").starts_with("OAuth"));
    assert!(asked.lock().unwrap().is_empty());
}

#[rstest]
#[case("GET", "/v23.0/106540352242922/messages", 100, 400)]
#[case("POST", "/v23.0/106540352242922/nonsense", 2500, 400)]
#[case("PUT", "/v23.0/106540352242922/messages", 3, 405)]
#[tokio::test]
async fn what_no_object_can_do_is_refused_in_metas_words(
    #[case] method: &str,
    #[case] path: &str,
    #[case] code: i64,
    #[case] status: u16,
) {
    let (gateway, _) = taking().await;
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {}", gateway.token()));
    let answer = gateway.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], code);
}

#[rstest]
#[case("131047", 131_047, "(#131047) ")]
#[case("132001", 132_001, "(#132001) ")]
#[tokio::test]
async fn a_refusal_of_policy_has_metas_code(
    #[case] meta: &'static str,
    #[case] code: i64,
    #[case] starts: &str,
) {
    let gateway = Gateway::start().await;
    gateway.fakes.on("MessageService/SendMessage", move |_: pb::SendMessageRequest| {
        let refusal = StatusBuilder::new(Code::FailedPrecondition, "WINDOW_CLOSED", "the reason");
        Err::<pb::SendMessageResponse, _>(refusal.metadata("meta_code", meta).build())
    });
    let answer = post(&gateway, &format!("/v23.0/{NUMBER}/messages"), &text()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code);
    assert!(error["message"].as_str().unwrap().starts_with(starts), "{error}");
    let data = json!({ "messaging_product": "whatsapp", "details": "the reason" });
    assert_eq!(error["error_data"], data);
}
