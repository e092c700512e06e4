//! What webhooks counts. Labels come from closed sets: an outcome, never an id.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

/// How a delivery was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Stored,
    Refused,
    NotStored,
}

impl Answered {
    const ALL: [Self; 3] = [Self::Stored, Self::Refused, Self::NotStored];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Refused => "refused",
            Self::NotStored => "not_stored",
        }
    }
}

/// What became of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    Routed,
    Repeated,
    Quarantined,
    Placed,
}

impl Became {
    const ALL: [Self; 4] = [Self::Routed, Self::Repeated, Self::Quarantined, Self::Placed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Repeated => "repeated",
            Self::Quarantined => "quarantined",
            Self::Placed => "placed",
        }
    }
}

struct Metrics {
    deliveries: Counter<u64>,
    answer: Histogram<f64>,
    elements: Counter<u64>,
    unusable: Counter<u64>,
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        let meter = telemetry::meter("webhooks");
        Metrics {
            deliveries: meter
                .u64_counter("switchboard.webhooks.deliveries")
                .with_description("Deliveries of Meta's, by how they were answered.")
                .build(),
            answer: meter
                .f64_histogram("switchboard.webhooks.answer")
                .with_description("Time from the head of a delivery to its answer.")
                .with_unit("s")
                .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
                .build(),
            elements: meter
                .u64_counter("switchboard.webhooks.elements")
                .with_description("Elements of deliveries, by what became of them.")
                .build(),
            unusable: meter
                .u64_counter("switchboard.webhooks.unusable_deliveries")
                .with_description("Stored deliveries that could not be taken apart or worked on.")
                .build(),
        }
    })
}

/// Adds 0 to what alerts read, so that it is there from the start.
pub(crate) fn announce() {
    let metrics = metrics();
    for answered in Answered::ALL {
        metrics.deliveries.add(0, &[KeyValue::new("outcome", answered.as_str())]);
    }
    for became in Became::ALL {
        metrics.elements.add(0, &[KeyValue::new("outcome", became.as_str())]);
    }
    metrics.unusable.add(0, &[]);
}

/// A delivery was answered.
pub(crate) fn answered(how: Answered, took: Duration) {
    let label = [KeyValue::new("outcome", how.as_str())];
    metrics().deliveries.add(1, &label);
    metrics().answer.record(took.as_secs_f64(), &label);
}

/// Something became of elements.
pub(crate) fn became(what: Became, count: u64) {
    metrics().elements.add(count, &[KeyValue::new("outcome", what.as_str())]);
}

/// Deliveries were found unusable.
pub(crate) fn unusable(count: u64) {
    metrics().unusable.add(count, &[]);
}
