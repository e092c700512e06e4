//! Facts and counts. A thing is counted once, however late or often it is told: by its message and its measure.
//! Told in two ways, it counts in the surer one, whichever came first (I7).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kernel::time::Timestamp;
use uuid::Uuid;

/// Width of a stored bucket: days and hours of every zone on earth are whole multiples of it.
pub(crate) const BUCKET_US: i64 = 15 * 60 * 1_000_000;

/// Begins a reason that is Meta's; its code follows.
pub(crate) const META: &str = "meta:";

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Measure {
    /// Meta took it (its 200).
    Accepted,
    Sent,
    Delivered,
    Read,
    Failed,
    /// A customer wrote.
    Received,
}

impl Measure {
    /// The stored and the shown word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Received => "received",
        }
    }

    /// The measure of a message's step; `None` for steps that are not counted.
    pub(crate) fn of_step(step: &str) -> Option<Self> {
        let counted = [Self::Accepted, Self::Sent, Self::Delivered, Self::Read, Self::Failed];
        counted.into_iter().find(|measure| measure.as_str() == step)
    }

    /// The measure of a stored word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        if word == Self::Received.as_str() { Some(Self::Received) } else { Self::of_step(word) }
    }
}

/// One counted thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) waba: Uuid,
    pub(crate) number: Uuid,
    pub(crate) message: Uuid,
    pub(crate) measure: Measure,
    /// Template category in Meta's word, `service` for anything else; empty while unknown.
    pub(crate) category: String,
    pub(crate) origin: String,
    /// Why it failed: a word of ours, or `meta:<code>`; empty for all else.
    pub(crate) reason: String,
    /// When it happened: Meta's timestamp where Meta told it.
    pub(crate) at: Timestamp,
}

impl Fact {
    /// Whether it, rather than `other`, is how their common thing counts: Meta's reason before ours, which a deadline
    /// gave without knowing, then the earlier one. Two that are equal in all of it count the same.
    pub(crate) fn is_surer_than(&self, other: &Self) -> bool {
        fn rank(fact: &Fact) -> impl Ord + '_ {
            let is_metas = fact.reason.starts_with(META);
            (is_metas, Reverse((fact.at, &fact.reason, &fact.category, &fact.origin)))
        }
        rank(self) > rank(other)
    }

    /// Start of the 15 minutes that it falls into.
    pub(crate) fn bucket_us(&self) -> i64 {
        self.at.as_micros().div_euclid(BUCKET_US) * BUCKET_US
    }
}

/// The key of one stored count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) tenant: Uuid,
    pub(crate) waba: Uuid,
    pub(crate) number: Uuid,
    pub(crate) bucket_us: i64,
    pub(crate) measure: Measure,
    pub(crate) category: String,
    pub(crate) origin: String,
    pub(crate) reason: String,
}

/// Adds facts up to counts, in a fixed order so that two writers never wait for each other in a ring.
pub(crate) fn add_up<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> BTreeMap<Cell, i64> {
    let mut cells = BTreeMap::new();
    for fact in facts {
        let cell = Cell {
            tenant: fact.tenant,
            waba: fact.waba,
            number: fact.number,
            bucket_us: fact.bucket_us(),
            measure: fact.measure,
            category: fact.category.clone(),
            origin: fact.origin.clone(),
            reason: fact.reason.clone(),
        };
        *cells.entry(cell).or_insert(0) += 1;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(at_us: i64, measure: Measure) -> Fact {
        Fact {
            id: Uuid::nil(),
            tenant: Uuid::nil(),
            waba: Uuid::nil(),
            number: Uuid::nil(),
            message: Uuid::nil(),
            measure,
            category: "utility".to_owned(),
            origin: "api".to_owned(),
            reason: String::new(),
            at: Timestamp::from_micros(at_us),
        }
    }

    #[test]
    fn facts_of_one_quarter_of_an_hour_share_a_cell() {
        let facts = [
            fact(0, Measure::Sent),
            fact(BUCKET_US - 1, Measure::Sent),
            fact(BUCKET_US, Measure::Sent),
        ];
        let counts: Vec<_> =
            add_up(&facts).into_iter().map(|(cell, n)| (cell.bucket_us, n)).collect();
        assert_eq!(counts, [(0, 2), (BUCKET_US, 1)]);
    }

    #[test]
    fn metas_reason_is_surer_than_ours_and_the_earlier_one_than_the_later() {
        let failed = |reason: &str, at_us| Fact {
            reason: reason.to_owned(),
            ..fact(at_us, Measure::Failed)
        };
        let ours = failed("outcome_unknown", 0);
        let (metas, later) = (failed("meta:131026", 1), failed("meta:131047", 2));
        assert!(metas.is_surer_than(&ours) && !ours.is_surer_than(&metas));
        assert!(metas.is_surer_than(&later) && !later.is_surer_than(&metas));
        assert!(!metas.is_surer_than(&metas));
    }

    #[test]
    fn a_time_before_1970_falls_into_the_bucket_that_holds_it() {
        assert_eq!(fact(-1, Measure::Read).bucket_us(), -BUCKET_US);
    }

    #[test]
    fn steps_that_nobody_counts_have_no_measure() {
        for step in ["queued", "claimed", "unknown", "accepted_by_us", "cancelled", "received", ""]
        {
            assert_eq!(Measure::of_step(step), None, "{step}");
        }
    }

    #[test]
    fn every_measure_reads_back() {
        for measure in [
            Measure::Accepted,
            Measure::Sent,
            Measure::Delivered,
            Measure::Read,
            Measure::Failed,
            Measure::Received,
        ] {
            assert_eq!(Measure::parse(measure.as_str()), Some(measure));
        }
    }
}
