//! Wires the process's subscriber, once.
//!
//! A second call (a test that installed a subscriber of its own, `dev` after a service) changes nothing of the
//! log and does not fail. Exporters need the tokio runtime in which `init` is called.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::{Format, TelemetryConfig};
use crate::format::JsonLines;
use crate::metrics;

/// What traces and exported logs leave out: the exporter's own libraries, which would feed on themselves (one
/// exported span makes hundreds of theirs), and statements, which hold values.
const EXPORTED: &str = "info,h2=off,hyper=off,hyper_util=off,tonic=off,tower=off,tower_http=off,\
                        reqwest=off,rustls=off,opentelemetry=off,opentelemetry_sdk=off,\
                        opentelemetry_otlp=off,sqlx=warn,sea_orm=warn";

/// How long the last export may take when the process ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setting `telemetry.log` is no filter.
    #[error("telemetry.log is no filter such as `info` or `info,messaging=debug`")]
    Filter(#[source] ParseError),
    /// The setting `telemetry.otlp_endpoint` is unusable.
    #[error("telemetry.otlp_endpoint is not usable; expected a URL such as http://collector:4317")]
    Endpoint(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// Holds the exporters. What is still in memory is sent by [`Guard::shutdown`].
#[derive(Debug)]
#[must_use = "what is not flushed at the end is lost"]
pub struct Guard {
    traces: SdkTracerProvider,
    logs: Option<SdkLoggerProvider>,
    exports: bool,
}

impl Guard {
    /// Sends what is still in memory, then stops exporting; waits a few seconds at most.
    pub async fn shutdown(self) {
        if !self.exports {
            return;
        }
        // The exporters' threads talk through this runtime: waiting for them must not occupy it.
        let flushed = tokio::task::spawn_blocking(move || {
            let mut failed = Vec::new();
            failed.extend(self.traces.shutdown_with_timeout(FLUSH).err());
            if let Some(meters) = metrics::installed() {
                failed.extend(meters.force_flush().err());
            }
            if let Some(logs) = self.logs {
                failed.extend(logs.shutdown_with_timeout(FLUSH).err());
            }
            failed
        });
        let Ok(Ok(failed)) = tokio::time::timeout(FLUSH * 3, flushed).await else {
            tracing::warn!("telemetry was not flushed in time");
            return;
        };
        for error in failed {
            tracing::warn!(error = &error as &dyn std::error::Error, "telemetry was not flushed");
        }
    }
}

/// Sets up log, traces and metrics for the process `service`, of which this is `instance`.
pub fn init(config: &TelemetryConfig, service: &str, instance: &str) -> Result<Guard, Error> {
    let log = EnvFilter::builder().parse(&config.log).map_err(Error::Filter)?;
    let name = config.service.clone().unwrap_or_else(|| service.to_owned());
    let resource = Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();

    let mut traces = SdkTracerProvider::builder().with_resource(resource.clone()).with_sampler(
        Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio))),
    );
    let mut logs = None;
    if let Some(endpoint) = config.otlp_endpoint.as_deref().filter(|e| !e.is_empty()) {
        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(Error::Endpoint)?;
        let meters = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(Error::Endpoint)?;
        let lines = opentelemetry_otlp::LogExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(Error::Endpoint)?;
        traces = traces.with_batch_exporter(spans);
        logs = Some(
            SdkLoggerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(lines)
                .build(),
        );
        let every = Duration::from_secs(config.metrics_interval_seconds.max(1));
        let reader = PeriodicReader::builder(meters).with_interval(every).build();
        metrics::install(resource, |builder| builder.with_reader(reader));
    } else {
        metrics::install(resource, |builder| builder);
    }
    let traces = traces.build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_tracer_provider(traces.clone());

    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("switchboard"))
            .with_location(false)
            .with_threads(false)
            .with_filter(exported())
            .boxed(),
    ];
    if let Some(logs) = &logs {
        layers.push(OpenTelemetryTracingBridge::new(logs).with_filter(exported()).boxed());
    }
    layers.push(match config.format {
        Format::Pretty => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_filter(log)
            .boxed(),
        Format::Json => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .with_filter(log)
            .boxed(),
    });
    let exports = logs.is_some();
    if let Err(error) = tracing_subscriber::registry().with(layers).try_init() {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a subscriber was installed before; it stays"
        );
    }
    log_panics();
    Ok(Guard { traces, logs, exports })
}

fn exported() -> EnvFilter {
    EnvFilter::new(EXPORTED)
}

/// A panic is logged with its place. Its text only where it is a literal: a formatted one may hold values
/// (SEC-6); a debug build prints it all, for whoever runs a test.
fn log_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let text = info.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
            tracing::error!(place, text, "panicked");
            if cfg!(debug_assertions) {
                before(info);
            }
        }));
    });
}
