//! Tokens at the edge: bearers, keys, sign-in, cookies and RFC 6749.

use ::auth::{ApiKey, Environment, Revocation};
use ::http::{Request, StatusCode};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::ids::SystemIds;
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use proto::identity::v1 as identity;
use rstest::rstest;
use serde_json::{Value, json};
use server::StatusBuilder;
use std::time::Duration;
use tonic::Code;

use super::support::{Answer, Gateway, KEY, PUBLIC_URL};

fn api_key() -> String {
    ApiKey::generate(Environment::Sandbox, &SystemIds::new()).text().expose_secret().to_owned()
}

/// Identity exchanges any key.
fn with_exchange(gateway: &Gateway) {
    let token = gateway.token_of_key();
    gateway.fakes.on("SessionService/ExchangeApiKey", move |_: identity::ExchangeApiKeyRequest| {
        Ok(identity::ExchangeApiKeyResponse { access_token: token.clone(), expires_in_s: 600 })
    });
}

fn refusing(gateway: &Gateway) {
    gateway.fakes.on("SessionService/ExchangeApiKey", |_: identity::ExchangeApiKeyRequest| {
        let status = StatusBuilder::new(
            Code::Unauthenticated,
            "API_KEY_INVALID",
            "the API key is not valid",
        );
        Err::<identity::ExchangeApiKeyResponse, _>(status.build())
    });
}

fn session() -> identity::SessionTokens {
    let membership = identity::Membership {
        id: "membership_1".into(),
        tenant_id: "tenant_1".into(),
        role: "tenant.owner".into(),
        ..Default::default()
    };
    identity::SessionTokens {
        access_token: "access".into(),
        expires_in_s: 600,
        refresh_token: "refresh-secret".into(),
        refresh_expires_in_s: 43_200,
        memberships: vec![membership.clone()],
        current: Some(membership),
        device_token: "device".into(),
    }
}

fn with_sessions(gateway: &Gateway) {
    gateway.fakes.on("SessionService/SignIn", |_: identity::SignInRequest| {
        Ok(identity::SignInResponse { tokens: Some(session()) })
    });
    gateway.fakes.on("SessionService/Refresh", |request: identity::RefreshRequest| {
        if request.refresh_token == "refresh-secret" {
            Ok(identity::RefreshResponse { tokens: Some(session()) })
        } else {
            let status =
                StatusBuilder::new(Code::Unauthenticated, "REFRESH_REUSED", "sign in again");
            Err(status.build())
        }
    });
    gateway.fakes.on("SessionService/SignOut", |_: identity::SignOutRequest| {
        Ok(identity::SignOutResponse {})
    });
}

