//! The check itself: callers' answers, our history and the sandbox's ledger must tell one story.
//!
//! It is a pure function over what was collected, so that planted faults prove that it can fail.

use std::collections::{BTreeMap, BTreeSet};

/// What was collected at the end of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    /// Ids that a caller was given.
    pub(crate) given: BTreeSet<String>,
    /// Our history: id to (status, failure reason).
    pub(crate) history: BTreeMap<String, (String, String)>,
    /// One entry a POST that the sandbox took: our id (`biz_opaque_callback_data`) and whether it was taken (HTTP 200).
    pub(crate) ledger: Vec<(String, bool)>,
    /// The sandbox's last word on each message: our id to status.
    pub(crate) meta: BTreeMap<String, String>,
    /// Wamids of the inbound messages that the sandbox sent.
    pub(crate) inbound_sent: BTreeSet<String>,
    /// Wamids of the inbound messages that are stored, once an occurrence.
    pub(crate) inbound_stored: Vec<String>,
    /// Kills in this run.
    pub(crate) kills: usize,
}

/// At most this many messages may be unsettled a kill (DEL-1).
const UNKNOWN_A_KILL: usize = 64;

/// Everything that does not hold; empty means the story is whole.
pub(crate) fn faults(story: &Story) -> Vec<String> {
    let mut faults = Vec::new();
    for id in &story.given {
        if !story.history.contains_key(id) {
            faults.push(format!("{id} was given to a caller and is not in the history"));
        }
    }
    let taken: Vec<&String> = story.ledger.iter().filter(|(_, ok)| *ok).map(|(id, _)| id).collect();
    let in_ledger: BTreeSet<&String> = taken.iter().copied().collect();
    if in_ledger.len() != taken.len() {
        let mut seen = BTreeSet::new();
        let doubles: Vec<_> = taken.iter().filter(|id| !seen.insert(**id)).collect();
        faults.push(format!("sent twice: {doubles:?}"));
    }
    for id in &in_ledger {
        if !story.given.contains(*id) {
            faults.push(format!("{id} is in the ledger and no caller was given it"));
        }
    }
    let failed = |reason: fn(&str) -> bool| -> BTreeSet<&String> {
        let rows =
            story.history.iter().filter(|(_, (status, why))| status == "FAILED" && reason(why));
        rows.map(|(id, _)| id).filter(|id| story.given.contains(*id)).collect()
    };
    let unknown = failed(|why| why.eq_ignore_ascii_case("outcome_unknown"));
    let local = failed(|why| {
        !why.eq_ignore_ascii_case("outcome_unknown") && !why.eq_ignore_ascii_case("meta")
    });
    if unknown.len() > UNKNOWN_A_KILL * story.kills {
        faults.push(format!("{} of unknown outcome after {} kills", unknown.len(), story.kills));
    }
    for id in unknown.iter().filter(|id| in_ledger.contains(**id)) {
        faults.push(format!("{id} is in the ledger, yet its outcome was called unknown"));
    }
    let expected = story.given.len() - local.len() - unknown.len();
    if in_ledger.len() != expected {
        faults.push(format!(
            "{} ids in the ledger, expected {expected} = {} given − {} failed locally − {} unknown",
            in_ledger.len(),
            story.given.len(),
            local.len(),
            unknown.len()
        ));
    }
    for (id, (status, why)) in story.history.iter().filter(|(id, _)| story.given.contains(*id)) {
        if unknown.contains(id) || local.contains(id) {
            continue;
        }
        match story.meta.get(id) {
            Some(word) if word.eq_ignore_ascii_case(status) => {}
            other => faults.push(format!("{id} is {status} {why} here and {other:?} at Meta's")),
        }
    }
    let stored: BTreeSet<&String> = story.inbound_stored.iter().collect();
    if stored.len() != story.inbound_stored.len() {
        faults.push("an inbound message is stored twice".to_owned());
    }
    for wamid in &story.inbound_sent {
        if !stored.contains(wamid) {
            faults.push(format!("inbound {wamid} was sent and is not stored"));
        }
    }
    faults
}

/// A whole story of three messages and one inbound.
fn whole() -> Story {
    let given: BTreeSet<String> = ["a", "b", "c"].map(str::to_owned).into();
    Story {
        history: given
            .iter()
            .map(|id| (id.clone(), ("DELIVERED".to_owned(), String::new())))
            .collect(),
        ledger: given.iter().map(|id| (id.clone(), true)).collect(),
        meta: given.iter().map(|id| (id.clone(), "delivered".to_owned())).collect(),
        given,
        inbound_sent: ["w".to_owned()].into(),
        inbound_stored: vec!["w".to_owned()],
        kills: 1,
    }
}

#[test]
fn a_whole_story_passes_the_check() {
    assert_eq!(faults(&whole()), Vec::<String>::new());
}

#[test]
fn a_double_post_fails_the_check() {
    let mut story = whole();
    story.ledger.push(("a".to_owned(), true));
    assert!(!faults(&story).is_empty());
}

#[test]
fn a_dropped_message_fails_the_check() {
    let mut story = whole();
    story.ledger.retain(|(id, _)| id != "b");
    assert!(!faults(&story).is_empty());
}

#[test]
fn a_dropped_inbound_fails_the_check() {
    let mut story = whole();
    story.inbound_stored.clear();
    assert!(!faults(&story).is_empty());
}

#[test]
fn a_status_other_than_metas_fails_the_check() {
    let mut story = whole();
    story.meta.insert("c".to_owned(), "failed".to_owned());
    assert!(!faults(&story).is_empty());
}

#[test]
fn an_unknown_outcome_that_the_ledger_knows_fails_the_check() {
    let mut story = whole();
    story.history.insert("a".to_owned(), ("FAILED".to_owned(), "outcome_unknown".to_owned()));
    assert!(!faults(&story).is_empty());
}
