//! What the store counts: begins that met a stale transaction, units that ran again, group commits.
//!
//! Labels are the service's name alone, never an id.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

pub(crate) struct Metrics {
    labels: [KeyValue; 1],
    stale: Counter<u64>,
    retries: Counter<u64>,
    group: Histogram<u64>,
}

impl Metrics {
    pub(crate) fn new(service: &'static str) -> Self {
        let meter = telemetry::meter("store");
        let metrics = Self {
            labels: [KeyValue::new("service", service)],
            stale: meter
                .u64_counter("store.stale_transactions")
                .with_description("Connections closed because a transaction was open on them")
                .build(),
            retries: meter
                .u64_counter("store.retries")
                .with_description("Units run again after a conflict between transactions")
                .build(),
            group: meter
                .u64_histogram("store.group_commit_items")
                .with_description("Items that shared one commit")
                .build(),
        };
        metrics.stale.add(0, &metrics.labels);
        metrics.retries.add(0, &metrics.labels);
        metrics
    }

    pub(crate) fn stale(&self) {
        self.stale.add(1, &self.labels);
    }

    pub(crate) fn retry(&self) {
        self.retries.add(1, &self.labels);
    }

    pub(crate) fn group(&self, items: usize) {
        self.group.record(u64::try_from(items).unwrap_or(u64::MAX), &self.labels);
    }
}
