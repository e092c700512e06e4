//! The tonic traits: contract to question, answer to contract.

pub(crate) mod admin;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod people;
pub(crate) mod revocation;
pub(crate) mod session;
pub(crate) mod token;
