//! What the judge of calls and the keepers of keys measure.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use telemetry::KeyValue;

struct Instruments {
    refused: Counter<u64>,
    refreshes: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = telemetry::meter("server");
    Instruments {
        refused: meter
            .u64_counter("switchboard.calls.refused")
            .with_description("Calls that were refused before their handler, by reason.")
            .build(),
        refreshes: meter
            .u64_counter("switchboard.security.refreshes")
            .with_description("Fetches of keys, tokens and revocations, by what and outcome.")
            .build(),
    }
});

pub(crate) fn refused(reason: &'static str) {
    INSTRUMENTS.refused.add(1, &[KeyValue::new("reason", reason)]);
}

pub(crate) fn refreshed(what: &'static str, ok: bool) {
    let outcome = if ok { "ok" } else { "failed" };
    INSTRUMENTS.refreshes.add(1, &[KeyValue::new("what", what), KeyValue::new("outcome", outcome)]);
}
