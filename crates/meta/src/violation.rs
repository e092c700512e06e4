//! One broken rule of Meta's: which field, which limit, how large the value was, and the code that Meta would answer.
//!
//! A check collects all of them, so that a caller mends a message in one go. `field` is a path in Meta's own spelling
//! (`interactive.action.sections[0].rows[2].title`), so it points into the very body that was sent.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// A rule of Meta's that a body breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in Meta's spelling; empty for the body as a whole.
    pub field: String,
    /// What is wrong, the limit, and the size of what was given. Never the value itself.
    pub message: String,
    /// The code that Meta answers to it.
    pub code: i64,
    /// The subcode beside it, where Meta has one.
    pub subcode: Option<i64>,
}

impl Violation {
    /// A violation that Meta answers with error 100.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), code: 100, subcode: None }
    }

    /// A required value that is missing: Meta's 131008.
    pub fn missing(field: impl Into<String>) -> Self {
        let field = field.into();
        Self { message: format!("`{field}` is required"), field, code: 131_008, subcode: None }
    }

    /// The same with another code.
    #[must_use]
    pub fn code(mut self, code: i64) -> Self {
        self.code = code;
        self
    }

    /// The same with a subcode.
    #[must_use]
    pub fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// Length as Meta counts it: in characters, not bytes.
#[must_use]
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

/// Collects violations; each helper checks one kind of rule.
#[derive(Debug, Default)]
pub(crate) struct Violations(pub(crate) Vec<Violation>);

impl Violations {
    pub(crate) fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    pub(crate) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.push(Violation::new(field, message));
    }

    pub(crate) fn missing(&mut self, field: &str) {
        self.push(Violation::missing(field));
    }

    pub(crate) fn at_most(&mut self, field: &str, text: &str, max: usize) {
        let length = characters(text);
        if length > max {
            self.refuse(field, format!("is {length} characters long; Meta takes at most {max}"));
        }
        self.no_nul(field, text);
    }

    /// Meta takes U+0000 nowhere, and PostgreSQL can't store it.
    pub(crate) fn no_nul(&mut self, field: &str, text: &str) {
        if text.contains('\0') {
            self.refuse(field, "contains the character U+0000");
        }
    }

    pub(crate) fn required(&mut self, field: &str, text: &str, max: usize) {
        if text.trim().is_empty() { self.missing(field) } else { self.at_most(field, text, max) }
    }

    pub(crate) fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if count < min || count > max {
            self.refuse(field, format!("has {count} entries; Meta takes {min} to {max}"));
        }
    }

    pub(crate) fn web_address(&mut self, field: &str, url: &str) {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.refuse(field, "is not a web address that starts with https://");
        }
    }

    /// Reads `value` as a `T`. Where it does not fit, every member that is at fault is named, not the first alone.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, path: &str, value: &Value) -> Option<T> {
        match T::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let before = self.0.len();
                self.blame::<T>(path, value);
                if self.0.len() == before {
                    self.refuse(path, in_json(&error.to_string()));
                }
                None
            }
        }
    }

    /// All fields of the types read here have defaults, so a leaf that can't be read even when it stands alone is at fault by itself.
    fn blame<T: DeserializeOwned>(&mut self, path: &str, value: &Value) {
        const MOST_LEAVES: usize = 2_000;
        let mut leaves = Vec::new();
        collect_leaves(value, &mut Vec::new(), &mut leaves);
        for leaf in leaves.into_iter().take(MOST_LEAVES) {
            if let Err(error) = T::deserialize(&leaf.alone()) {
                self.refuse(&leaf.path(path), in_json(&error.to_string()));
            }
        }
    }
}

/// What a reader expected, in JSON's words: the names of our types say nothing to who sent it.
fn in_json(error: &str) -> String {
    match error.split_once("expected struct ") {
        Some((before, named)) => {
            let rest =
                named.split_once(' ').map(|(_, rest)| format!(" {rest}")).unwrap_or_default();
            format!("{before}expected an object{rest}")
        }
        None => error.to_owned(),
    }
}

#[derive(Clone)]
enum Step {
    Member(String),
    Item(usize),
}

struct Leaf {
    steps: Vec<Step>,
    value: Value,
}

impl Leaf {
    fn alone(&self) -> Value {
        self.steps.iter().rev().fold(self.value.clone(), |inner, step| match step {
            Step::Member(name) => Value::Object(Map::from_iter([(name.clone(), inner)])),
            Step::Item(_) => Value::Array(vec![inner]),
        })
    }

    fn path(&self, root: &str) -> String {
        self.steps.iter().fold(root.to_owned(), |path, step| match step {
            Step::Member(name) if path.is_empty() => name.clone(),
            Step::Member(name) => format!("{path}.{name}"),
            Step::Item(index) => format!("{path}[{index}]"),
        })
    }
}

fn collect_leaves(value: &Value, steps: &mut Vec<Step>, out: &mut Vec<Leaf>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, member) in map {
                steps.push(Step::Member(name.clone()));
                collect_leaves(member, steps, out);
                steps.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Item(index));
                collect_leaves(item, steps, out);
                steps.pop();
            }
        }
        leaf => out.push(Leaf { steps: steps.clone(), value: leaf.clone() }),
    }
}
