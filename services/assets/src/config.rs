//! Settings of assets.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of assets.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// How many WABAs are read from Meta at once.
    #[garde(range(min = 1, max = 1_000))]
    pub import_slots: usize,
    /// Limit of one call of Meta's that a caller waits for, in milliseconds. An answer that takes longer is lost, and
    /// settled by reading.
    #[garde(range(min = 1_000, max = 60_000))]
    pub meta_deadline_ms: u64,
    /// Age at which a request without an answer is settled by reading, in milliseconds.
    #[garde(range(min = 1_000))]
    pub settle_after_ms: u64,
    /// How often numbers and templates are read again, in seconds of business time.
    #[garde(range(min = 60))]
    pub refresh_after_s: u64,
    /// Most WABAs that a run of the refresh has read again.
    #[garde(range(min = 1))]
    pub refresh_at_once: u32,
    /// Pause between two runs of the refresh, in seconds of business time.
    #[garde(range(min = 1))]
    pub refresh_every_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            import_slots: 8,
            meta_deadline_ms: 10_000,
            settle_after_ms: 30_000,
            refresh_after_s: 24 * 3_600,
            refresh_at_once: 200,
            refresh_every_s: 900,
        }
    }
}

impl Config {
    pub(crate) const fn meta_deadline(&self) -> Duration {
        Duration::from_millis(self.meta_deadline_ms)
    }

    pub(crate) const fn settle_after(&self) -> Duration {
        Duration::from_millis(self.settle_after_ms)
    }
}
