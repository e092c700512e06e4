//! What can go wrong in messaging, by what the caller can do about it, and the one place where that
//! meets gRPC's codes.

use std::sync::Arc;
use std::time::Duration;

use kernel::page::CursorError;
use kernel::time::Timestamp;
use meta::Violation;
use server::StatusBuilder;
use tonic::{Code, Status};

use crate::domain::contact::WishError;
use crate::domain::conversation::HolderError;
use crate::domain::message::MetaError;

/// Why a request came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// No such thing, or another's: the same to the caller.
    #[error("{0} not found")]
    NotFound(Thing),
    /// The message breaks limits of Meta's or of ours.
    #[error("the request has values that cannot be taken; see the violations")]
    Invalid(Vec<Violation>),
    /// A page token that is not ours, or too old.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The customer service window is closed, which we can prove.
    #[error(
        "the customer last wrote more than 24 hours ago, so only a template may be sent (Meta's 131047)"
    )]
    WindowClosed,
    /// The customer opted out.
    #[error("the customer opted out of messages of category `{0}`; only they can change that")]
    OptedOut(String),
    /// The tenant asks for an opt-in that nobody recorded.
    #[error(
        "your business asks for an opt-in to messages of category `{0}`, and none of this customer is recorded; record it, or change the setting"
    )]
    NotOptedIn(String),
    /// The tenant's quota of the day is used up.
    #[error(
        "the {most} messages that your business may send in a day are used up; a new day begins at midnight UTC"
    )]
    Quota {
        /// The quota.
        most: i64,
        /// Until the next day.
        wait: Duration,
    },
    /// The template may not be sent, or is not filled as it asks.
    #[error("the template cannot be sent so (Meta's {code}): {details}")]
    Template {
        /// The code that Meta would answer.
        code: i64,
        /// What is wrong.
        details: String,
    },
    /// The number may not send.
    #[error("the number cannot send: its state is `{0}`; see its page")]
    Number(String),
    /// We do not act for the WABA.
    #[error("the WhatsApp Business Account is not connected; connect it again")]
    Waba,
    /// The tenant is suspended.
    #[error("the tenant may not send; contact your provider")]
    Tenant,
    /// A bot that does not hold the conversation.
    #[error("the conversation is held by `{0}`, and a bot that does not hold it is silent")]
    Held(String),
    /// Too late to take a message back.
    #[error("the message is on its way already (`{0}`) and cannot be taken back")]
    OnItsWay(String),
    /// Only an inbound message can be marked as read.
    #[error("only a customer's message can be marked as read")]
    NotInbound,
    /// Who may pass or release a conversation.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// Meta said no.
    #[error("Meta refused the call")]
    Meta(Box<MetaError>),
    /// Meta could not be reached, or the token could not be had.
    #[error("Meta cannot be reached; try again")]
    Graph(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<WishError> for Error {
    fn from(error: WishError) -> Self {
        Self::invalid("wish", error.to_string())
    }
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A WhatsApp Business Account.
    Waba,
    /// A number.
    Number,
    /// A message.
    Message,
    /// A contact.
    Contact,
    /// A conversation.
    Conversation,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waba => "WABA",
            Self::Number => "number",
            Self::Message => "message",
            Self::Contact => "contact",
            Self::Conversation => "conversation",
        })
    }
}

impl Thing {
    const fn reason(self) -> &'static str {
        match self {
            Self::Waba => "WABA_NOT_FOUND",
            Self::Number => "NUMBER_NOT_FOUND",
            Self::Message => "MESSAGE_NOT_FOUND",
            Self::Contact => "CONTACT_NOT_FOUND",
            Self::Conversation => "CONVERSATION_NOT_FOUND",
        }
    }
}

