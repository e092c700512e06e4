//! GraphQL over HTTP, as the specification and AUTH-20 want it.

use ::http::{Request, StatusCode};
use axum::body::Body;
use rstest::rstest;
use serde_json::{Value, json};

use super::support::{Answer, Gateway};

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

async fn asked(gateway: &Gateway, accept: Option<&str>, kind: Option<&str>, body: &str) -> Answer {
    let mut request =
        Request::post("/graphql").header("authorization", format!("Bearer {}", gateway.token()));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    gateway.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn code(answer: &Answer) -> String {
    answer.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
}

#[rstest]
#[case::old_and_good(Some("application/json"), r#"{"query":"{__typename}"}"#, 200, JSON)]
#[case::no_wish(None, r#"{"query":"{__typename}"}"#, 200, JSON)]
#[case::anything(Some("*/*"), r#"{"query":"{__typename}"}"#, 200, JSON)]
#[case::new_and_good(
    Some("application/graphql-response+json"),
    r#"{"query":"{__typename}"}"#,
    200,
    GRAPHQL
)]
#[case::old_and_unparsable(Some("application/json"), r#"{"query":"{"}"#, 200, JSON)]
#[case::new_and_unparsable(
    Some("application/graphql-response+json"),
    r#"{"query":"{"}"#,
    400,
    GRAPHQL
)]
#[case::old_and_invalid(Some("application/json"), r#"{"query":"{nothing}"}"#, 200, JSON)]
#[case::new_and_invalid(
    Some("application/graphql-response+json"),
    r#"{"query":"{nothing}"}"#,
    400,
    GRAPHQL
)]
#[case::new_and_without_a_variable(
    Some("application/graphql-response+json"),
    r#"{"query":"query($i:ID!){node(id:$i){id}}"}"#,
    400,
    GRAPHQL
)]
#[tokio::test]
async fn status_and_media_type_follow_accept(
    #[case] accept: Option<&str>,
    #[case] body: &str,
    #[case] status: u16,
    #[case] media: &str,
) {
    let gateway = Gateway::start().await;
    let answer = asked(&gateway, accept, Some("application/json"), body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (status, media),
        "{answer:?}"
    );
    assert_eq!(answer.json().get("data").is_some(), answer.json().get("errors").is_none());
}

