//! The hosted page and its callback.

use ::http::StatusCode;
use proto::onboarding::v1 as onboarding;
use serde_json::json;
use server::StatusBuilder;
use tonic::Code;

use super::support::{Gateway, PUBLIC_URL};

fn with_invitation(gateway: &Gateway, dialog: &'static str) {
    gateway.fakes.on(
        "InvitationService/BeginSignup",
        move |request: onboarding::BeginSignupRequest| {
            if request.token != "secret-link" {
                let status = StatusBuilder::new(
                    Code::NotFound,
                    "INVITATION_NOT_FOUND",
                    "ask for a new link",
                );
                return Err(status.build());
            }
            let browser = if request.browser.is_empty() {
                "fresh-browser".to_owned()
            } else {
                request.browser
            };
            Ok(onboarding::BeginSignupResponse {
                state: "state-1".into(),
                browser,
                meta_app_id: "4711".into(),
                config_id: "815".into(),
                graph_version: "v23.0".into(),
                dialog_url: dialog.into(),
                tenant_name: "Bakery <script>alert(1)</script>".into(),
            })
        },
    );
    gateway.fakes.on(
        "InvitationService/CompleteSignup",
        |request: onboarding::CompleteSignupRequest| {
            let seen = (
                request.token.as_str(),
                request.browser.as_str(),
                request.state.as_str(),
                request.code.as_str(),
            );
            assert_eq!(seen, ("secret-link", "fresh-browser", "state-1", "code-1"));
            assert_eq!(
                (request.waba_meta_id.as_str(), request.phone_number_meta_id.as_str()),
                ("10", "")
            );
            let onboarding = onboarding::Onboarding {
                id: "onboarding_1".into(),
                state: onboarding::OnboardingState::NeedsAttention.into(),
                ..Default::default()
            };
            Ok(onboarding::CompleteSignupResponse { onboarding: Some(onboarding) })
        },
    );
}

const META: &str = "https://www.facebook.com/v23.0/dialog/oauth?client_id=4711";
const SANDBOX: &str = "http://127.0.0.1:8090/v23.0/dialog/oauth?client_id=4711&state=state-1";

#[tokio::test]
async fn a_program_walks_the_signup_without_a_page() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, SANDBOX);
    let opened = gateway.get("/onboarding/secret-link", &[("accept", "application/json")]).await;
    assert_eq!(opened.status, StatusCode::OK, "{opened:?}");
    let shown = opened.json();
    assert_eq!(shown["state"], "state-1");
    assert_eq!(shown["app_id"], "4711");
    assert_eq!(shown["config_id"], "815");
    assert_eq!(shown["graph_version"], "v23.0");
    assert_eq!(shown["dialog_url"], SANDBOX);
    let cookie = opened.cookies()[0].split(';').next().unwrap().to_owned();
    assert_eq!(cookie, "sb_onboarding=fresh-browser");
    let told = json!({ "state": "state-1", "code": "code-1", "waba_id": "10" });
    let done =
        gateway.post("/onboarding/secret-link/callback", &[("cookie", &cookie)], &told).await;
    assert_eq!(
        done.json(),
        json!({ "onboarding_id": "onboarding_1", "state": "NEEDS_ATTENTION" }),
        "{done:?}"
    );
}

#[tokio::test]
async fn the_page_loads_metas_sdk_under_a_policy_of_its_own() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, META);
    let page = gateway.get("/onboarding/secret-link", &[("accept", "text/html")]).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self' https://connect.facebook.net;"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin-allow-popups");
    assert!(
        page.text.contains("data-meta=\"yes\"") && page.text.contains("data-config-id=\"815\"")
    );
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    assert_eq!(page.text.matches("<script").count(), 1);
}

#[tokio::test]
async fn the_sandboxs_dialog_is_a_plain_link() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, SANDBOX);
    let page = gateway.get("/onboarding/secret-link", &[("accept", "text/html")]).await;
    assert!(page.text.contains("data-meta=\"no\""));
    assert!(
        page.text.contains(
            "href=\"http://127.0.0.1:8090/v23.0/dialog/oauth?client_id=4711&#38;state=state-1\""
        ),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_dialog_that_comes_back_by_redirect_keeps_its_state() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, SANDBOX);
    let path = "/onboarding/secret-link?code=code-1&state=state-1";
    let page = gateway.get(path, &[("accept", "text/html")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("code-1"), "the code is the script's to read");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn a_dead_link_is_told_in_the_callers_language() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, META);
    let program = gateway.get("/onboarding/other", &[]).await;
    assert_eq!(program.status, StatusCode::NOT_FOUND);
    assert_eq!(program.json()["error"]["code"], "INVITATION_NOT_FOUND");
    let browser = gateway.get("/onboarding/other", &[("accept", "text/html")]).await;
    assert_eq!(browser.status, StatusCode::NOT_FOUND);
    assert!(browser.text.contains("ask for a new link"), "{}", browser.text);
    gateway.fakes.heard();
    let nonsense = gateway.get("/onboarding/..%2F..%00", &[]).await;
    assert_eq!(nonsense.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn another_sites_page_completes_nothing() {
    let gateway = Gateway::start().await;
    with_invitation(&gateway, META);
    let told = json!({ "state": "state-1", "code": "code-1" });
    let headers = [("origin", "https://evil.test"), ("cookie", "sb_onboarding=fresh-browser")];
    let answer = gateway.post("/onboarding/secret-link/callback", &headers, &told).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
    let own = [("origin", PUBLIC_URL), ("cookie", "sb_onboarding=fresh-browser")];
    let told = json!({ "state": "state-1", "code": "code-1", "waba_id": "10" });
    let answer = gateway.post("/onboarding/secret-link/callback", &own, &told).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_refused_signup_says_why_in_json() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("InvitationService/CompleteSignup", |_: onboarding::CompleteSignupRequest| {
        let status = StatusBuilder::new(
            Code::FailedPrecondition,
            "SIGNUP_STATE_USED",
            "open the dialog again",
        );
        Err::<onboarding::CompleteSignupResponse, _>(status.build())
    });
    let told = json!({ "state": "used", "code": "code-1" });
    let answer = gateway.post("/onboarding/secret-link/callback", &[], &told).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("SIGNUP_STATE_USED"), &json!("open the dialog again"))
    );
    assert_eq!(error["request_id"], answer.header("x-request-id"));
}
