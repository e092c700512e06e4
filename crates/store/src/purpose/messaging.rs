//! Purposes of `messaging`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Dispatchers find numbers with work, claim their messages under the number's lease and give them back.
pub const DISPATCH: Purpose = Purpose::new(
    "dispatch",
    "messaging",
    &[
        "message",
        "attempt",
        "lease",
        "number_state",
        "waba_state",
        "tenant_state",
        "waba_stop",
        "number_health",
    ],
    &[],
);
/// The sweeper finds messages whose hour or deadline came, and statuses whose message is known by now.
pub const SWEEP: Purpose = Purpose::new(
    "sweep_messages",
    "messaging",
    &["message", "message_meta_id", "orphan_status"],
    &[],
);
/// What Meta tells is placed under the number or the WABA that it names.
pub const INGEST: Purpose =
    Purpose::new("ingest", "messaging", &["number_state", "waba_state"], &[]);
/// Read models of tenants, WABAs, numbers and templates are filled.
pub const READ_MODEL: Purpose = Purpose::new(
    "read_model",
    "messaging",
    &["tenant_state", "waba_state", "number_state", "template_state"],
    &[],
);

/// What is past its time goes: ids, attempts and statuses of messages that are gone.
pub const RETENTION: Purpose = Purpose::new(
    "message_retention",
    "messaging",
    &["message_meta_id", "attempt", "status_seen", "orphan_status"],
    &[],
);

/// All of them.
pub const ALL: &[Purpose] = &[DISPATCH, SWEEP, INGEST, READ_MODEL, RETENTION];
