//! What listeners measure.

use std::sync::LazyLock;
use std::time::Duration;

use http::{Method, StatusCode};
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use telemetry::{DURATION_BUCKETS, KeyValue};

struct Instruments {
    http: Histogram<f64>,
    rpc: Histogram<f64>,
    connections: UpDownCounter<i64>,
    connections_refused: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = telemetry::meter("net");
    Instruments {
        http: meter
            .f64_histogram("http.server.request.duration")
            .with_description("Time from the head of a request to the head of its answer.")
            .with_unit("s")
            .with_boundaries(DURATION_BUCKETS.to_vec())
            .build(),
        rpc: meter
            .f64_histogram("rpc.server.call.duration")
            .with_description("Time from the head of a call to the end of its answer.")
            .with_unit("s")
            .with_boundaries(DURATION_BUCKETS.to_vec())
            .build(),
        connections: meter
            .i64_up_down_counter("switchboard.connections.open")
            .with_description("Connections that are open, by listener.")
            .build(),
        connections_refused: meter
            .u64_counter("switchboard.connections.refused")
            .with_description("Connections that were closed at once, since their peer had as many as it may, by listener.")
            .build(),
    }
});

/// The method as a label: a closed set, since a client may send any word.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub(crate) fn http_request(
    listener: &'static str,
    method: &Method,
    status: StatusCode,
    took: Duration,
) {
    INSTRUMENTS.http.record(
        took.as_secs_f64(),
        &[
            KeyValue::new("listener", listener),
            KeyValue::new("method", method_label(method)),
            KeyValue::new("status", i64::from(status.as_u16())),
        ],
    );
}

/// `method` is one that we serve: the caller passes no path that nobody answered.
pub(crate) fn rpc(method: &str, code: &'static str, took: Duration) {
    INSTRUMENTS.rpc.record(
        took.as_secs_f64(),
        &[KeyValue::new("method", method.to_owned()), KeyValue::new("code", code)],
    );
}

/// Counts a connection for as long as it is held.
pub(crate) fn connection(listener: &'static str) -> Open {
    INSTRUMENTS.connections.add(1, &[KeyValue::new("listener", listener)]);
    Open(listener)
}

pub(crate) fn connection_refused(listener: &'static str) {
    INSTRUMENTS.connections_refused.add(1, &[KeyValue::new("listener", listener)]);
}

pub(crate) struct Open(&'static str);

impl Drop for Open {
    fn drop(&mut self) {
        INSTRUMENTS.connections.add(-1, &[KeyValue::new("listener", self.0)]);
    }
}
