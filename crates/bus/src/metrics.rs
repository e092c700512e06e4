//! What the bus counts. Labels come from closed sets: a service, a group, an outcome; never an id.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use telemetry::meter;

pub(crate) struct Metrics {
    published: Counter<u64>,
    unpublished: Counter<u64>,
    given_up: Counter<u64>,
    handled: Counter<u64>,
    dead_letters: Counter<u64>,
    refused: Counter<u64>,
    batch: Histogram<f64>,
    waiting: Gauge<u64>,
    oldest: Gauge<f64>,
}

/// The instruments, made once a process.
pub(crate) fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::new)
}

impl Metrics {
    fn new() -> Self {
        let meter = meter("bus");
        let counter = |name: &'static str, help: &'static str| {
            meter.u64_counter(name).with_description(help).build()
        };
        Self {
            published: counter(
                "switchboard.bus.published",
                "Events that the bus confirmed, by publishing service.",
            ),
            unpublished: counter(
                "switchboard.bus.unpublished",
                "Events that were not confirmed and stay in the outbox, by service and reason.",
            ),
            given_up: counter(
                "switchboard.bus.unheard",
                "Events that no group or tail wanted for a day and that left the outbox.",
            ),
            handled: counter(
                "switchboard.bus.handled",
                "Events that a consumer group is through with, by group and outcome.",
            ),
            dead_letters: counter(
                "switchboard.bus.dead_letters",
                "Events that became a dead letter, by group and reason.",
            ),
            refused: counter(
                "switchboard.bus.refused",
                "Messages that were unreadable or came from the wrong broker account.",
            ),
            waiting: meter
                .u64_gauge("switchboard.outbox.waiting")
                .with_description("Events that wait in the outbox for the bus, by service.")
                .build(),
            oldest: meter
                .f64_gauge("switchboard.outbox.oldest")
                .with_description("Age of the oldest event in the outbox, in business time.")
                .with_unit("s")
                .build(),
            batch: meter
                .f64_histogram("switchboard.bus.batch")
                .with_description("Time that a consumer took for a batch, by group.")
                .with_unit("s")
                .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
                .build(),
        }
    }

    /// Makes what alerts read visible before it first happens.
    pub(crate) fn announce_relay(&self, service: &'static str) {
        self.published.add(0, &[KeyValue::new("service", service)]);
        for reason in ["outage", "unroutable", "rejected", "refused", "unfit"] {
            self.unpublished
                .add(0, &[KeyValue::new("service", service), KeyValue::new("reason", reason)]);
        }
        self.given_up.add(0, &[KeyValue::new("service", service)]);
    }

    pub(crate) fn announce_group(&self, group: &'static str) {
        for reason in ["poison", "scope_mismatch", "unknown_aggregate", "unreadable", "given_up"] {
            self.dead_letters
                .add(0, &[KeyValue::new("group", group), KeyValue::new("reason", reason)]);
        }
        self.refused.add(0, &[]);
    }

    pub(crate) fn published(&self, service: &'static str, count: usize) {
        self.published.add(count as u64, &[KeyValue::new("service", service)]);
    }

    pub(crate) fn unpublished(&self, service: &'static str, reason: &'static str) {
        self.unpublished
            .add(1, &[KeyValue::new("service", service), KeyValue::new("reason", reason)]);
    }

    pub(crate) fn outbox(&self, service: &'static str, waiting: u64, oldest: Duration) {
        let service = [KeyValue::new("service", service)];
        self.waiting.record(waiting, &service);
        self.oldest.record(oldest.as_secs_f64(), &service);
    }

    pub(crate) fn unheard(&self, service: &'static str) {
        self.given_up.add(1, &[KeyValue::new("service", service)]);
    }

    pub(crate) fn handled(&self, group: &'static str, outcome: &'static str, count: usize) {
        self.handled
            .add(count as u64, &[KeyValue::new("group", group), KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn dead_letter(&self, group: &'static str, reason: &'static str) {
        self.dead_letters.add(1, &[KeyValue::new("group", group), KeyValue::new("reason", reason)]);
    }

    pub(crate) fn refused(&self) {
        self.refused.add(1, &[]);
    }

    pub(crate) fn batch(&self, group: &'static str, seconds: f64) {
        self.batch.record(seconds, &[KeyValue::new("group", group)]);
    }
}
