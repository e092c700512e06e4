//! Settings of webhooks.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// How long a delivery may wait for its commit before Meta is answered 503, in milliseconds.
    #[garde(range(min = 1, max = 20_000))]
    pub store_within_ms: u64,
    /// Bytes of bodies that may be in memory at once before Meta is answered 503.
    #[garde(range(min = 4_194_304))]
    pub bodies_in_flight_bytes: u32,
    /// Deliveries of one claim.
    #[garde(range(min = 1, max = 10_000))]
    pub claim_rows: u32,
    /// How long a claim lasts, in milliseconds of the database's clock.
    #[garde(range(min = 1_000))]
    pub lease_ms: u32,
    /// How often an idle worker looks into the raw log, in milliseconds: it finds what a lost wake-up left.
    #[garde(range(min = 1, max = 60_000))]
    pub poll_ms: u64,
    /// How often the quarantine is looked through for what can be placed now, in milliseconds.
    #[garde(range(min = 1))]
    pub quarantine_poll_ms: u64,
    /// How long the raw log is kept and can be replayed, in days.
    #[garde(range(min = 1))]
    pub raw_days: u32,
    /// How long what could not be placed is kept, in days.
    #[garde(range(min = 1))]
    pub quarantine_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store_within_ms: 2_000,
            bodies_in_flight_bytes: 256 << 20,
            claim_rows: 200,
            lease_ms: 30_000,
            poll_ms: 200,
            quarantine_poll_ms: 5_000,
            raw_days: 14,
            quarantine_days: 30,
        }
    }
}

impl Config {
    pub(crate) const fn store_within(&self) -> Duration {
        Duration::from_millis(self.store_within_ms)
    }

    pub(crate) const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    pub(crate) const fn quarantine_poll(&self) -> Duration {
        Duration::from_millis(self.quarantine_poll_ms)
    }

    pub(crate) fn lease_us(&self) -> i64 {
        i64::from(self.lease_ms) * 1_000
    }

    pub(crate) fn raw_life(&self) -> Duration {
        days(self.raw_days)
    }

    /// Longer than the raw log, whose last day goes as a whole: a replay must find what was routed already.
    pub(crate) fn seen_life(&self) -> Duration {
        days(self.raw_days.saturating_add(2))
    }

    pub(crate) fn quarantine_life(&self) -> Duration {
        days(self.quarantine_days)
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
