//! Settings of the telemetry: section `telemetry` of every configuration.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For a person at a terminal.
    Pretty,
    /// One JSON object a line, for a log collector.
    #[default]
    Json,
}

/// What is logged, and where traces, metrics and logs are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct TelemetryConfig {
    /// Filter of the log in the syntax of `tracing`: `info`, or `info,messaging=debug`.
    pub log: String,
    /// How log lines look.
    pub format: Format,
    /// Where OTLP over gRPC goes, such as `http://collector:4317`; absent: nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// `service.name` of what is exported; absent: the name that the process gives itself.
    pub service: Option<String>,
    /// Share of traces that begin here and are kept, 0 to 1. A caller's own decision is always followed.
    #[garde(range(min = 0.0, max = 1.0))]
    pub trace_ratio: f64,
    /// Seconds between two exports of the metrics.
    #[garde(range(min = 1))]
    pub metrics_interval_seconds: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            format: Format::Json,
            otlp_endpoint: None,
            service: None,
            trace_ratio: 1.0,
            metrics_interval_seconds: 15,
        }
    }
}
