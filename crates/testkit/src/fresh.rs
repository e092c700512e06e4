//! Words and ids that no other test has.

use std::sync::LazyLock;

use kernel::{
    clock::{SystemClock, WallClock},
    ids::{Ids as _, SystemIds},
    time::Timestamp,
};
use uuid::Uuid;

/// One source for a whole test: of two ids of one time, the later one is greater.
pub fn ids() -> &'static SystemIds {
    static IDS: LazyLock<SystemIds> = LazyLock::new(SystemIds::new);
    &IDS
}

/// The machine's time.
pub fn now() -> Timestamp {
    WallClock::now(&SystemClock)
}

/// An id of now.
pub fn fresh() -> Uuid {
    ids().v7(now())
}

/// A word in small letters that begins with a letter: fit for names of databases, exchanges and queues.
pub fn word() -> String {
    let mut bytes = [0_u8; 8];
    ids().fill(&mut bytes);
    format!("t{:016x}", u64::from_le_bytes(bytes))
}
