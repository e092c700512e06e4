//! Spans that a collector was sent, as trees.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use opentelemetry_proto::tonic::trace::v1::Span;
use testkit::otlp::{Received, Sent, attribute};

/// A span and the process that made it.
pub(crate) type Traced = Sent<Span>;

/// The spans of one trace that have come in, by the id of each.
#[derive(Debug, Default)]
pub(crate) struct Trace(BTreeMap<String, Traced>);

/// `traceparent` of a span that is sampled.
pub(crate) fn traceparent(trace: &str, span: &str) -> String {
    format!("00-{trace}-{span}-01")
}

/// The text of an attribute of a span.
pub(crate) fn said(span: &Traced, name: &str) -> String {
    attribute(&span.what.attributes, name)
}

impl Trace {
    /// Those of the trace with this id, in hex.
    pub(crate) fn of(received: &Received, id: &str) -> Self {
        let spans = received.spans().into_iter().filter(|s| hex::encode(&s.what.trace_id) == id);
        Self(spans.map(|span| (hex::encode(&span.what.span_id), span)).collect())
    }

    /// Spans of a name, in the order in which they began.
    pub(crate) fn named(&self, name: &str) -> Vec<&Traced> {
        let mut found: Vec<_> = self.0.values().filter(|span| span.what.name == name).collect();
        found.sort_by_key(|span| span.what.start_time_unix_nano);
        found
    }

    /// Names from the outermost span that is known down to this one.
    pub(crate) fn path(&self, span: &Traced) -> Vec<&str> {
        let mut names = Vec::new();
        let mut at = self.0.get(&hex::encode(&span.what.span_id));
        while let Some(span) = at {
            names.push(span.what.name.as_str());
            at = self.0.get(&hex::encode(&span.what.parent_span_id));
        }
        names.reverse();
        names
    }

    /// The trace as people read it: each span below its parent, with its process, duration and links.
    pub(crate) fn tree(&self) -> String {
        let known: BTreeSet<&String> = self.0.keys().collect();
        let mut children: BTreeMap<String, Vec<&Traced>> = BTreeMap::new();
        for span in self.0.values() {
            let parent = hex::encode(&span.what.parent_span_id);
            let parent = if known.contains(&parent) { parent } else { String::new() };
            children.entry(parent).or_default().push(span);
        }
        for spans in children.values_mut() {
            spans.sort_by_key(|span| span.what.start_time_unix_nano);
        }
        let mut text = String::new();
        below("", 0, &children, &mut text);
        text
    }
}

fn below(parent: &str, depth: usize, all: &BTreeMap<String, Vec<&Traced>>, text: &mut String) {
    for span in all.get(parent).into_iter().flatten() {
        let Span { name, span_id, start_time_unix_nano, end_time_unix_nano, links, .. } =
            &span.what;
        let took = std::time::Duration::from_nanos(end_time_unix_nano - start_time_unix_nano);
        let indented = format!("{:1$}{name}", "", depth * 2);
        let process = format!("{} {}", span.service, span.instance);
        let links: Vec<_> = links.iter().map(|link| hex::encode(&link.span_id)).collect();
        let links =
            if links.is_empty() { String::new() } else { format!("  -> {}", links.join(", ")) };
        writeln!(text, "{indented:<70} {process:<24} {took:>9.1?}{links}").expect("text");
        below(&hex::encode(span_id), depth + 1, all, text);
    }
}
