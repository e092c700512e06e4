//! The rules of identity, pure: no clock, no database, no randomness of their own.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod common_passwords;
pub(crate) mod grant;
pub(crate) mod password;
pub(crate) mod place;
pub(crate) mod signing;
pub(crate) mod tenant;
pub(crate) mod throttle;
