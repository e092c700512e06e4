//! The gRPC methods: words of the contract into the domain, one call of a use case, and back.

mod admin;
mod contacts;
mod conversations;
mod messages;
mod page;

pub(crate) use admin::Admin;
pub(crate) use contacts::Contacts;
pub(crate) use conversations::Conversations;
pub(crate) use messages::Messages;
