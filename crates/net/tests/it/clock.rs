//! The followed clock against a clock of the sandbox's kind.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use kernel::clock::Clock as _;
use kernel::time::Timestamp;
use net::clock::FollowedClock;
use net::health::Readiness;
use net::http::HttpLimits;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, Serving};

#[derive(serde::Deserialize)]
struct After {
    after: Option<u64>,
}

type Told = (u64, i64);

async fn answer(
    State(clock): State<watch::Receiver<Told>>,
    Query(asked): Query<After>,
) -> Json<Value> {
    let mut clock = clock;
    let newer = |told: &Told| asked.after.is_none_or(|after| told.0 > after);
    let (version, now_us) = *clock.wait_for(newer).await.unwrap();
    Json(json!({ "version": version, "now_us": now_us, "rate": 0.0 }))
}

#[tokio::test]
async fn a_moved_clock_is_felt_and_readiness_waits_for_the_first_answer() {
    let (moved, clock) = watch::channel((1, 1_000_000));
    let router = Router::new().route("/clock", get(answer)).with_state(clock);
    let serving = Serving::http(router, HttpLimits::default()).await;
    let (readiness, stop) = (Readiness::new(), CancellationToken::new());
    let url = format!("http://{}/clock", serving.address);
    let followed = FollowedClock::follow(&url, readiness.clone(), stop.clone()).unwrap();
    assert!(!readiness.is_ready());
    tokio::time::timeout(PATIENCE, readiness.wait()).await.unwrap();
    assert_eq!(followed.now(), Timestamp::from_seconds(1));

    moved.send((2, 500_000_000)).unwrap();
    let seen = async {
        while followed.version() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap();
    assert_eq!(followed.now(), Timestamp::from_seconds(500));

    let admin = net::admin::router_with_clock(readiness, Arc::clone(&followed));
    let admin = Serving::http(admin, HttpLimits::default()).await;
    let client = net::http::client(&net::http::ClientConfig::default()).unwrap();
    let report: Value = client
        .get(format!("http://{}/readyz", admin.address))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(report["clock"]["version"], 2);
    assert_eq!(report["ready"], true);

    stop.cancel();
    tokio::time::timeout(PATIENCE, followed.stopped()).await.unwrap();
    admin.end().await;
    drop(moved);
    serving.end().await;
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let readiness = Readiness::new();
    readiness.waiting("identity.keys", "the keys of identity");
    let admin = Serving::http(net::admin::router(readiness.clone()), HttpLimits::default()).await;
    let client = net::http::client(&net::http::ClientConfig::default()).unwrap();
    let get = |path: &str| client.get(format!("http://{}{path}", admin.address)).send();
    let answer = get("/readyz").await.unwrap();
    assert_eq!(answer.status(), 503);
    let report: Value = answer.json().await.unwrap();
    assert_eq!(report["parts"]["identity.keys"]["reason"], "the keys of identity");
    readiness.ready("identity.keys");
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
    readiness.drain();
    assert_eq!(get("/readyz").await.unwrap().status(), 503);
    assert_eq!(get("/livez").await.unwrap().status(), 200);
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("http_server_request_duration_seconds_bucket"), "{metrics}");
    admin.end().await;
}
