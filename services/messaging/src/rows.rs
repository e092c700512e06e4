//! Entities and queries: the only folder that names the database layer. Rows turn into what the domain
//! knows here, and what does not turn is named.

pub(crate) mod attempt;
pub(crate) mod contact;
pub(crate) mod contact_key;
pub(crate) mod contact_merge;
pub(crate) mod contact_waba;
pub(crate) mod conversation;
pub(crate) mod key;
pub(crate) mod message;
pub(crate) mod meta_id;
pub(crate) mod number_health;
pub(crate) mod number_state;
pub(crate) mod orphan_status;
pub(crate) mod quota_use;
pub(crate) mod retention;
pub(crate) mod sender;
pub(crate) mod state;
pub(crate) mod status_seen;
pub(crate) mod step;
pub(crate) mod template_state;
pub(crate) mod tenant_state;
pub(crate) mod view;
pub(crate) mod waba_state;
pub(crate) mod waba_stop;

use kernel::time::Timestamp;

/// An instant out of a column.
pub(crate) const fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// An instant out of a column that may be empty.
pub(crate) fn maybe_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// An instant for a column that may be empty.
pub(crate) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

/// A row's id out of what it stands in JSON as, for the batch changes that go to the database as one
/// JSON text: both databases turn it into rows, so that a batch is one statement of fixed text.
pub(crate) fn json<T: serde::Serialize>(rows: &[T]) -> Result<String, store::Error> {
    serde_json::to_string(rows)
        .map_err(|error| store::Error::internal(format!("write a batch as JSON: {error}")))
}