impl Error {
    /// One field and what is wrong with it.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(field, message)])
    }

    const fn code(&self) -> (Code, &'static str) {
        match self {
            Self::NotFound(thing) => (Code::NotFound, thing.reason()),
            Self::Invalid(_) => (Code::InvalidArgument, "INVALID_MESSAGE"),
            Self::Cursor(_) => (Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            Self::WindowClosed => (Code::FailedPrecondition, "WINDOW_CLOSED"),
            Self::OptedOut(_) => (Code::FailedPrecondition, "OPTED_OUT"),
            Self::NotOptedIn(_) => (Code::FailedPrecondition, "NOT_OPTED_IN"),
            Self::Quota { .. } => (Code::ResourceExhausted, "QUOTA_EXHAUSTED"),
            Self::Template { .. } => (Code::FailedPrecondition, "TEMPLATE_NOT_SENDABLE"),
            Self::Number(_) => (Code::FailedPrecondition, "NUMBER_NOT_SENDABLE"),
            Self::Waba => (Code::FailedPrecondition, "WABA_NOT_SENDABLE"),
            Self::Tenant => (Code::FailedPrecondition, "TENANT_NOT_ACTIVE"),
            Self::Held(_) => (Code::FailedPrecondition, "CONVERSATION_HELD"),
            Self::OnItsWay(_) => (Code::FailedPrecondition, "MESSAGE_ON_ITS_WAY"),
            Self::NotInbound => (Code::FailedPrecondition, "NOT_INBOUND"),
            Self::Holder(HolderError::NotHolder) => (Code::FailedPrecondition, "NOT_HOLDER"),
            Self::Holder(
                HolderError::Kind(_) | HolderError::Name(_) | HolderError::NoPerson(_),
            ) => (Code::InvalidArgument, "INVALID_HOLDER"),
            Self::Meta(_) => (Code::FailedPrecondition, "META_REFUSED"),
            Self::Graph(_) => (Code::Unavailable, "META_UNAVAILABLE"),
            Self::Store(error) => {
                (Code::from_i32(error.class().grpc_code()), error.class().reason())
            }
        }
    }

    /// Meta's code for the same, where there is one.
    fn meta_code(&self) -> Option<i64> {
        match self {
            Self::WindowClosed => Some(131_047),
            Self::OptedOut(_) => Some(131_050),
            Self::Template { code, .. } => Some(*code),
            Self::Number(_) => Some(133_010),
            Self::Invalid(violations) => violations.first().map(|violation| violation.code),
            Self::Meta(error) => Some(error.code),
            Self::NotFound(_)
            | Self::Cursor(_)
            | Self::NotOptedIn(_)
            | Self::Quota { .. }
            | Self::Waba
            | Self::Tenant
            | Self::Held(_)
            | Self::OnItsWay(_)
            | Self::NotInbound
            | Self::Holder(_)
            | Self::Graph(_)
            | Self::Store(_) => None,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = error.code();
        if code == Code::Internal {
            return server::status(code, reason, &error);
        }
        tracing::debug!(error = &error as &dyn std::error::Error, reason, "refused");
        let mut status = StatusBuilder::new(code, reason, error.to_string());
        if let Some(meta_code) = error.meta_code() {
            status = status.metadata("meta_code", meta_code.to_string());
        }
        match &error {
            Error::Invalid(violations) => {
                for violation in violations {
                    status = status.violation(&violation.field, violation.message.clone());
                }
            }
            Error::Holder(wrong @ HolderError::Kind(_)) => {
                status = status.violation("holder_kind", wrong.to_string());
            }
            Error::Holder(wrong @ (HolderError::Name(_) | HolderError::NoPerson(_))) => {
                status = status.violation("holder", wrong.to_string());
            }
            Error::Meta(meta) => {
                if let Some(subcode) = meta.subcode {
                    status = status.metadata("meta_subcode", subcode.to_string());
                }
                status = status
                    .metadata("meta_details", meta.details.clone())
                    .metadata("fbtrace_id", meta.fbtrace_id.clone());
            }
            Error::Quota { wait, .. } => status = status.retry(*wait),
            Error::Store(store) if store.class() == store::Class::Exhausted => {
                status = status.retry(Duration::from_secs(1));
            }
            Error::Store(store) if store.class() == store::Class::KeyInProgress => {
                status = status.retry(Duration::from_millis(200));
            }
            Error::NotFound(_)
            | Error::Cursor(_)
            | Error::WindowClosed
            | Error::OptedOut(_)
            | Error::NotOptedIn(_)
            | Error::Template { .. }
            | Error::Number(_)
            | Error::Waba
            | Error::Tenant
            | Error::Held(_)
            | Error::OnItsWay(_)
            | Error::NotInbound
            | Error::Holder(HolderError::NotHolder)
            | Error::Graph(_)
            | Error::Store(_) => {}
        }
        status.build()
    }
}

/// An instant that a caller gave, within what a row can hold.
pub(crate) fn instant(field: &str, micros: i64) -> Result<Timestamp, Error> {
    if micros < 0 {
        return Err(Error::invalid(field, "must be microseconds since 1970"));
    }
    Ok(Timestamp::from_micros(micros))
}
