//! Purposes of the embedded bus, which keeps its log in a store of its own.

use super::Purpose;

/// Appends events, moves cursors, remembers what a group has not acknowledged.
pub const LOG: Purpose =
    Purpose::new("bus_log", "bus", &["bus_log", "bus_group", "bus_pending"], &[]);

/// All of them.
pub const ALL: &[Purpose] = &[LOG];
