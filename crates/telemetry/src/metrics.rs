//! Meters of the process: one provider, read by `/metrics` and, where configured, by OTLP.
//!
//! Instruments are made once a crate, in its `metrics.rs`, with help text and unit (an instrument without help
//! fails `promtool check metrics`), and labels from closed sets. A counter that an alert reads adds 0 at start:
//! what was never used is not shown.

use std::sync::OnceLock;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};

/// Bounds in seconds for histograms of durations; the library's own are meant for milliseconds.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static REGISTRY: OnceLock<Registry> = OnceLock::new();
static PROVIDER: OnceLock<SdkMeterProvider> = OnceLock::new();

/// The registry behind `/metrics`.
pub fn registry() -> Registry {
    REGISTRY.get_or_init(Registry::new).clone()
}

/// The meter of a crate. Before `init` a provider for `/metrics` alone is made, so that tests see their metrics.
pub fn meter(name: &'static str) -> Meter {
    provider().meter(name)
}

fn provider() -> &'static SdkMeterProvider {
    PROVIDER.get_or_init(|| with_scrape(SdkMeterProvider::builder()).build())
}

/// Makes the process's provider with what `extend` adds to it; false if one was made before.
pub(crate) fn install(
    resource: Resource,
    extend: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder,
) -> bool {
    let mut made = false;
    let provider = PROVIDER.get_or_init(|| {
        made = true;
        extend(with_scrape(SdkMeterProvider::builder().with_resource(resource))).build()
    });
    opentelemetry::global::set_meter_provider(provider.clone());
    made
}

pub(crate) fn installed() -> Option<&'static SdkMeterProvider> {
    PROVIDER.get()
}

fn with_scrape(builder: MeterProviderBuilder) -> MeterProviderBuilder {
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry())
        .scope_info_enabled(false)
        .build();
    match exporter {
        Ok(reader) => builder.with_reader(reader),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "metrics cannot be scraped");
            builder
        }
    }
}

/// All metrics in Prometheus' text format, with its content type.
pub fn render_metrics() -> (String, String) {
    let encoder = TextEncoder::new();
    let text = encoder.encode_to_string(&registry().gather()).unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "metrics cannot be rendered");
        String::new()
    });
    (encoder.format_type().to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_rendered_with_help_and_its_zero() {
        let counter = meter("telemetry_test")
            .u64_counter("switchboard.test.things")
            .with_description("Things that a test counted.")
            .build();
        counter.add(0, &[]);
        let (kind, text) = render_metrics();
        assert!(kind.starts_with("text/plain"), "{kind}");
        assert!(text.contains("# HELP switchboard_test_things_total Things that a test counted."));
        assert!(text.contains("switchboard_test_things_total 0"), "{text}");
    }
}
