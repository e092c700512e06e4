//! Meta's vocabulary: the words, shapes, limits and error codes of the WhatsApp Business Platform that Switchboard speaks.
//!
//! It promises to keep what it does not know: a word, a field or a message kind that is newer than this build survives a parse and goes out as it
//! came in. It decides nothing about tenants, consent or time, makes no call and holds no state: those belong to the rooms above. Everything here is
//! pure, so a process that dies in the middle of it has lost nothing.

#[macro_use]
mod words;

pub mod app;
pub mod error;
pub mod ids;
pub mod limits;
pub mod message;
pub mod nodes;
pub mod template;
pub mod timezones;
pub mod violation;
pub mod webhook;

pub use app::{Environment, MetaApp, MetaAppSettings, MetaApps};
pub use error::{Explanation, GraphError, Reaction, explain};
pub use ids::{
    Bsuid, MetaAppId, MetaBusinessId, MetaNumberId, MetaTemplateId, MetaWabaId, Recipient, WaId,
    Wamid,
};
pub use message::{MarkRead, MessageBody, MessageKind, OutboundMessage};
pub use violation::Violation;
pub use words::Extra;
