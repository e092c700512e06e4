//! What every process says about itself: log lines, traces and metrics, and the W3C context that joins the
//! traces of several processes into one.
//!
//! Promises: one [`init`] wires the log (pretty or JSON lines with `trace_id` and `span_id`), OTLP export of
//! traces, metrics and logs when an endpoint is configured, and the Prometheus registry behind `/metrics`,
//! which reads the same instruments as the OTLP export. Trace ids exist without an endpoint too, so a
//! `traceparent` that is stored with a row is always real.
//!
//! Leaves to others: what must not be said. Secrets and personal data hide themselves in their own types
//! (`kernel`); nothing here looks into a field.
//!
//! A process that dies loses what was not exported yet (five seconds of spans at most); nothing depends on it.

pub mod config;
mod format;
mod init;
pub mod metrics;
pub mod propagation;

pub use config::{Format, TelemetryConfig};
pub use format::JsonLines;
pub use init::{Error, Guard, init};
pub use metrics::{DURATION_BUCKETS, meter, registry, render_metrics};
pub use opentelemetry::{Context, KeyValue};
