//! Settings of messaging: `SWITCHBOARD__MESSAGING__…`.

use garde::Validate;
use serde::{Deserialize, Serialize};

pub use crate::domain::message::Deadlines;

/// Typed settings, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// How long a dispatcher's lease of a number lasts without being renewed, in milliseconds.
    #[garde(range(min = 1_000, max = 600_000))]
    pub lease_ttl_ms: u64,
    /// POSTs under way at once in one process: what one crash can leave unknown (DEL-1).
    #[garde(range(min = 1, max = 4_096))]
    pub in_flight: usize,
    /// Messages of one class of one number that are claimed ahead of their turn.
    #[garde(range(min = 1, max = 10_000))]
    pub claim_ahead: u32,
    /// How often a dispatcher looks for work that no wake-up told of, in milliseconds.
    #[garde(range(min = 1, max = 60_000))]
    pub poll_ms: u64,
    /// How often deadlines and schedules are looked at, in milliseconds.
    #[garde(range(min = 1, max = 60_000))]
    pub sweep_ms: u64,
    /// How long work in hand may take to end at drain, in milliseconds.
    pub drain_ms: u64,
    /// Deadlines of messages, by category.
    #[garde(dive)]
    pub deadlines: Deadlines,
    /// How long a number may not market after Meta's 131048, in seconds.
    pub marketing_hold_s: u64,
    /// How long a customer gets no marketing after Meta's 131049, in seconds.
    pub customer_rest_s: u64,
    /// How long a WABA that Meta locked, or whose refused token a webhook tells of, is left alone before
    /// it is tried again, in seconds.
    #[garde(range(min = 1))]
    pub lock_probe_s: u64,
    /// How long messages and their steps are kept, in days; older months are dropped whole.
    #[garde(range(min = 31))]
    pub keep_days: u32,
    /// Something else proves that no other process of this service lives (the lock on the folder of the
    /// embedded wiring): at start all leases are ended and what was claimed is queued again.
    pub sole_owner: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease_ttl_ms: 15_000,
            in_flight: 64,
            claim_ahead: 32,
            poll_ms: 250,
            sweep_ms: 500,
            drain_ms: 25_000,
            deadlines: Deadlines::default(),
            marketing_hold_s: 6 * 3600,
            customer_rest_s: 24 * 3600,
            lock_probe_s: 3600,
            keep_days: 120,
            sole_owner: false,
        }
    }
}
