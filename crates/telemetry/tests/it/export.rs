//! What arrives at a collector, and what must not.

use telemetry::{TelemetryConfig, init, meter, propagation, render_metrics};
use testkit::otlp;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_signals_arrive_under_one_trace_and_without_the_exporters_own() {
    let mut tasks = JoinSet::new();
    let (received, endpoint) = otlp::start(&mut tasks).await.unwrap();
    let config = TelemetryConfig { otlp_endpoint: Some(endpoint), ..TelemetryConfig::default() };
    let guard = init(&config, "telemetry-test", "one").unwrap();

    let meter = meter("telemetry_test");
    meter.u64_counter("switchboard.test.sent").with_description("Sent.").build().add(2, &[]);
    let span = tracing::info_span!("messaging.accept", tenant.id = "tenant_1");
    let trace = span.in_scope(|| {
        tracing::info!(items = 1, "stored");
        propagation::current_trace_id().unwrap()
    });
    drop(span);
    guard.shutdown().await;

    let spans = received.spans();
    let names: Vec<_> = spans.iter().map(|span| span.what.name.as_str()).collect();
    assert_eq!(names, ["messaging.accept"]);
    assert_eq!((spans[0].service.as_str(), spans[0].instance.as_str()), ("telemetry-test", "one"));
    assert_eq!(u128::from_str_radix(&trace, 16).unwrap().to_be_bytes(), *spans[0].what.trace_id);
    let logs = received.logs();
    let mut stored = logs.iter();
    let stored = stored.find(|log| log.what.attributes.iter().any(|a| a.key == "items")).unwrap();
    assert_eq!(stored.what.trace_id, spans[0].what.trace_id);
    assert!(received.metrics().iter().any(|metric| metric.what.name == "switchboard.test.sent"));
    assert!(render_metrics().1.contains("switchboard_test_sent_total 2"));
}

#[tokio::test]
async fn init_does_not_fail_where_a_subscriber_is_installed() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let guard = init(&TelemetryConfig::default(), "telemetry-test", "two").unwrap();
    init(&TelemetryConfig::default(), "telemetry-test", "three").unwrap().shutdown().await;
    guard.shutdown().await;
}

#[tokio::test]
async fn trace_ids_exist_without_an_endpoint() {
    let guard = init(&TelemetryConfig::default(), "telemetry-test", "four").unwrap();
    let kept = tracing::info_span!("messaging.accept").in_scope(propagation::current_traceparent);
    assert!(kept.is_some_and(|text| text.starts_with("00-") && text.ends_with("-01")));
    guard.shutdown().await;
}

#[test]
fn a_filter_that_does_not_parse_is_named() {
    let config = TelemetryConfig { log: "loud=very=much".into(), ..TelemetryConfig::default() };
    let error = init(&config, "telemetry-test", "five").unwrap_err();
    assert!(error.to_string().starts_with("telemetry.log"));
}
