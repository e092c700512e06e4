//! What the gateway measures.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use telemetry::KeyValue;

use crate::admission::Limit;

static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let refused = telemetry::meter("gateway")
        .u64_counter("switchboard.admission.refused")
        .with_description("What was refused since its caller had as much as it may, by limit.")
        .build();
    // Alerts compare with what was before.
    for limit in Limit::ALL {
        refused.add(0, &[KeyValue::new("limit", limit.as_str())]);
    }
    refused
});

/// Makes the metrics, so that they are there before anything is refused.
pub(crate) fn register() {
    LazyLock::force(&REFUSED);
}

pub(crate) fn refused(limit: Limit) {
    REFUSED.add(1, &[KeyValue::new("limit", limit.as_str())]);
}
