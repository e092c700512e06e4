//! What becomes of a send, and that it leaves once.

use crate::support::{Meta, Raw, app, json, nobody, token};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use graph::{GraphApp, NotSentReason, SendOutcome, UnknownReason};
use meta::{MetaNumberId, OutboundMessage};
use rstest::rstest;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ACCEPTED: &str = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+351912000111","wa_id":"351912000111"}],"messages":[{"id":"wamid.HBgM"}]}"#;

async fn send(app: &GraphApp) -> SendOutcome {
    let body = serde_json::json!({"messaging_product":"whatsapp","to":"+351912000111","type":"text","text":{"body":"text-canary"}});
    let message = OutboundMessage::from_json(&body)
        .unwrap()
        .to_json(Some("message_01h455vb4pex5vsknk084sn02q"));
    app.send_message(&token(), &MetaNumberId::new("440099").unwrap(), &message).await
}

#[tokio::test]
async fn an_accepted_send_carries_token_proof_and_our_id() {
    let meta = Meta::saying(200, ACCEPTED).await;
    assert!(matches!(send(&app(&meta.base, |_| ())).await, SendOutcome::Accepted { .. }));
    let seen = meta.only();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v23.0/440099/messages"));
    assert_eq!(seen.authorization.as_deref(), Some("Bearer token-canary"));
    assert_eq!(seen.query, format!("appsecret_proof={}", proof()));
    assert!(seen.body_text().contains("message_01h455vb4pex5vsknk084sn02q"));
    assert!(
        seen.headers.get("traceparent").is_none() && seen.headers.get("tracestate").is_none(),
        "no trace context goes to Meta"
    );
}

fn proof() -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(crate::support::SECRET.as_bytes()).unwrap();
    mac.update(b"token-canary");
    hex::encode(mac.finalize().into_bytes())
}

#[rstest]
#[case::rate(429, r#"{"error":{"code":130429}}"#, "refused")]
#[case::rate_documented(400, r#"{"error":{"code":130429}}"#, "refused")]
#[case::token(401, r#"{"error":{"code":190,"error_subcode":463}}"#, "refused")]
#[case::maintenance(500, r#"{"error":{"code":131057}}"#, "refused")]
#[case::fault(500, r#"{"error":{"code":131000}}"#, "unknown")]
#[case::unlisted(400, r#"{"error":{"code":999999}}"#, "failed")]
#[case::proxy(502, "<html>bad gateway</html>", "unknown")]
#[case::nonsense(200, "ok", "unknown")]
#[tokio::test]
async fn an_answer_is_judged_by_its_code(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] expected: &str,
) {
    let meta = Meta::saying(status, body).await;
    assert_eq!(send(&app(&meta.base, |_| ())).await.label(), expected);
    assert_eq!(meta.seen().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let outcome = send(&app(&nobody().await, |_| ())).await;
    assert_eq!(outcome, SendOutcome::NotSent(NotSentReason::Connect));
    assert!(outcome.allows_another_post());
}

#[tokio::test]
async fn a_name_that_does_not_resolve_was_not_sent() {
    let outcome = send(&app("http://no-such-host.invalid", |_| ())).await;
    assert_eq!(outcome, SendOutcome::NotSent(NotSentReason::Connect));
}

#[rstest]
#[case::read_then_closed(true, b"")]
#[case::half_a_head(true, b"HTTP/1.1 200 OK\r\ncontent-le")]
#[case::half_a_body(true, b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"messages\":[")]
#[case::half_a_refusal(
    true,
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 500\r\n\r\n{\"error\":{\"code\":100}}"
)]
#[case::no_http(true, b"hello\r\n\r\n")]
#[case::closed_at_once(false, b"")]
#[tokio::test]
async fn a_lost_answer_is_unknown_and_is_not_asked_for_again(
    #[case] read: bool,
    #[case] answer: &'static [u8],
) {
    let raw = Raw::new(read, answer).await;
    let outcome = send(&app(&raw.base, |_| ())).await;
    assert_eq!(outcome, SendOutcome::Unknown(UnknownReason::Lost));
    assert!(!outcome.allows_another_post());
    assert_eq!(*raw.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn silence_is_unknown() {
    let raw = Raw::silent().await;
    let outcome = send(&app(&raw.base, |config| config.timeout_ms = 300)).await;
    assert_eq!(outcome, SendOutcome::Unknown(UnknownReason::Timeout));
    assert_eq!(*raw.connections.lock().unwrap(), 1);
}

#[rstest]
#[case(301)]
#[case(302)]
#[case(307)]
#[case(308)]
#[tokio::test]
async fn a_redirect_is_not_followed(#[case] status: u16) {
    let elsewhere = Meta::saying(200, ACCEPTED).await;
    let target = format!("{}/v23.0/440099/messages", elsewhere.base);
    let meta = Meta::answering(move |_| {
        (StatusCode::from_u16(status).unwrap(), [("location", target.clone())]).into_response()
    })
    .await;
    assert_eq!(
        send(&app(&meta.base, |_| ())).await,
        SendOutcome::Unknown(UnknownReason::Unreadable(status))
    );
    assert_eq!((meta.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn each_send_is_one_request_whatever_comes_back() {
    let turn = Arc::new(AtomicUsize::new(0));
    let meta = Meta::answering(move |_| match turn.fetch_add(1, Ordering::SeqCst) % 4 {
        0 => json(500, r#"{"error":{"code":2}}"#),
        1 => json(503, ""),
        2 => json(429, r#"{"error":{"code":131056}}"#),
        _ => json(200, ACCEPTED),
    })
    .await;
    let app = app(&meta.base, |_| ());
    for n in 1..=8 {
        send(&app).await;
        assert_eq!(meta.seen().len(), n);
    }
}

#[tokio::test]
async fn an_id_cannot_climb_out_of_its_place() {
    assert!(MetaNumberId::new("../../oauth").is_err());
    let meta = Meta::saying(200, "{}").await;
    app(&meta.base, |_| ()).get_node(&token(), "../me?x=", "id").await.unwrap();
    assert!(meta.only().path.starts_with("/v23.0/..%2Fme%3Fx="), "{}", meta.only().path);
}
