//! Clients that others wrote, against the standards that we name: GraphQL over HTTP, gRPC reflection, JWKS.

use std::collections::BTreeMap;

use prost_reflect::DescriptorPool;
use serde_json::{Value, json};

use super::support::{
    Dev, text,
    tools::{grpcurl, node_json, python_json},
};

#[tokio::test]
async fn the_audit_of_graphql_over_http_finds_no_error_and_no_warning() {
    let dev = Dev::start().await;
    let api = dev.api();
    let found = node_json("audit.cjs", &[text(&dev.json, "/gateway/graphql"), api.key(0)]).await;
    let found = found.as_array().expect("a list");
    let mut counted: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for audit in found {
        counted.entry(text(audit, "/status")).or_default().push(audit);
    }
    let counts = counted.iter().map(|(status, audits)| format!("{} {status}", audits.len()));
    println!("graphql-http audit: {}", counts.collect::<Vec<_>>().join(", "));
    assert!(found.len() > 50, "{} audits", found.len());
    let bad: Vec<_> = ["error", "warn"].iter().filter_map(|status| counted.get(status)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[tokio::test]
async fn grpcurl_and_python_list_every_service_by_reflection() {
    let dev = Dev::start().await;
    let own = DescriptorPool::decode(proto::DESCRIPTORS).expect("our own descriptors");
    let addresses = dev.json.get("grpc").and_then(Value::as_object).expect("grpc of dev.json");
    assert_eq!(addresses.len(), 6);
    for (service, address) in addresses {
        let address = address.as_str().expect("an address");
        let package = format!("switchboard.{service}.v1");
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in own.services().filter(|one| one.package_name() == package) {
            let mut methods: Vec<_> =
                one.methods().map(|method| method.name().to_owned()).collect();
            methods.sort_unstable();
            wanted.insert(one.full_name().to_owned(), methods);
        }
        let told: BTreeMap<String, Vec<String>> =
            serde_json::from_value(python_json("reflect.py", &[address]).await).expect("services");
        let (ours, standard): (BTreeMap<_, _>, BTreeMap<_, _>) =
            told.into_iter().partition(|(name, _)| name.starts_with("switchboard."));
        assert_eq!(ours, wanted, "{service}");
        let standard: Vec<_> = standard.into_keys().collect();
        assert!(standard.contains(&"grpc.health.v1.Health".to_owned()), "{service}: {standard:?}");

        let mut listed = grpcurl(&[address, "list"]).await;
        listed.sort_unstable();
        let mut all: Vec<_> = wanted.into_keys().chain(standard).collect();
        all.sort_unstable();
        assert_eq!(listed, all, "{service}");
        println!("{service:<11} {address:<16} {}", listed.join(" "));
    }
}

#[tokio::test]
async fn pyjwt_verifies_a_token_by_the_published_keys() {
    let dev = Dev::start().await;
    let token = dev.api().operator().await;
    let of = |name: &str| text(&dev.json, &format!("/gateway/{name}"));
    let told = python_json("verify.py", &[of("jwks"), &token, of("issuer"), of("audience")]).await;
    println!("{told:#}");
    assert_eq!(text(&told, "/algorithm"), "EdDSA");
    assert!(text(&told, "/claims/op").starts_with("operator_"), "{told}");
    let refused = json!({"another body": "InvalidSignatureError",
        "another audience": "InvalidAudienceError", "another issuer": "InvalidIssuerError"});
    assert_eq!(told["refused"], refused);
}
