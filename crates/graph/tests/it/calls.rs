//! Management calls and files: what is asked, what is read, where tokens go.

use crate::support::{Meta, Raw, SECRET, app, app_of_version, json, nobody, token};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use graph::{Body, Error, Upload};
use kernel::secret::SecretString;
use meta::ids::MetaMediaId;
use meta::nodes::ProfileUpdate;
use meta::template::{Component, NewTemplate, TemplateCategory, TemplateStatus};
use meta::{MarkRead, MetaNumberId, MetaTemplateId, MetaWabaId, Wamid};
use rstest::rstest;

fn waba() -> MetaWabaId {
    MetaWabaId::new("102290129340398").unwrap()
}

fn number() -> MetaNumberId {
    MetaNumberId::new("440099").unwrap()
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_stands_in_no_address() {
    let meta = Meta::saying(
        200,
        r#"{"access_token":"EAA-new","token_type":"bearer","expires_in":5184000}"#,
    )
    .await;
    let exchanged = app(&meta.base, |_| ()).exchange_code("code-canary", None).await.unwrap();
    assert_eq!((exchanged.token.expose(), exchanged.expires_in), ("EAA-new", Some(5_184_000)));
    let seen = meta.only();
    assert_eq!(
        (seen.path.as_str(), seen.query.as_str(), seen.authorization.as_deref()),
        ("/v23.0/oauth/access_token", "", None)
    );
    assert_eq!(
        seen.body_text(),
        format!("client_id=634974688&client_secret={SECRET}&code=code-canary")
    );
    assert!(!format!("{exchanged:?}").contains("EAA"));
}

#[tokio::test]
async fn a_burnt_code_is_final() {
    let meta = Meta::saying(400, r#"{"error":{"code":100,"error_subcode":36009,"message":"This authorization code has been used."}}"#).await;
    let error = app(&meta.base, |_| ()).exchange_code("c", None).await.unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.graph_error().unwrap().subcode, Some(36_009));
}

#[tokio::test]
async fn a_token_is_looked_at_with_the_apps_own() {
    let meta = Meta::saying(200, r#"{"data":{"app_id":"634974688","type":"SYSTEM_USER","is_valid":true,"expires_at":0,"scopes":["whatsapp_business_management"],"granular_scopes":[{"scope":"whatsapp_business_management","target_ids":["102290129340398"]}]}}"#).await;
    let info = app(&meta.base, |_| ()).debug_token(&token()).await.unwrap();
    assert!(info.is_valid && info.reaches("whatsapp_business_management", &waba()));
    let seen = meta.only();
    assert_eq!(seen.authorization.as_deref(), Some(format!("Bearer 634974688|{SECRET}").as_str()));
    assert!(seen.query.starts_with("input_token=token-canary&appsecret_proof="));
}

#[rstest]
#[case("v23.0", false)]
#[case("v24.0", true)]
#[case("v26.0", true)]
#[tokio::test]
async fn the_limit_is_asked_for_where_the_version_has_it(
    #[case] version: &str,
    #[case] asked: bool,
) {
    let meta = Meta::saying(
        200,
        r#"{"id":"102290129340398","name":"Casa Rosa","currency":"EUR","timezone_id":"1"}"#,
    )
    .await;
    let read =
        app_of_version(&meta.base, version, |_| ()).get_waba(&token(), &waba()).await.unwrap();
    assert_eq!(read.currency.as_deref(), Some("EUR"));
    assert_eq!(meta.only().query.contains("messaging_limit"), asked);
}

#[tokio::test]
async fn a_list_is_read_to_its_end_by_cursors_alone() {
    let meta = Meta::answering(|seen| {
        if seen.query.contains("after=c1") {
            json(200, r#"{"data":[{"id":"2","display_phone_number":"+1 631-555-5556"}],"paging":{"cursors":{"before":"b","after":"c2"}}}"#)
        } else {
            json(200, r#"{"data":[{"id":"1","display_phone_number":"+1 631-555-5555"}],"paging":{"cursors":{"after":"c1"},"next":"http://203.0.113.1/?access_token=x"}}"#)
        }
    })
    .await;
    let numbers = app(&meta.base, |_| ()).list_phone_numbers(&token(), &waba()).await.unwrap();
    assert_eq!(numbers.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(meta.seen().len(), 2);
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends() {
    let meta = Meta::saying(
        200,
        r#"{"data":[{"id":"1"}],"paging":{"cursors":{"after":"same"},"next":"x"}}"#,
    )
    .await;
    assert_eq!(
        app(&meta.base, |_| ()).list_phone_numbers(&token(), &waba()).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn writes_ask_for_what_metas_documents_say() {
    let meta = Meta::saying(200, r#"{"success":true}"#).await;
    let app = app(&meta.base, |_| ());
    app.register(&token(), &number(), &SecretString::from("123456")).await.unwrap();
    app.deregister(&token(), &number()).await.unwrap();
    app.subscribe_app(&token(), &waba()).await.unwrap();
    app.unsubscribe_app(&token(), &waba()).await.unwrap();
    let profile = ProfileUpdate { about: Some("Open".into()), ..ProfileUpdate::default() };
    app.update_profile(&token(), &number(), &profile).await.unwrap();
    let mark = MarkRead { message_id: Wamid::new("wamid.x").unwrap(), typing_indicator: false };
    app.mark_read(&token(), &number(), &mark).await.unwrap();
    app.delete_template(&token(), &waba(), "welcome", Some(&MetaTemplateId::new("9").unwrap()))
        .await
        .unwrap();
    app.edit_template(
        &token(),
        &MetaTemplateId::new("9").unwrap(),
        None,
        Some(&[Component::body("Hello.")]),
    )
    .await
    .unwrap();
    app.delete_media(&token(), &MetaMediaId::new("5").unwrap()).await.unwrap();
    app.set_app_subscription(
        "https://bsp.example/webhooks/meta/634974688",
        &["messages", "account_update"],
    )
    .await
    .unwrap();
    let said: Vec<_> = meta
        .seen()
        .iter()
        .map(|seen| format!("{} {} {}", seen.method, seen.path, seen.body_text()))
        .collect();
    assert_eq!(
        said,
        [
            r#"POST /v23.0/440099/register {"messaging_product":"whatsapp","pin":"123456"}"#,
            "POST /v23.0/440099/deregister {}",
            "POST /v23.0/102290129340398/subscribed_apps {}",
            "DELETE /v23.0/102290129340398/subscribed_apps ",
            r#"POST /v23.0/440099/whatsapp_business_profile {"about":"Open","messaging_product":"whatsapp"}"#,
            r#"POST /v23.0/440099/messages {"message_id":"wamid.x","messaging_product":"whatsapp","status":"read"}"#,
            "DELETE /v23.0/102290129340398/message_templates ",
            r#"POST /v23.0/9 {"components":[{"text":"Hello.","type":"BODY"}]}"#,
            "DELETE /v23.0/5 ",
            "POST /v23.0/634974688/subscriptions object=whatsapp_business_account&callback_url=https%3A%2F%2Fbsp.example%2Fwebhooks%2Fmeta%2F634974688&verify_token=verify-canary&fields=messages%2Caccount_update&include_values=true",
        ]
    );
    assert!(meta.seen()[6].query.starts_with("name=welcome&hsm_id=9&"));
}

#[tokio::test]
async fn a_success_that_is_none_is_an_error() {
    let meta = Meta::saying(200, r#"{"success":false}"#).await;
    assert!(matches!(
        app(&meta.base, |_| ()).deregister(&token(), &number()).await,
        Err(Error::Decode { .. })
    ));
}

#[tokio::test]
async fn a_new_template_may_come_back_under_another_category() {
    let meta =
        Meta::saying(200, r#"{"id":"594425479261596","status":"PENDING","category":"MARKETING"}"#)
            .await;
    let template = NewTemplate {
        name: "n".into(),
        language: "en".into(),
        category: TemplateCategory::Utility,
        components: vec![Component::body("Hello.")],
        ..NewTemplate::default()
    };
    let created =
        app(&meta.base, |_| ()).create_template(&token(), &waba(), &template).await.unwrap();
    assert_eq!(
        (created.status, created.category),
        (TemplateStatus::Pending, TemplateCategory::Marketing)
    );
}

#[tokio::test]
async fn a_template_is_found_by_its_exact_name_and_language() {
    let meta = Meta::saying(200, r#"{"data":[{"id":"1","name":"welcome_back","language":"en"},{"id":"2","name":"welcome","language":"de"},{"id":"3","name":"welcome","language":"en"}]}"#).await;
    let app = app(&meta.base, |_| ());
    assert_eq!(
        app.find_template(&token(), &waba(), "welcome", "en").await.unwrap().unwrap().id.as_str(),
        "3"
    );
    assert!(app.find_template(&token(), &waba(), "welcome", "fr").await.unwrap().is_none());
}

#[rstest]
#[case::not_found(400, r#"{"error":{"code":100,"error_subcode":33}}"#, false)]
#[case::budget(400, r#"{"error":{"code":80008}}"#, true)]
#[case::fault(500, r#"{"error":{"code":2}}"#, true)]
#[case::token(401, r#"{"error":{"code":190}}"#, false)]
#[case::unlisted_transient(400, r#"{"error":{"code":999999,"is_transient":true}}"#, true)]
#[case::unlisted(400, r#"{"error":{"code":999999}}"#, false)]
#[case::unlisted_500(500, r#"{"error":{"code":999999}}"#, true)]
#[case::proxy(502, "<html>", true)]
#[case::nonsense(200, "<html>", false)]
#[tokio::test]
async fn an_error_says_whether_to_try_again(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] retryable: bool,
) {
    let meta = Meta::saying(status, body).await;
    let error = app(&meta.base, |_| ()).get_waba(&token(), &waba()).await.unwrap_err();
    assert_eq!(error.is_retryable(), retryable, "{error}");
    assert_eq!(meta.seen().len(), 1);
}

#[tokio::test]
async fn what_did_not_reach_meta_is_told_from_what_may_have() {
    let gone = app(&nobody().await, |_| ()).get_waba(&token(), &waba()).await.unwrap_err();
    assert!(matches!(gone, Error::NotSent { .. }) && gone.left_no_trace() && gone.is_retryable());
    let raw = Raw::new(true, b"").await;
    let lost = app(&raw.base, |_| ()).get_waba(&token(), &waba()).await.unwrap_err();
    assert!(
        matches!(lost, Error::Transport { .. }) && !lost.left_no_trace() && lost.is_retryable()
    );
}

#[tokio::test]
async fn no_error_shows_a_token_or_an_address() {
    let raw = Raw::new(true, b"").await;
    let error = app(&raw.base, |_| ()).debug_token(&token()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let shown = format!("{error} {error:?} {source} {source:?}");
    assert!(!shown.contains("canary") && !shown.contains("debug_token?"), "{shown}");
}

#[tokio::test]
async fn budgets_are_remembered_from_the_headers() {
    let meta = Meta::answering(|_| {
        (
            [("x-app-usage", r#"{"call_count":12}"#), ("x-business-use-case-usage", r#"{"102290129340398":[{"call_count":80,"estimated_time_to_regain_access":0}]}"#)],
            r#"{"id":"102290129340398"}"#,
        )
            .into_response()
    })
    .await;
    let app = app(&meta.base, |_| ());
    app.get_waba(&token(), &waba()).await.unwrap();
    assert_eq!(app.app_budget().unwrap().percent, 12);
    assert!(app.budget("102290129340398").unwrap().is_high());
}

#[tokio::test]
async fn a_file_goes_up_as_multipart() {
    let meta = Meta::saying(200, r#"{"id":"7720013944"}"#).await;
    let file = Upload {
        body: Body::from("bytes-of-a-picture"),
        length: Some(18),
        mime_type: "image/png".into(),
        file_name: "a.png".into(),
    };
    assert_eq!(
        app(&meta.base, |_| ()).upload_media(&token(), &number(), file).await.unwrap().as_str(),
        "7720013944"
    );
    let seen = meta.only();
    let body = seen.body_text();
    assert_eq!(seen.path, "/v23.0/440099/media");
    for part in [
        "name=\"messaging_product\"",
        "name=\"type\"",
        "name=\"file\"; filename=\"a.png\"",
        "Content-Type: image/png",
        "bytes-of-a-picture",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_file_comes_down_from_the_graph_host_in_pieces() {
    let meta =
        Meta::answering(|_| ([("content-type", "image/png")], vec![7_u8; 100_000]).into_response())
            .await;
    let app = app(&meta.base, |_| ());
    let mut download = app
        .download_media(&token(), &format!("{}/media/5?hash=x", meta.base), 200_000)
        .await
        .unwrap();
    assert_eq!(
        (download.content_type(), download.content_length()),
        (Some("image/png"), Some(100_000))
    );
    let mut got = 0;
    while let Some(chunk) = download.chunk().await.unwrap() {
        got += chunk.len();
    }
    assert_eq!(got, 100_000);
    assert_eq!(meta.only().authorization.as_deref(), Some("Bearer token-canary"));
    assert!(matches!(
        app.download_media(&token(), &format!("{}/media/5", meta.base), 99_999).await,
        Err(Error::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_token_is_never_sent_to_another_host() {
    let attacker = Meta::saying(200, "bytes").await;
    let meta = Meta::saying(200, "{}").await;
    let app = app(&meta.base, |config| config.media_hosts.push("127.0.0.1".into()));
    let port = attacker.base.rsplit(':').next().unwrap();
    for address in [
        format!("{}/x", attacker.base),
        format!("http://localhost:{port}/x"),
        format!("{}@127.0.0.1:{port}/x", meta.base),
        "https://lookaside.fbsbx.com.evil.example/x".to_owned(),
        "http://lookaside.fbsbx.com/x".to_owned(),
        "https://lookaside.fbsbx.com:8443/x".to_owned(),
        "https://user:pass@lookaside.fbsbx.com/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert!(
            matches!(
                app.download_media(&token(), &address, 10).await,
                Err(Error::HostNotAllowed { .. })
            ),
            "{address}"
        );
    }
    assert!(attacker.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_of_a_file_is_not_followed() {
    let attacker = Meta::saying(200, "bytes").await;
    let target = attacker.base.clone();
    let meta = Meta::answering(move |_| {
        (StatusCode::FOUND, [("location", target.clone())]).into_response()
    })
    .await;
    assert!(matches!(
        app(&meta.base, |_| ()).download_media(&token(), &format!("{}/m", meta.base), 10).await,
        Err(Error::Decode { status: 302, .. })
    ));
    assert!(attacker.seen().is_empty());
}

#[tokio::test]
async fn an_expired_file_is_not_found() {
    let meta = Meta::saying(404, r#"{"error":{"code":100,"error_subcode":33}}"#).await;
    assert!(
        app(&meta.base, |_| ())
            .download_media(&token(), &format!("{}/m", meta.base), 10)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn a_sample_goes_up_in_two_steps_and_keeps_its_signature() {
    let meta = Meta::answering(|seen| {
        if seen.path.ends_with("/uploads") {
            json(200, r#"{"id":"upload:MTph?sig=ARZq"}"#)
        } else {
            json(200, r#"{"h":"4::aW1h"}"#)
        }
    })
    .await;
    let handle = app(&meta.base, |_| ())
        .upload_handle(&token(), "a.png", "image/png", bytes::Bytes::from_static(b"png"))
        .await
        .unwrap();
    assert_eq!(handle, "4::aW1h");
    let seen = meta.seen();
    assert_eq!(seen[0].path, "/v23.0/634974688/uploads");
    assert_eq!((seen[1].path.as_str(), seen[1].query.as_str()), ("/v23.0/upload:MTph", "sig=ARZq"));
    assert_eq!(seen[1].authorization.as_deref(), Some("OAuth token-canary"));
    assert_eq!(seen[1].headers.get("file_offset").unwrap(), "0");
}

#[tokio::test]
async fn an_app_that_is_not_configured_is_an_error() {
    let graph =
        graph::Graph::new(graph::GraphConfig::default(), &meta::MetaApps::default()).unwrap();
    assert!(matches!(graph.app("1"), Err(Error::UnknownApp(_))));
}

#[tokio::test]
async fn an_answer_tells_which_version_served_it_and_when() {
    let headers = [("facebook-api-version", "v24.0"), ("date", "Mon, 23 Nov 2026 09:30:00 GMT")];
    let meta = Meta::answering(move |_| (headers, "{}").into_response()).await;
    let served = app(&meta.base, |_| ()).served().await.unwrap();
    assert_eq!(served.version.as_deref(), Some("v24.0"));
    assert_eq!(served.date.as_deref(), Some("Mon, 23 Nov 2026 09:30:00 GMT"));
}
