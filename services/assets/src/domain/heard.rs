//! Which of Meta's words is the newest. Deliveries come late, twice and in any order, and between them we read for
//! ourselves: the newest word on a field stands, whoever came first.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far Meta's clock and ours may lie apart, in microseconds: a delivery that Meta dates further before one of our
/// reads was known when that read was answered.
const SKEW_US: i64 = 300_000_000;

/// What a word is about; each has a history of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Field {
    Status,
    Category,
    Quality,
    Components,
    Name,
    Limit,
    Throughput,
}

impl Field {
    /// The word of the contract.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Category => "category",
            Self::Quality => "quality",
            Self::Components => "components",
            Self::Name => "name",
            Self::Limit => "limit",
            Self::Throughput => "throughput",
        }
    }
}

/// When Meta said something: its own time first, then when it reached us, then its place in the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) told_us: i64,
    pub(crate) heard_us: i64,
    pub(crate) place: u32,
}

/// The newest word on each field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Heard(BTreeMap<Field, Stamp>);

impl Heard {
    /// Reads what a row keeps; what does not read is nothing heard, so the next word stands.
    pub(crate) fn parse(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_default()
    }

    /// As a row keeps it.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes a word in; true where it is the newest on its field, and newer than our last read, so that it stands.
    pub(crate) fn take(&mut self, field: Field, stamp: Stamp, read_us: i64) -> bool {
        if self.0.get(&field).is_some_and(|newest| *newest >= stamp) {
            return false;
        }
        self.0.insert(field, stamp);
        stamp.heard_us >= read_us && stamp.told_us.saturating_add(SKEW_US) >= read_us
    }

    /// Whether a read that began then knows more of a field than the newest word.
    pub(crate) fn is_behind(&self, field: Field, began_us: i64) -> bool {
        self.0.get(&field).is_none_or(|newest| newest.heard_us < began_us)
    }
}

/// One change, for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) field: Field,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) reason: String,
}

impl Entry {
    /// A change from one word to another.
    pub(crate) fn new(field: Field, old: &str, new: &str, reason: &str) -> Self {
        Self { field, old: old.to_owned(), new: new.to_owned(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(told_s: i64, heard_s: i64) -> Stamp {
        Stamp { told_us: told_s * 1_000_000, heard_us: heard_s * 1_000_000, place: 0 }
    }

    #[test]
    fn an_older_word_that_comes_later_does_not_stand() {
        let mut heard = Heard::default();
        assert!(heard.take(Field::Status, stamp(20, 21), 0));
        assert!(!heard.take(Field::Status, stamp(10, 30), 0));
        assert!(heard.take(Field::Quality, stamp(10, 30), 0), "another field");
    }

    #[test]
    fn a_word_from_before_a_read_does_not_undo_the_read() {
        let read_us = 10_000 * 1_000_000;
        assert!(!Heard::default().take(Field::Status, stamp(9_990, 9_999), read_us));
        assert!(
            !Heard::default().take(Field::Status, stamp(9_000, 10_001), read_us),
            "a late delivery"
        );
        assert!(
            Heard::default().take(Field::Status, stamp(9_999, 10_001), read_us),
            "clocks differ"
        );
    }

    #[test]
    fn it_is_kept_as_text() {
        let mut heard = Heard::default();
        heard.take(Field::Limit, stamp(1, 2), 0);
        assert_eq!(Heard::parse(&heard.to_text()), heard);
        assert_eq!(Heard::parse("?"), Heard::default());
    }
}
