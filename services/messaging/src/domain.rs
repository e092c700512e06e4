//! The rules of messaging, pure: no async, no database, no clock of its own. What time it is and what is
//! already known is passed in, what follows is given back; a process that dies here has lost nothing.
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod contact;
pub(crate) mod conversation;
pub(crate) mod dispatch;
pub(crate) mod message;
pub(crate) mod sender;
