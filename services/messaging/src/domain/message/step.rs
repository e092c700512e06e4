//! The names of the steps on a message's path. Every step is kept with its time, so that "why was
//! this not delivered?" has one answer.
#![deny(clippy::wildcard_enum_match_arm)]

use super::MessageStatus;

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StepName {
    /// Stored and answered.
    AcceptedByUs,
    /// Its hour came.
    Queued,
    /// About to be posted: attempt and state are committed.
    Sending,
    /// Given back to the queue, with the reason in the detail.
    Requeued,
    /// Posted, the answer lost.
    Unknown,
    /// Meta's 200.
    Accepted,
    /// Meta's word.
    Sent,
    /// Meta's word.
    Delivered,
    /// Meta's word.
    Read,
    /// Meta's word.
    Played,
    /// Meta's no, or ours.
    Failed,
    /// Taken back.
    Cancelled,
    /// Its time is over.
    Expired,
    /// A customer's message came in.
    Received,
}

impl StepName {
    /// The stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptedByUs => "accepted_by_us",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Requeued => "requeued",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Received => "received",
        }
    }

    /// Whether callers hear of it as an event; the rest is found on the message's page.
    pub(crate) const fn is_told(self) -> bool {
        match self {
            Self::AcceptedByUs
            | Self::Unknown
            | Self::Accepted
            | Self::Sent
            | Self::Delivered
            | Self::Read
            | Self::Played
            | Self::Failed
            | Self::Cancelled
            | Self::Expired => true,
            Self::Queued | Self::Sending | Self::Requeued | Self::Received => false,
        }
    }

    /// The step that brings a status.
    pub(crate) const fn of(status: MessageStatus) -> Self {
        match status {
            MessageStatus::Queued => Self::Queued,
            MessageStatus::Unknown => Self::Unknown,
            MessageStatus::Accepted => Self::Accepted,
            MessageStatus::Sent => Self::Sent,
            MessageStatus::Delivered => Self::Delivered,
            MessageStatus::Read => Self::Read,
            MessageStatus::Played => Self::Played,
            MessageStatus::Failed(_) => Self::Failed,
        }
    }
}