#[rstest]
#[case::broken(r#"{"query": "{__typename}""#)]
#[case::nul_byte("{\"query\": \"{__typename}\0\"}")]
#[case::lone_surrogate(r#"{"query": "{__typename}", "variables": {"a": "\ud800"}}"#)]
#[case::escaped_nul(r#"{"query": "{__typename}", "variables": {"a": {"b": ["\u0000"]}}}"#)]
#[case::infinite(r#"{"query": "{__typename}", "variables": {"a": 1e999}}"#)]
#[case::no_query(r#"{"notquery": "{__typename}"}"#)]
#[case::query_of_another_kind(r#"{"query": 7}"#)]
#[case::variables_of_another_kind(r#"{"query": "{__typename}", "variables": [1]}"#)]
#[case::twice(r#"{"query": "{__typename}", "query": "{a}"}"#)]
#[case::a_batch(r#"[{"query": "{__typename}"}]"#)]
#[case::nothing("")]
#[case::too_deep_for_json(&("[".repeat(400)))]
#[tokio::test]
async fn what_is_no_request_is_400_with_a_graphql_body(#[case] body: &str) {
    let gateway = Gateway::start().await;
    let answer = asked(&gateway, None, Some("application/json"), body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(code(&answer), "BAD_REQUEST");
}

#[rstest]
#[case::none(None)]
#[case::plain(Some("text/plain"))]
#[case::form(Some("application/x-www-form-urlencoded"))]
#[case::multipart(Some("multipart/form-data; boundary=x"))]
#[case::another_charset(Some("application/json; charset=latin1"))]
#[tokio::test]
async fn only_json_is_read(#[case] kind: Option<&str>) {
    let gateway = Gateway::start().await;
    let answer = asked(&gateway, None, kind, r#"{"query":"{__typename}"}"#).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(code(&answer), "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn an_answer_that_nobody_accepts_is_not_given() {
    let gateway = Gateway::start().await;
    let answer = asked(&gateway, Some("text/html"), Some("application/json"), "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE);
}

#[rstest]
#[case("GET")]
#[case("PUT")]
#[case("DELETE")]
#[tokio::test]
async fn other_methods_than_post_are_told_so(#[case] method: &str) {
    let gateway = Gateway::start().await;
    let request = Request::builder().method(method).uri("/graphql?query={__typename}");
    let request = request.header("authorization", format!("Bearer {}", gateway.token()));
    let answer = gateway.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "POST");
    assert_eq!(code(&answer), "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_413_with_a_graphql_body() {
    let gateway = Gateway::start().await;
    let body =
        format!(r#"{{"query":"{{__typename}}","variables":{{"a":"{}"}}}}"#, "x".repeat(10 << 20));
    let answer = asked(&gateway, None, Some("application/json"), &body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(code(&answer), "BODY_TOO_LARGE");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_at_the_same_size() {
    let gateway = Gateway::start().await;
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let request = Request::post("/graphql")
        .header("authorization", format!("Bearer {}", gateway.token()))
        .header("content-type", "application/json")
        .body(Body::from_stream(futures::stream::iter(chunks)));
    let answer = gateway.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(code(&answer), "BODY_TOO_LARGE");
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let gateway = Gateway::start().await;
    let request = Request::post("/graphql")
        .header("authorization", format!("Bearer {}", gateway.token()))
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from("x"));
    let answer = gateway.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_browsers_need() {
    let gateway = Gateway::start().await;
    for path in ["/", "/graphql", "/auth/set-password", "/nowhere"] {
        let answer = gateway.get(path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(
            answer.header("content-security-policy").contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn errors_name_the_request() {
    let gateway = Gateway::start().await;
    let answer = asked(&gateway, None, Some("application/json"), r#"{"query":"{nothing}"}"#).await;
    let error = &answer.json()["errors"][0];
    assert_eq!(error["extensions"]["requestId"], answer.header("x-request-id"));
    assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    // Suggestions would tell fields to who may not ask for them.
    assert!(!error["message"].as_str().unwrap().contains("mean"), "{error}");
}

#[tokio::test]
async fn a_document_can_be_sent_by_its_hash_once_it_is_known() {
    let gateway = Gateway::start().await;
    let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let by_hash = json!({ "extensions": extensions }).to_string();
    let first = asked(&gateway, None, Some("application/json"), &by_hash).await;
    assert_eq!(code(&first), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(first.json()["errors"][0]["message"], "PersistedQueryNotFound");
    let whole = json!({ "query": "{__typename}", "extensions": extensions }).to_string();
    asked(&gateway, None, Some("application/json"), &whole).await;
    let again = asked(&gateway, None, Some("application/json"), &by_hash).await;
    assert_eq!(again.json()["data"]["__typename"], "Query", "{again:?}");
}

#[tokio::test]
async fn scripts_of_known_origins_alone_may_ask() {
    let config = gateway::Config {
        allowed_origins: vec!["https://app.example.com".to_owned()],
        ..gateway::Config::default()
    };
    let gateway = Gateway::start_with(config).await;
    let preflight = async |origin: &str| {
        let request = Request::builder()
            .method("OPTIONS")
            .uri("/graphql")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        gateway.send(request.body(Body::empty()).unwrap()).await
    };
    let known = preflight("https://app.example.com").await;
    assert_eq!(known.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(known.header("access-control-allow-credentials"), "");
    let foreign = preflight("https://evil.example.com").await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn introspection_is_for_who_is_signed_in() {
    let gateway = Gateway::start().await;
    let query = "{ __schema { queryType { name } } }";
    let data = gateway.data(&gateway.token(), query, json!({})).await;
    assert_eq!(data["__schema"]["queryType"]["name"], "Query");
    let body = json!({ "query": query });
    let anonymous = gateway.post("/graphql", &[], &body).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    assert_eq!(code(&anonymous), "UNAUTHENTICATED");
    assert_eq!(anonymous.json().get("data"), None::<&Value>);
}
