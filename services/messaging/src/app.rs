//! The use cases of messaging: load, decide, write and publish in one unit of work each.

pub(crate) mod accept;
pub(crate) mod cancel;
pub(crate) mod consent;
pub(crate) mod dispatch;
pub(crate) mod hold;
pub(crate) mod ingest;
pub(crate) mod mark;
pub(crate) mod mark_read;
pub(crate) mod pen;
pub(crate) mod people;
pub(crate) mod read;
pub(crate) mod read_model;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod watch;
