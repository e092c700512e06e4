//! Templates: what they are made of, what Meta refuses when one is created, and what a send must fill.
//!
//! Meta's review, category decisions and pacing are Meta's; nothing here guesses them. What is refused here is what Meta refuses at once, and each
//! violation carries Meta's subcode where there is one, so that the Cloud API edge can answer as Meta would.

mod component;
mod fill;
mod languages;
mod shape;
mod validate;
mod variables;

pub use component::{
    Button, ButtonKind, Component, ComponentKind, HeaderFormat, NewTemplate, ParameterFormat,
    QualityRating, TemplateNode,
};
pub use fill::{FillError, check_fill};
pub use languages::{is_language, normalise_language};
pub use shape::{ButtonNeed, ButtonShape, HeaderShape, ParameterShape, parameter_shape};
pub(crate) use validate::check_name;
pub use validate::validate;
pub use variables::{Malformed, Piece, Variables, variables};

open_enum! {
    /// Where Meta's review of a template stands (`status` of a template; most of them also `event` of `message_template_status_update`).
    pub enum TemplateStatus {
        /// In review.
        Pending = "PENDING",
        /// Can be sent.
        Approved = "APPROVED",
        /// Refused by review.
        Rejected = "REJECTED",
        /// Stopped for a while by low quality or pacing (132015).
        Paused = "PAUSED",
        /// Stopped for good (132016).
        Disabled = "DISABLED",
        /// A refusal is being reviewed again.
        InAppeal = "IN_APPEAL",
        /// Deleted, with messages still on their way.
        PendingDeletion = "PENDING_DELETION",
        /// Gone.
        Deleted = "DELETED",
        /// The WABA has no room for it.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// Put away after twelve idle months, or by a call.
        Archived = "ARCHIVED",
        /// Closed to edits by Meta.
        Locked = "LOCKED",
    }
}

impl TemplateStatus {
    /// Whether Meta takes a send of it. A word that this build does not know is never sendable.
    #[must_use]
    pub const fn is_sendable(&self) -> bool {
        matches!(self, Self::Approved)
    }

    /// The code that Meta answers to a send in this state; `None` when it is sendable.
    #[must_use]
    pub const fn refusal(&self) -> Option<i64> {
        match self {
            Self::Approved => None,
            Self::Paused => Some(132_015),
            Self::Disabled => Some(132_016),
            Self::Pending
            | Self::Rejected
            | Self::InAppeal
            | Self::PendingDeletion
            | Self::Deleted
            | Self::LimitExceeded
            | Self::Archived
            | Self::Locked
            | Self::Unknown(_) => Some(132_001),
        }
    }

    /// Whether Meta takes an edit. (Of `DISABLED` Meta's pages say both; we don't.)
    #[must_use]
    pub const fn is_editable(&self) -> bool {
        matches!(self, Self::Approved | Self::Rejected | Self::Paused)
    }
}

open_enum! {
    /// What a template is for; decides its price, its limits and who may refuse it.
    pub enum TemplateCategory {
        /// One-time passcodes, in Meta's fixed form.
        Authentication = "AUTHENTICATION",
        /// Anything promotional or mixed.
        Marketing = "MARKETING",
        /// Asked for by the customer, or essential.
        Utility = "UTILITY",
    }
}

open_enum! {
    /// Meta's rating of a template or a number.
    pub enum QualityScore {
        /// High.
        Green = "GREEN",
        /// Medium.
        Yellow = "YELLOW",
        /// Low: pausing follows.
        Red = "RED",
        /// No feedback yet; every new one.
        Unrated = "UNKNOWN" | "NA",
    }
}
