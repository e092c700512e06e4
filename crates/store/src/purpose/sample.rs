//! Purposes of the sample schema that this crate's own tests build. Not in release builds.

use super::Purpose;

/// Reads and changes notes of all tenants.
pub const SWEEP: Purpose = Purpose::new("sweep", "sample", &["note", "entry"], &[]);
/// Appends raw bodies.
pub const RAW: Purpose = Purpose::new("raw", "sample", &["inbound_raw"], &[]);
/// Writes the desk's own copy of states.
pub const STATES: Purpose = Purpose::new("states", "sample", &["state"], &[]);

/// All of them.
pub const ALL: &[Purpose] = &[SWEEP, RAW, STATES];