#[tokio::test]
async fn a_key_is_exchanged_once_a_minute_and_not_per_request() {
    let gateway = Gateway::start().await;
    with_exchange(&gateway);
    let key = api_key();
    let ask = gateway.graphql_raw(&key, "{ __typename }", json!({}));
    let others = (0..8).map(|_| gateway.graphql_raw(&key, "{ __typename }", json!({})));
    let (first, rest) = futures::join!(ask, futures::future::join_all(others));
    assert!(rest.iter().chain([&first]).all(|answer| answer.status == StatusCode::OK));
    assert_eq!(gateway.fakes.methods(), ["SessionService/ExchangeApiKey"]);
    let another = api_key();
    gateway.graphql_raw(&another, "{ __typename }", json!({})).await;
    assert_eq!(gateway.fakes.methods(), ["SessionService/ExchangeApiKey"]);
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_was_kept() {
    let gateway = Gateway::start().await;
    with_exchange(&gateway);
    let key = api_key();
    assert_eq!(gateway.graphql_raw(&key, "{ __typename }", json!({})).await.status, StatusCode::OK);
    refusing(&gateway);
    gateway.revoke(Revocation::Key(KEY.uuid(), Timestamp::MAX));
    gateway.until_refused(&key).await;
}

#[tokio::test]
async fn a_key_with_a_typing_error_costs_identity_nothing() {
    let gateway = Gateway::start().await;
    let answer = gateway.graphql_raw("sb_test_nonsense", "{ __typename }", json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["errors"][0]["extensions"]["reason"], "API_KEY_INVALID");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn identity_away_is_not_a_bad_key() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("SessionService/ExchangeApiKey", |_: identity::ExchangeApiKeyRequest| {
        Err::<identity::ExchangeApiKeyResponse, _>(tonic::Status::unavailable("away"))
    });
    let answer = gateway.graphql_raw(&api_key(), "{ __typename }", json!({})).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_expired_token_is_told_so() {
    let gateway = Gateway::start().await;
    let token = gateway.token();
    gateway.clock.advance(Duration::from_mins(11));
    let answer = gateway.graphql_raw(&token, "{ __typename }", json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["errors"][0]["extensions"]["reason"], "TOKEN_EXPIRED");
    assert!(answer.header("www-authenticate").contains("invalid_token"));
}

#[tokio::test]
async fn a_second_authorization_header_is_refused() {
    let gateway = Gateway::start().await;
    let bearer = format!("Bearer {}", gateway.token());
    let request = Request::post("/graphql")
        .header("authorization", &bearer)
        .header("authorization", &bearer)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"query":"{__typename}"}"#));
    assert_eq!(gateway.send(request.unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[rstest]
#[case::another_scheme("Basic c2I6eA==")]
#[case::nothing("")]
#[case::empty_bearer("Bearer ")]
#[case::nonsense("Bearer nonsense")]
#[case::unsigned("Bearer eyJhbGciOiJub25lIn0.e30.")]
#[tokio::test]
async fn what_is_no_token_is_401(#[case] header: &str) {
    let gateway = Gateway::start().await;
    let answer = gateway
        .post("/graphql", &[("authorization", header)], &json!({"query": "{__typename}"}))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_program_that_signs_in_gets_its_tokens_in_the_answer() {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let body = json!({ "email": "a@b.test", "password": "correct horse battery" });
    let answer = gateway.post("/auth/sign-in", &[], &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let shown = answer.json();
    assert_eq!(shown["access_token"], "access");
    assert_eq!(shown["expires_in"], 600);
    assert_eq!(shown["refresh_token"], "refresh-secret");
    assert_eq!(shown["memberships"][0]["role"], "tenant.owner");
    assert_eq!(shown["memberships"][0]["current"], true);
    assert_eq!(answer.cookies(), Vec::<String>::new());
    assert_eq!(answer.header("cache-control"), "no-store");
}

const BROWSER: [(&str, &str); 2] = [("origin", PUBLIC_URL), ("x-sb-csrf", "1")];

#[tokio::test]
async fn a_browser_that_signs_in_gets_its_refresh_token_where_no_script_reads_it() {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let body = json!({ "email": "a@b.test", "password": "correct horse battery" });
    let answer = gateway.post("/auth/sign-in", &BROWSER, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!answer.text.contains("refresh-secret"), "{answer:?}");
    let cookies = answer.cookies();
    assert!(
        cookies[0].starts_with("sb_dev=refresh-secret; Path=/; HttpOnly; SameSite=Strict"),
        "{cookies:?}"
    );
    assert!(cookies[1].starts_with("sb_dev_device=device;"), "{cookies:?}");
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host() {
    let config =
        gateway::Config { public_url: "https://api.example.com".into(), ..Default::default() };
    let gateway = Gateway::start_with(config).await;
    with_sessions(&gateway);
    let body = json!({ "email": "a@b.test", "password": "correct horse battery" });
    let headers = [("origin", "https://api.example.com"), ("x-sb-csrf", "1")];
    let answer = gateway.post("/auth/sign-in", &headers, &body).await;
    let cookie = &answer.cookies()[0];
    assert!(cookie.starts_with("__Host-sb=") && cookie.contains("; Secure;"), "{cookie}");
    assert!(answer.header("strict-transport-security").contains("max-age"));
}

#[tokio::test]
async fn the_cookie_refreshes_and_signs_out() {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let headers = [BROWSER[0], BROWSER[1], ("cookie", "x=1; sb_dev=refresh-secret")];
    let refreshed = gateway.post("/auth/refresh", &headers, &json!({})).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    assert_eq!(refreshed.json()["access_token"], "access");
    assert!(refreshed.cookies()[0].starts_with("sb_dev=refresh-secret"));
    let out = gateway.post("/auth/sign-out", &headers, &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.cookies()[0].contains("Max-Age=0"), "{:?}", out.cookies());
}

#[rstest]
#[case::no_origin(&[("x-sb-csrf", "1")])]
#[case::another_origin(&[("x-sb-csrf", "1"), ("origin", "https://evil.test")])]
#[case::no_header(&[("origin", PUBLIC_URL)])]
#[tokio::test]
async fn nobody_elses_page_uses_the_cookie(#[case] headers: &[(&str, &str)]) {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let headers = [headers, &[("cookie", "sb_dev=refresh-secret")]].concat();
    for path in ["/auth/refresh", "/auth/sign-out"] {
        let answer = gateway.post(path, &headers, &json!({})).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let answer = gateway.post("/graphql", &headers, &json!({ "query": "{__typename}" })).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn a_form_signs_nobody_in() {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let request = Request::post("/auth/sign-in")
        .header("content-type", "text/plain")
        .body(Body::from(r#"{"email":"a@b.test","password":"x"}"#));
    let answer = gateway.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn too_many_tries_say_when_to_come_back() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("SessionService/SignIn", |_: identity::SignInRequest| {
        let status = StatusBuilder::new(Code::ResourceExhausted, "TOO_MANY_TRIES", "wait a moment")
            .retry(Duration::from_secs(8));
        Err::<identity::SignInResponse, _>(status.build())
    });
    let body = json!({ "email": "a@b.test", "password": "x" });
    let answer = gateway.post("/auth/sign-in", &[], &body).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "8");
    assert_eq!(answer.json()["error"]["code"], "TOO_MANY_TRIES");
}

#[rstest]
#[case::unknown_field(r#"{"email":"a@b.test","password":"x","tennant":"t"}"#, "tennant")]
#[case::missing_field(r#"{"email":"a@b.test"}"#, "password")]
#[case::nul(r#"{"email":"a\u0000@b.test","password":"x"}"#, "U+0000")]
#[tokio::test]
async fn a_body_that_is_wrong_is_told_what_is_wrong(#[case] body: &str, #[case] named: &str) {
    let gateway = Gateway::start().await;
    let request = Request::post("/auth/sign-in")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()));
    let answer = gateway.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{answer:?}");
}

#[tokio::test]
async fn the_one_time_link_opens_a_page_and_sets_a_password() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("SessionService/SetPassword", |request: identity::SetPasswordRequest| {
        assert_eq!(request.token, "once");
        Ok(identity::SetPasswordResponse { email: "a@b.test".into() })
    });
    let page = gateway.get("/auth/set-password", &[("accept", "text/html")]).await;
    assert!(page.text.contains("/assets/set-password.js"));
    let script = gateway.get("/assets/set-password.js", &[]).await;
    assert!(script.header("content-type").starts_with("text/javascript"));
    let body = json!({ "token": "once", "password": "correct horse battery" });
    let answer = gateway.post("/auth/set-password", &[], &body).await;
    assert_eq!(answer.json(), json!({ "email": "a@b.test" }));
}

#[tokio::test]
async fn the_key_set_is_public() {
    let gateway = Gateway::start().await;
    let answer = gateway.get("/.well-known/jwks.json", &[]).await;
    let keys = answer.json();
    assert_eq!(keys["keys"][0]["alg"], "EdDSA");
    assert_eq!(keys["keys"][0].get("d"), None::<&Value>);
    assert!(answer.header("cache-control").contains("max-age=300"));
}

async fn token(gateway: &Gateway, basic: Option<&str>, form: &str) -> Answer {
    let mut request =
        Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(basic)));
    }
    gateway.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_key_is_exchanged_as_client_credentials_in_each_lawful_way() {
    let gateway = Gateway::start().await;
    with_exchange(&gateway);
    let key = api_key();
    let in_body =
        token(&gateway, None, &format!("grant_type=client_credentials&client_secret={key}")).await;
    let with_id = format!("anything:{key}");
    let by_basic = token(&gateway, Some(&with_id), "grant_type=client_credentials").await;
    let as_name = token(&gateway, Some(&format!("{key}:")), "grant_type=client_credentials").await;
    for answer in [in_body, by_basic, as_name] {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
        assert_eq!(body["access_token"], gateway.token_of_key());
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
    }
}

#[tokio::test]
async fn a_refresh_token_is_rotated_by_the_rfc() {
    let gateway = Gateway::start().await;
    with_sessions(&gateway);
    let good = token(&gateway, None, "grant_type=refresh_token&refresh_token=refresh-secret").await;
    assert_eq!(good.json()["refresh_token"], "refresh-secret", "{good:?}");
    let used = token(&gateway, None, "grant_type=refresh_token&refresh_token=used").await;
    assert_eq!(used.status, StatusCode::BAD_REQUEST);
    assert_eq!(used.json()["error"], "invalid_grant");
}

#[rstest]
#[case::no_grant(None, "", 400, "invalid_request")]
#[case::unknown_grant(None, "grant_type=password&username=a", 400, "unsupported_grant_type")]
#[case::twice(
    None,
    "grant_type=client_credentials&grant_type=client_credentials",
    400,
    "invalid_request"
)]
#[case::no_secret(None, "grant_type=client_credentials", 401, "invalid_client")]
#[case::bad_secret(
    None,
    "grant_type=client_credentials&client_secret=sb_test_x",
    401,
    "invalid_client"
)]
#[case::two_ways(
    Some("a:b"),
    "grant_type=client_credentials&client_secret=c",
    400,
    "invalid_request"
)]
#[case::bad_basic(Some("no-colon"), "grant_type=client_credentials", 401, "invalid_client")]
#[case::no_refresh_token(None, "grant_type=refresh_token", 400, "invalid_request")]
#[tokio::test]
async fn refusals_have_the_rfcs_words(
    #[case] basic: Option<&str>,
    #[case] form: &str,
    #[case] status: u16,
    #[case] error: &str,
) {
    let gateway = Gateway::start().await;
    let answer = token(&gateway, basic, form).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"].as_str().unwrap()),
        (status, error),
        "{answer:?}"
    );
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge.starts_with("Basic"), status == 401 && basic.is_some(), "{challenge}");
}

#[tokio::test]
async fn a_json_body_is_no_token_request() {
    let gateway = Gateway::start().await;
    let answer =
        gateway.post("/oauth/token", &[], &json!({ "grant_type": "client_credentials" })).await;
    assert_eq!(answer.json()["error"], "invalid_request");
}
