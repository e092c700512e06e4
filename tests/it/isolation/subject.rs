//! The things that somebody owns, by kind, and ids of things that never were.

use std::collections::BTreeMap;

use kernel::{
    clock::{SystemClock, WallClock},
    id::{Id, Kind, kind, prefix_of},
    ids::SystemIds,
};

/// One thing of each kind, and what is known of them: `waba`, `waba_meta`, `customer` …
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject(BTreeMap<String, String>);

impl Subject {
    pub(crate) fn set(&mut self, kind: &str, id: impl Into<String>) {
        self.0.insert(kind.to_owned(), id.into());
    }

    pub(crate) fn with(mut self, kind: &str, id: impl Into<String>) -> Self {
        self.set(kind, id);
        self
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    pub(crate) fn get(&self, kind: &str) -> &str {
        self.0
            .get(kind)
            .unwrap_or_else(|| panic!("the suite made no {kind} here; teach `world.rs`"))
    }

    /// Every kind and value.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(kind, id)| (kind.as_str(), id.as_str()))
    }
}

/// An id of the same kind that nobody ever had.
pub(crate) fn never_was(like: &str) -> String {
    fn fresh<K: Kind>() -> String {
        Id::<K>::mint(&SystemIds::new(), WallClock::now(&SystemClock)).to_string()
    }
    let prefix = prefix_of(like).unwrap_or_else(|| panic!("{like} is no id of ours"));
    match prefix {
        "tenant" => fresh::<kind::Tenant>(),
        "partner" => fresh::<kind::Partner>(),
        "waba" => fresh::<kind::Waba>(),
        "number" => fresh::<kind::Number>(),
        "template" => fresh::<kind::Template>(),
        "message" => fresh::<kind::Message>(),
        "contact" => fresh::<kind::Contact>(),
        "conversation" => fresh::<kind::Conversation>(),
        "onboarding" => fresh::<kind::Onboarding>(),
        "invitation" => fresh::<kind::Invitation>(),
        "user" => fresh::<kind::User>(),
        "key" => fresh::<kind::Key>(),
        "session" => fresh::<kind::Session>(),
        "quarantine" => fresh::<kind::Quarantine>(),
        "deadletter" => fresh::<kind::DeadLetter>(),
        other => panic!("no id of kind {other} was ever attacked; teach `never_was`"),
    }
}
