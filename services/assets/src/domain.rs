//! What Meta's words make of a number or a template: pure, and held by tests.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod heard;
pub(crate) mod number;
pub(crate) mod retry;
pub(crate) mod template;
pub(crate) mod turn;
