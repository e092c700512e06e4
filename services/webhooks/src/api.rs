//! The borders: Meta's HTTP, and the tonic traits.

pub(crate) mod admin;
pub(crate) mod quarantine;
pub(crate) mod receive;
