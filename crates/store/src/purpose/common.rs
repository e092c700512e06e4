//! Purposes that every service's schema has: its machinery's own tables.

use super::{EVERY_SERVICE, Purpose};

/// The relay takes events from the outbox.
pub const RELAY: Purpose = Purpose::new("relay", EVERY_SERVICE, &["outbox"], &[]);
/// Consumers count poison, bury and try again.
pub const CONSUME: Purpose =
    Purpose::new("consume", EVERY_SERVICE, &["inbox", "poison", "dead_letter"], &[]);
/// Operators list, replay and drop dead letters.
pub const DEAD_LETTERS: Purpose =
    Purpose::new("dead_letters", EVERY_SERVICE, &["dead_letter"], &[]);
/// Processes take, renew and release leases.
pub const LEASES: Purpose = Purpose::new("leases", EVERY_SERVICE, &["lease"], &[]);
/// Jobs are claimed, run and settled.
pub const JOBS: Purpose = Purpose::new("jobs", EVERY_SERVICE, &["job"], &[]);
/// Wrapped data keys are read, made and rotated.
pub const KEYS: Purpose = Purpose::new("keys", EVERY_SERVICE, &["data_key"], &[]);
/// The progress of read models.
pub const PROGRESS: Purpose = Purpose::new("progress", EVERY_SERVICE, &["readmodel"], &[]);
/// Partitions are made and dropped, by functions: no table is touched.
pub const PARTITIONS: Purpose = Purpose::new("partitions", EVERY_SERVICE, &[], &[]);
/// Chunks of media that nothing refers to are swept.
pub const BLOBS: Purpose = Purpose::new("blobs", EVERY_SERVICE, &["blob", "blob_chunk"], &[]);
/// Rows of the machinery that are past their time.
pub const HOUSEKEEPING: Purpose =
    Purpose::new("housekeeping", EVERY_SERVICE, &["inbox", "idempotency", "poison"], &[]);

/// All of them.
pub const ALL: &[Purpose] =
    &[RELAY, CONSUME, DEAD_LETTERS, LEASES, JOBS, KEYS, PROGRESS, PARTITIONS, BLOBS, HOUSEKEEPING];
