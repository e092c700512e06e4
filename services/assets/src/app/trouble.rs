//! What went wrong between us and Meta, in our words and Meta's, and what can be done about it.

use std::time::Duration;

use proto::common::v1::MetaError;
use serde::{Deserialize, Serialize};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) meta: Option<Box<Words>>,
    /// How long to wait at least, where that is known.
    #[serde(skip)]
    pub(crate) wait: Option<Duration>,
}

/// Meta's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    pub(crate) code: i64,
    pub(crate) subcode: Option<i64>,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) details: String,
    pub(crate) fbtrace_id: String,
}

impl Trouble {
    /// Trouble in our words alone.
    pub(crate) fn ours(text: impl Into<String>) -> Self {
        Self { text: text.into(), meta: None, wait: None }
    }

    /// As a row keeps it.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Meta's words as a row keeps them.
    pub(crate) fn words_text(&self) -> Option<String> {
        self.meta.as_deref().and_then(|words| serde_json::to_string(words).ok())
    }

    /// Reads what a row keeps.
    pub(crate) fn parse(kept: &str) -> Option<Self> {
        serde_json::from_str(kept).ok()
    }

    /// As the contract has it: Meta's words, or ours under code 0.
    pub(crate) fn into_contract(self) -> MetaError {
        match self.meta {
            Some(words) => MetaError {
                code: words.code,
                subcode: words.subcode,
                title: words.title,
                message: words.message,
                details: words.details,
                fbtrace_id: words.fbtrace_id,
            },
            None => MetaError { message: self.text, ..MetaError::default() },
        }
    }
}

impl From<&graph::Error> for Trouble {
    fn from(error: &graph::Error) -> Self {
        let words = error.graph_error().map(|said| {
            Box::new(Words {
                code: said.code,
                subcode: said.subcode,
                title: said.user_title.clone().unwrap_or_default(),
                message: said.message.clone(),
                details: said.details.clone().or_else(|| said.user_msg.clone()).unwrap_or_default(),
                fbtrace_id: said.fbtrace_id.clone().unwrap_or_default(),
            })
        });
        Self { text: error.to_string(), meta: words, wait: error.wait() }
    }
}

/// A call that brought no result, by what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing can have happened: it never reached Meta.
    Unsent(Trouble),
    /// Meta said no; nothing happened.
    Refused(Trouble),
    /// Meta has no such thing, or not for this token.
    Absent(Trouble),
    /// Nobody knows.
    Lost(Trouble),
}

impl Fault {
    /// What went wrong.
    pub(crate) fn into_trouble(self) -> Trouble {
        match self {
            Self::Unsent(trouble)
            | Self::Refused(trouble)
            | Self::Absent(trouble)
            | Self::Lost(trouble) => trouble,
        }
    }

    /// No answer came in time.
    pub(crate) fn late() -> Self {
        Self::Lost(Trouble::ours("Meta did not answer in time"))
    }
}

/// "Message template not found", where a name is deleted that is not there.
const NO_SUCH_TEMPLATE: i64 = 2_593_002;

impl From<graph::Error> for Fault {
    fn from(error: graph::Error) -> Self {
        let trouble = Trouble::from(&error);
        let absent = error.graph_error().is_some_and(|said| said.subcode == Some(NO_SUCH_TEMPLATE));
        if error.is_not_found() || absent {
            Self::Absent(trouble)
        } else if !error.left_no_trace() {
            Self::Lost(trouble)
        } else if error.graph_error().is_some() {
            Self::Refused(trouble)
        } else {
            Self::Unsent(trouble)
        }
    }
}
