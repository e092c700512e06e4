//! Purposes of `webhooks`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Deliveries are appended to the raw log, before anybody is answered (IN-6).
pub const RAW_LOG: Purpose = Purpose::new("raw_log", "webhooks", &["inbound_raw"], &[]);
/// Deliveries are claimed, taken apart and routed to the tenants that hold their WABAs.
pub const ROUTE: Purpose = Purpose::new(
    "route",
    "webhooks",
    &["inbound_raw", "element_seen", "quarantine", "waba", "number"],
    &[],
);
/// What stands in quarantine is placed once its WABA or number is known.
pub const PLACE: Purpose =
    Purpose::new("place", "webhooks", &["element_seen", "quarantine", "waba", "number"], &[]);
/// Read models of WABAs and numbers are kept.
pub const READ_MODEL: Purpose = Purpose::new("read_model", "webhooks", &["waba", "number"], &[]);
/// Desk commands: the quarantine is listed and placed again, the raw log replayed.
pub const DESK: Purpose = Purpose::new(
    "desk",
    "webhooks",
    &["inbound_raw", "element_seen", "quarantine", "waba", "number"],
    &[],
);
/// Rows past their time are removed.
pub const RETENTION: Purpose =
    Purpose::new("retention", "webhooks", &["inbound_raw", "element_seen", "quarantine"], &[]);

/// All of them.
pub const ALL: &[Purpose] = &[RAW_LOG, ROUTE, PLACE, READ_MODEL, DESK, RETENTION];
