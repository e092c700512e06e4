//! What is true of one message: its two states, its steps, its category, its deadlines, the id that
//! its tenant sees.

mod category;
mod deadline;
mod dispatch;
mod edge_id;
mod outcome;
mod payload;
mod record;
mod status;
mod step;

pub(crate) use category::{Category, Class, Origin};
pub use deadline::Deadlines;
pub(crate) use deadline::accepted_until;
pub(crate) use dispatch::Dispatch;
pub(crate) use edge_id::edge_id;
pub(crate) use outcome::{Decision, Delay, Outcome, Side, after_failed_webhook, decide, side_of};
pub(crate) use payload::payload;
pub(crate) use record::{Course, Message, MetaError, Outbound, Word};
pub(crate) use status::{Failure, LocalReason, MessageStatus};
pub(crate) use step::StepName;
