//! The rules: who signed, what is echoed, what a delivery consists of, where an element belongs. Pure: no clock, no
//! database.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod challenge;
pub(crate) mod piece;
pub(crate) mod place;
pub(crate) mod signature;
