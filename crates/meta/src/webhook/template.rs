//! What Meta tells about templates. Ids come as integers here and as strings elsewhere, languages with a hyphen here and an underscore elsewhere: both are
//! made equal to what calls use.

use crate::template::{QualityScore, TemplateCategory, normalise_language};
use crate::words::{Extra, opt_int, opt_text};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

fn language<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(opt_text(d)?.map(|code| normalise_language(&code)))
}

open_enum! {
    /// `event` of `message_template_status_update`: a state, or something that happened to one.
    pub enum TemplateEvent {
        /// In review.
        Pending = "PENDING",
        /// Can be sent.
        Approved = "APPROVED",
        /// Refused.
        Rejected = "REJECTED",
        /// Stopped for a while.
        Paused = "PAUSED",
        /// Stopped for good.
        Disabled = "DISABLED",
        /// A refusal is being reviewed again.
        InAppeal = "IN_APPEAL",
        /// Deleted, with messages still on their way.
        PendingDeletion = "PENDING_DELETION",
        /// Gone.
        Deleted = "DELETED",
        /// The WABA has no room for it.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// Put away.
        Archived = "ARCHIVED",
        /// Taken out again: back to the state before.
        Unarchived = "UNARCHIVED",
        /// Closed to edits.
        Locked = "LOCKED",
        /// A warning before it is disabled; no state.
        Flagged = "FLAGGED",
        /// Sendable again.
        Reinstated = "REINSTATED",
    }
}

/// Names a template in a webhook.
macro_rules! template_event {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Meta's id of the template.
            #[serde(deserialize_with = "opt_text")]
            pub message_template_id: Option<String>,
            /// Its name.
            #[serde(deserialize_with = "opt_text")]
            pub message_template_name: Option<String>,
            /// Its language, with an underscore.
            #[serde(deserialize_with = "language")]
            pub message_template_language: Option<String>,
            $($(#[$fmeta])* pub $field: $kind,)*
            /// Members that this build has no name for.
            #[serde(flatten)]
            pub extra: Extra,
        }
    };
}

template_event! {
    /// A template's state changed.
    TemplateStatusUpdate {
        /// What happened.
        event: TemplateEvent,
        /// Why it was refused; `NONE` or absent otherwise.
        #[serde(deserialize_with = "opt_text")]
        reason: Option<String>,
        /// Its category; absent before 2025.
        message_template_category: Option<TemplateCategory>,
        /// `{reason, recommendation}`, for humans.
        rejection_info: Option<Value>,
        /// `{title, description}`: which pause it is.
        other_info: Option<Value>,
        /// `{disable_date}`.
        disable_info: Option<Value>,
    }
}

impl TemplateStatusUpdate {
    /// Which pause it is, or that it ended: `FIRST_PAUSE`, `SECOND_PAUSE`, `RATE_LIMITING_PAUSE`, `UNPAUSE`.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.other_info.as_ref()?.get("title")?.as_str()
    }
}

template_event! {
    /// A template's rating changed.
    TemplateQualityUpdate {
        /// The rating before.
        previous_quality_score: Option<QualityScore>,
        /// The rating now.
        new_quality_score: QualityScore,
    }
}

template_event! {
    /// A template was edited. It names no media and no variables: a reason to read the template again, no more.
    TemplateComponentsUpdate {
        /// The body.
        #[serde(deserialize_with = "opt_text")]
        message_template_element: Option<String>,
        /// The header's text.
        #[serde(deserialize_with = "opt_text")]
        message_template_title: Option<String>,
        /// The footer.
        #[serde(deserialize_with = "opt_text")]
        message_template_footer: Option<String>,
    }
}

template_event! {
    /// Meta files a template elsewhere: first announced, then done.
    TemplateCategoryUpdate {
        /// The category before; only when it is done.
        previous_category: Option<TemplateCategory>,
        /// The category now. In the announcement it is still the current one.
        new_category: TemplateCategory,
        /// Where it will be filed; only in the announcement.
        correct_category: Option<TemplateCategory>,
        /// When, in Unix seconds; only in the announcement.
        #[serde(deserialize_with = "opt_int")]
        category_update_timestamp: Option<i64>,
    }
}

impl TemplateCategoryUpdate {
    /// Whether it only announces the change. The price changes when it is done, not before.
    #[must_use]
    pub const fn is_impending(&self) -> bool {
        self.correct_category.is_some()
    }
}
