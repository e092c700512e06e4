//! The tonic traits: contract to question, answer to contract.

pub(crate) mod admin;
pub(crate) mod measures;
