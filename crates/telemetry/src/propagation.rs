//! W3C trace context over HTTP, gRPC and AMQP: one trace from a mutation to the status webhook.
//!
//! gRPC metadata travels as HTTP headers, so the pair for headers serves both. Rows keep a `traceparent` as
//! text. A context that does not parse is no context: it never fails a call.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACEPARENT: &str = "traceparent";

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

struct HeadersRead<'a>(&'a HeaderMap);

impl Extractor for HeadersRead<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct MapWrite<'a>(&'a mut BTreeMap<String, String>);

impl Injector for MapWrite<'_> {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value);
        }
    }
}

struct MapRead<'a>(&'a BTreeMap<String, String>);

impl Extractor for MapRead<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct One<'a>(&'a str);

impl Extractor for One<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }
    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The context in which the caller runs: that of the innermost span that is exported.
fn current() -> Context {
    let active = Context::current();
    if active.span().span_context().is_valid() { active } else { Span::current().context() }
}

/// Writes the current trace context into the headers of an outgoing call.
pub fn inject_http(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&current(), &mut Headers(headers));
}

/// The caller's trace context from the headers of an incoming call; empty if there is none.
pub fn extract_http(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeadersRead(headers))
}

/// Writes the current trace context into the headers of a message.
pub fn inject_map(headers: &mut BTreeMap<String, String>) {
    TraceContextPropagator::new().inject_context(&current(), &mut MapWrite(headers));
}

/// The sender's trace context from the headers of a message; empty if there is none.
pub fn extract_map(headers: &BTreeMap<String, String>) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &MapRead(headers))
}

/// The current trace context as a `traceparent`, to be kept with a row.
pub fn current_traceparent() -> Option<String> {
    let mut headers = BTreeMap::new();
    inject_map(&mut headers);
    headers.remove(TRACEPARENT)
}

/// The id of the current trace, for error records that a person will look up.
pub fn current_trace_id() -> Option<String> {
    let context = current();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| ids.trace_id().to_string())
}

/// The context that a kept `traceparent` names; empty if it does not parse.
pub fn parent_from(traceparent: &str) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &One(traceparent))
}

/// Makes `parent` the parent of `span`, which must not have been entered yet. An empty context changes nothing.
pub fn set_parent(span: &Span, parent: Context) {
    if parent.span().span_context().is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::trace!(error = ?error, "span keeps its own parent");
    }
}

/// Links `span` to the span that a kept `traceparent` names: related, but not its parent.
pub fn link(span: &Span, traceparent: &str) {
    let context = parent_from(traceparent);
    let other = context.span().span_context().clone();
    if other.is_valid() {
        span.add_link(other);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traced<T>(work: impl FnOnce() -> T) -> T {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
        tracing::subscriber::with_default(subscriber, work)
    }

    #[test]
    fn one_trace_id_runs_from_headers_through_a_span_into_headers() {
        let sent = traced(|| {
            let mut incoming = HeaderMap::new();
            incoming.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
            let span = tracing::info_span!("call");
            set_parent(&span, extract_http(&incoming));
            span.in_scope(|| {
                let mut outgoing = HeaderMap::new();
                inject_http(&mut outgoing);
                outgoing[TRACEPARENT].to_str().unwrap().to_owned()
            })
        });
        assert!(sent.contains("0af7651916cd43dd8448eb211c80319c"), "{sent}");
        assert!(!sent.contains("b7ad6b7169203331"), "the span has an id of its own: {sent}");
    }

    #[test]
    fn a_kept_traceparent_joins_a_later_span_to_the_same_trace() {
        traced(|| {
            let kept = tracing::info_span!("accept").in_scope(current_traceparent).unwrap();
            let settle = tracing::info_span!("settle");
            set_parent(&settle, parent_from(&kept));
            let later = settle.in_scope(current_traceparent).unwrap();
            assert_eq!(kept.split('-').nth(1), later.split('-').nth(1));
        });
    }

    #[test]
    fn nonsense_is_no_context() {
        for text in ["", "00-xyz", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(!parent_from(text).span().span_context().is_valid(), "{text}");
        }
        assert_eq!(current_traceparent(), None);
    }

    #[test]
    fn message_headers_carry_the_context_both_ways() {
        traced(|| {
            let mut headers = BTreeMap::new();
            tracing::info_span!("publish").in_scope(|| inject_map(&mut headers));
            assert!(extract_map(&headers).span().span_context().is_valid());
        });
    }
}
