//! Log lines as JSON: one object a line, with the ids of the trace in which the event happened.
//!
//! `tracing_subscriber`'s own JSON has no trace id. The shape here is stable, since collectors index it:
//! `timestamp`, `level`, `target`, `message`, `trace_id`, `span_id` (both only inside a span), `fields`,
//! `spans` (outermost first, each `name` and `fields`).

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes each event as one line of JSON. To be used with [`JsonFields`] as the field format.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut seen = Fields::default();
        event.record(&mut seen);

        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        // An event that came over the `log` crate names its real origin in a field.
        let target = seen.take("log.target").unwrap_or_else(|| event.metadata().target().into());

        write!(writer, "{{\"timestamp\":{}", json(timestamp))?;
        write!(writer, ",\"level\":\"{}\"", event.metadata().level())?;
        write!(writer, ",\"target\":{target}")?;
        if let Some(message) = seen.take("message") {
            write!(writer, ",\"message\":{message}")?;
        }
        // The layer activates the context of the span that is entered: this is the innermost exported one.
        Context::map_current(|context| {
            let span = context.span();
            let ids = span.span_context();
            if ids.is_valid() {
                write!(
                    writer,
                    ",\"trace_id\":\"{}\",\"span_id\":\"{}\"",
                    ids.trace_id(),
                    ids.span_id()
                )?;
            }
            Ok::<(), fmt::Error>(())
        })?;
        if !seen.0.is_empty() {
            write!(writer, ",\"fields\":{}", Value::Object(seen.0))?;
        }
        if let Some(scope) = ctx.event_scope() {
            let mut first = true;
            for span in scope.from_root() {
                writer.write_str(if first { ",\"spans\":[" } else { "," })?;
                first = false;
                write!(writer, "{{\"name\":{}", json(span.name()))?;
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<FormattedFields<JsonFields>>()
                    && !fields.fields.is_empty()
                {
                    // Already JSON: the field format wrote it when the span was made.
                    write!(writer, ",\"fields\":{}", fields.fields)?;
                }
                writer.write_char('}')?;
            }
            if !first {
                writer.write_char(']')?;
            }
        }
        writer.write_str("}\n")
    }
}

fn json(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// The fields of one event, in the types that they came in.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        // `r#type = …` is written as the field `type`; `log.*` repeats what the metadata says.
        let name = name.strip_prefix("r#").unwrap_or(name);
        if name.starts_with("log.") && name != "log.target" {
            return;
        }
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The whole chain: `Display` of an error of ours does not repeat its source.
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.put(field, text);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn lines_of(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .with(
                tracing_subscriber::fmt::layer()
                    .fmt_fields(JsonFields::new())
                    .event_format(JsonLines)
                    .with_writer(lines.clone()),
            );
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap().clone();
        serde_json::Deserializer::from_slice(&bytes).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn a_line_inside_a_span_carries_the_ids_of_its_trace() {
        let lines = lines_of(|| {
            let span = tracing::info_span!("messaging.accept", tenant.id = "tenant_1");
            span.in_scope(|| tracing::info!(items = 3, "stored"));
        });
        let line = &lines[0];
        assert_eq!(line["message"], "stored");
        assert_eq!(line["fields"]["items"], 3);
        assert_eq!(line["spans"][0]["name"], "messaging.accept");
        assert_eq!(line["spans"][0]["fields"]["tenant.id"], "tenant_1");
        assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    }

    #[test]
    fn a_line_outside_a_span_has_no_ids() {
        let lines = lines_of(|| tracing::warn!("alone"));
        assert_eq!(lines[0]["level"], "WARN");
        assert!(lines[0].get("trace_id").is_none());
    }

    #[test]
    fn an_error_is_logged_with_its_causes_and_stays_on_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not read\nthe file")]
        struct Outer(#[source] io::Error);
        let lines = lines_of(|| {
            let error = Outer(io::Error::other("disk gone"));
            tracing::error!(error = &error as &dyn std::error::Error, "failed");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["fields"]["error"], "could not read\nthe file: disk gone");
    }
}
