//! Documents that want to cost more than they may (IN-4): each is refused before anything runs.

use std::fmt::Write as _;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::Gateway;

fn repeated(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        let _infallible = write!(text, "{}", of(n));
        text
    })
}

/// A circle of things that lead to each other.
fn deep(levels: usize) -> String {
    let open = "contextMessage { ".repeat(levels);
    let close = " }".repeat(levels);
    format!("{{ message(id: \"m\") {{ {open} id {close} }} }}")
}

fn doubling(levels: usize) -> String {
    let fragments =
        repeated(levels, |n| format!("fragment f{n} on Query {{ ...f{m} ...f{m} }} ", m = n + 1));
    format!("{{ ...f0 }} {fragments} fragment f{levels} on Query {{ __typename }}")
}

#[rstest]
#[case::depth(deep(20), "depth")]
#[case::depth_beyond_parsing(deep(500), "recursion")]
#[case::root_aliases(format!("{{ {} }}", repeated(31, |n| format!("a{n}: __typename "))), "aliases")]
#[case::aliases(
    format!("{{ viewer {{ {} }} }}", repeated(201, |n| format!("a{n}: operator "))),
    "aliases"
)]
#[case::a_circle_of_fragments(
    "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned(),
    "itself"
)]
#[case::doubling_fragments(doubling(28), "fields")]
#[case::a_long_chain_of_fragments(doubling(60), "nested")]
#[case::big_pages_in_big_pages(
    "{ conversations(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }".to_owned(),
    "complex"
)]
#[case::many_nested_calls(
    "{ messages(first: 100) { nodes { steps { name } } } }".to_owned(),
    "complex"
)]
#[case::many_fields(format!("{{ viewer {{ {} }} }}", "operator ".repeat(2100)), "fields")]
#[case::directives(
    format!("{{ __typename {} }}", "@include(if: true) ".repeat(11)),
    "directives"
)]
#[case::a_huge_document(format!("{{ __typename {} }}", "#".repeat(33 << 10)), "32768")]
#[case::nul_in_a_literal(r#"{ node(id: "a\u0000") { id } }"#.to_owned(), "U+0000")]
#[case::two_subscriptions(
    "subscription { messageUpdates { cursor } inboundMessages { cursor } }".to_owned(),
    "one root field"
)]
#[case::an_argument_of_another_kind("{ node(id: {a: 1}) { id } }".to_owned(), "id")]
#[case::an_unknown_argument("{ node(idd: 1) { id } }".to_owned(), "idd")]
#[case::several_operations("query a { __typename } query b { __typename }".to_owned(), "operations")]
#[case::a_subscription("subscription { messageUpdates { cursor } }".to_owned(), "/graphql/ws")]
#[tokio::test]
async fn what_costs_too_much_is_refused_before_it_runs(#[case] query: String, #[case] named: &str) {
    let gateway = Gateway::start().await;
    let token = gateway.token();
    let started = Instant::now();
    let answer = gateway.graphql(&token, &query, json!({})).await;
    // Generous, for a debug build on a busy machine; a release build is asked for 50 ms.
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    let messages =
        answer["errors"].as_array().unwrap().iter().map(|one| one["message"].to_string());
    assert!(messages.collect::<String>().contains(named), "{answer}");
    assert!(answer.get("data").is_none(), "{answer}");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[rstest]
#[case(json!({ "first": 101 }))]
#[case(json!({ "first": 0 }))]
#[case(json!({ "first": -5 }))]
#[case(json!({ "last": 2_147_483_647 }))]
#[case(json!({ "first": 5, "last": 5 }))]
#[case(json!({ "first": 5, "before": "x" }))]
#[tokio::test]
async fn a_page_outside_its_bounds_is_asked_of_nobody(#[case] variables: Value) {
    let gateway = Gateway::start().await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        messages(first: $first, after: $after, last: $last, before: $before) { nodes { id } } }";
    let answer = gateway.graphql(&gateway.token(), query, variables).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_ARGUMENT", "{answer}");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_sent_comes_back_in_no_error_at_full_length() {
    let gateway = Gateway::start().await;
    let query = "query($first: Int) { messages(first: $first) { nodes { id } } }";
    let long = "x".repeat(500_000);
    let answer = gateway.graphql_raw(&gateway.token(), query, json!({ "first": long })).await;
    assert!(answer.text.len() < 2_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn the_query_of_tools_passes() {
    let gateway = Gateway::start().await;
    let of_type = |n: usize| {
        let open = "ofType { kind name ".repeat(n);
        format!("{open}{}", "}".repeat(n))
    };
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} types {{ ...FullType }} }} }}
         fragment FullType on __Type {{ kind name description
           fields(includeDeprecated: true) {{ name args {{ ...InputValue }} type {{ ...TypeRef }} }}
           inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name }} possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{ name type {{ ...TypeRef }} defaultValue }}
         fragment TypeRef on __Type {{ kind name {} }}",
        of_type(9)
    );
    let data = gateway.data(&gateway.token(), &query, json!({})).await;
    assert!(data["__schema"]["types"].as_array().unwrap().len() > 50);
}
