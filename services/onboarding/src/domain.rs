//! The rules of onboarding: steps and their order, what proves control of a WABA, when to try again, who resumes a tenant. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod account;
pub(crate) mod proof;
pub(crate) mod retry;
pub(crate) mod step;
pub(crate) mod suspension;
