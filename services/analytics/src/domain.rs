//! What is counted and how days are formed. Pure: no clock, no database.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod count;
pub(crate) mod days;
