//! What spans of requests say, and what they keep to themselves.

use axum::Router;
use axum::routing::get;
use net::http::HttpLimits;
use telemetry::TelemetryConfig;
use testkit::otlp::{self, attribute};
use tokio::task::JoinSet;

use crate::support::Serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_names_the_route_and_not_what_stands_in_its_places() {
    let mut tasks = JoinSet::new();
    let (received, endpoint) = otlp::start(&mut tasks).await.unwrap();
    let config = TelemetryConfig { otlp_endpoint: Some(endpoint), ..TelemetryConfig::default() };
    let guard = telemetry::init(&config, "net-test", "one").unwrap();
    let router = Router::new().route("/onboarding/{invitation}", get(|| async { "welcome" }));
    let serving = Serving::http(router, HttpLimits::default()).await;
    for path in ["onboarding/a-secret-of-one", "nowhere/a-secret-of-one?token=a-secret-of-one"] {
        reqwest::get(format!("http://{}/{path}", serving.address)).await.unwrap();
    }
    serving.end().await;
    guard.shutdown().await;

    let spans = received.spans();
    let seen: Vec<_> = spans
        .iter()
        .map(|span| (span.what.name.as_str(), attribute(&span.what.attributes, "http.route")))
        .collect();
    let known = ("GET /onboarding/{invitation}", "/onboarding/{invitation}".to_owned());
    assert_eq!(seen, [known, ("GET test", String::new())]);
    assert!(!format!("{spans:?}").contains("a-secret-of-one"), "{spans:#?}");
}
