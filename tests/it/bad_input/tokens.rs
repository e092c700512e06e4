//! Bearer tokens of nobody, and one whose time is over.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::forge;
use tonic::Code;

use super::{
    answer::{Cases, Told},
    house::{A_SIGN_IN, House},
    rpc::{call, refused},
};
use crate::support::{
    grpc::{Channels, Headers},
    text, until,
};

const QUERY: &str = "{ viewer { environment } }";

#[tokio::test]
async fn a_token_of_nobody_opens_nothing() {
    let house = House::start().await;
    let mut cases = Cases::of("bearer tokens");
    let genuine = house.api.exchange(house.api.key(0)).await;
    let control = house.post("/graphql").bearer_auth(&genuine).json(&json!({"query": QUERY}));
    let control = Told::of(control).await;
    cases.hold("the genuine one", control.text.contains("SANDBOX"), &control);
    let jwks = house.api.jwks().await;
    for forged in forge::forgeries(&genuine, &jwks).expect("forgeries") {
        let asked =
            house.post("/graphql").bearer_auth(&forged.token).json(&json!({"query": QUERY}));
        let told = Told::of(asked).await;
        cases.refused(&forged.name, &told, 401, "UNAUTHENTICATED", "the token is not valid");
        cases.hold(
            &format!("{}: says how", forged.name),
            told.header("www-authenticate").starts_with("Bearer"),
            &told,
        );
    }
    let key = house.api.key(0);
    for (case, values, says) in [
        ("nothing", vec![], "Authorization: Bearer"),
        ("a scheme alone", vec!["Bearer".to_owned()], "not valid"),
        ("another scheme", vec![format!("Basic {key}")], "no bearer token"),
        ("two of them", vec![format!("Bearer {key}"), format!("Bearer {key}")], "more than one"),
        (
            "a key of nobody",
            vec![format!("Bearer {}0000", key.split_at(key.len() - 4).0)],
            "API key is not valid",
        ),
        ("half a key", vec!["Bearer sb_test_".to_owned()], "API key is not valid"),
        (
            "a live key's name",
            vec![format!("Bearer {}", key.replace("sb_test_", "sb_live_"))],
            "API key is not valid",
        ),
    ] {
        let asked = values
            .iter()
            .fold(house.post("/graphql"), |asked, value| asked.header("authorization", value));
        let told = Told::of(asked.json(&json!({"query": QUERY}))).await;
        cases.refused(case, &told, 401, "UNAUTHENTICATED", says);
    }
    let refresh = json!({"email": text(&house.api.json, "/operator/email"), "password": text(&house.api.json, "/operator/password")});
    let refresh: Value = house
        .post("/auth/sign-in")
        .json(&refresh)
        .send()
        .await
        .expect("tokens")
        .json()
        .await
        .expect("JSON");
    let asked = house
        .post("/graphql")
        .bearer_auth(text(&refresh, "/refresh_token"))
        .json(&json!({"query": QUERY}));
    cases.refused(
        "a refresh token",
        &Told::of(asked).await,
        401,
        "UNAUTHENTICATED",
        "the token is not valid",
    );
    cases.finish();
    // The sign-in of this very test.
    house.stays_as_it_was(&A_SIGN_IN).await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_says_so() {
    let house = House::with(&[("SWITCHBOARD__IDENTITY__TOKEN_LIFE_SECONDS", "18")]).await;
    let mut cases = Cases::of("expired tokens");
    // Its life, and the ten seconds that clocks may differ by.
    until("the end of a token", Duration::from_mins(1), async || {
        let asked =
            house.post("/graphql").bearer_auth(&house.operator).json(&json!({"query": QUERY}));
        let told = Told::of(asked).await;
        if told.status == 401 { Ok(()) } else { Err(told) }
    })
    .await;
    let asked = house.post("/graphql").bearer_auth(&house.operator).json(&json!({"query": QUERY}));
    cases.refused(
        "over HTTP",
        &Told::of(asked).await,
        401,
        "UNAUTHENTICATED",
        "expired; come back with a fresh one",
    );
    let channels = Channels::new(&house.dev.json);
    let service = crate::isolation::world::services(&house.dev)
        .token("gateway", "onboarding")
        .await
        .expect("a token");
    let headers =
        Headers { user: Some(house.operator.clone()), service: Some(service), more: Vec::new() };
    let answer = call(&channels, "onboarding.ListTenants", &headers, Vec::new()).await;
    refused(&mut cases, "over gRPC", &answer, &[Code::Unauthenticated], "TOKEN_EXPIRED", "expired");
    cases.finish();
    house.stays_as_it_was(&[]).await;
}
