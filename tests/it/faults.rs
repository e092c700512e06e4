//! Not lost, not doubled: `dev` is killed again and again under load, and the sandbox's ledger is held against what
//! callers were told: at the named points of a message's path, and under load (`SWITCHBOARD_FAULT_KILLS` kills, 6 by
//! default; `SWITCHBOARD_FAULT_SEED` repeats a run).

pub(crate) mod check;
pub(crate) mod load;
mod points;
pub(crate) mod storm;
