//! Meters of the calls to Meta. Labels come from closed sets: the call and what became of it.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use std::sync::LazyLock;
use std::time::Duration;

struct Meters {
    calls: Counter<u64>,
    duration: Histogram<f64>,
    budget: Histogram<u64>,
}

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = telemetry::meter("graph");
    Meters {
        calls: meter
            .u64_counter("graph.calls")
            .with_description("Calls of Meta's Graph API, by call and outcome")
            .build(),
        duration: meter
            .f64_histogram("graph.call.duration")
            .with_description("Time from the request to the end of Meta's answer, by call")
            .with_unit("s")
            .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
            .build(),
        budget: meter
            .u64_histogram("graph.budget.used")
            .with_description(
                "Use of Meta's call budgets as told by answers, in per cent, by kind of budget",
            )
            .with_boundaries(vec![10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 100.0])
            .build(),
    }
});

pub(crate) fn call(operation: &'static str, outcome: &'static str, took: Duration) {
    METERS
        .calls
        .add(1, &[KeyValue::new("operation", operation), KeyValue::new("outcome", outcome)]);
    METERS.duration.record(took.as_secs_f64(), &[KeyValue::new("operation", operation)]);
}

pub(crate) fn budget(usage: &crate::Usage) {
    if let Some(app) = usage.app {
        METERS.budget.record(u64::from(app.percent), &[KeyValue::new("budget", "app")]);
    }
    for (_, account) in &usage.accounts {
        METERS.budget.record(u64::from(account.percent), &[KeyValue::new("budget", "account")]);
    }
}
