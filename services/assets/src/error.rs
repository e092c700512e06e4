//! What can go wrong for a caller of assets, and the one place where it meets gRPC codes.

use std::time::Duration;

use kernel::{id::TemplateId, page::CursorError};
use meta::Violation;
use server::StatusBuilder;
use tonic::{Code, Status};

use crate::app::trouble::Trouble;

/// A failure that a caller can do something about, or an internal one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such WABA")]
    WabaNotFound,
    #[error("no such number")]
    NumberNotFound,
    #[error("no such template")]
    TemplateNotFound,
    #[error("{field} {problem}")]
    Invalid { field: &'static str, problem: String },
    #[error("Meta would refuse this; mend the fields and send it again")]
    Violations(Vec<Violation>),
    #[error("Meta would refuse this profile; mend the fields and send it again")]
    Profile(Vec<Violation>),
    #[error(
        "the WABA has a template of this name in this language; edit that one, or choose another name"
    )]
    TemplateExists(TemplateId),
    #[error("a change of it is under way; try again in a moment")]
    UnderWay,
    #[error(
        "a template that is {0} cannot be edited; Meta takes edits of approved, rejected and paused ones"
    )]
    NotEditable(String),
    #[error("{}", .0.text)]
    Refused(Trouble),
    #[error("Meta could not be asked: {}", .0.text)]
    Unsent(Trouble),
    #[error("the answer of Meta was lost; the outcome is being looked up, read it in a moment")]
    Lost(Trouble),
    #[error("the page token is not one of this list's: {0}")]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = match &error {
            Error::WabaNotFound => (Code::NotFound, "WABA_NOT_FOUND"),
            Error::NumberNotFound => (Code::NotFound, "NUMBER_NOT_FOUND"),
            Error::TemplateNotFound => (Code::NotFound, "TEMPLATE_NOT_FOUND"),
            Error::Invalid { field, .. } => {
                return StatusBuilder::invalid(error.to_string())
                    .violation(field, error.to_string())
                    .build();
            }
            Error::Violations(found) => return violations(&error, "TEMPLATE_INVALID", found),
            Error::Profile(found) => return violations(&error, "PROFILE_INVALID", found),
            Error::TemplateExists(id) => {
                return StatusBuilder::new(
                    Code::AlreadyExists,
                    "TEMPLATE_EXISTS",
                    error.to_string(),
                )
                .metadata("template_id", id.to_string())
                .build();
            }
            Error::UnderWay => {
                return StatusBuilder::new(Code::Aborted, "CHANGE_UNDER_WAY", error.to_string())
                    .retry(Duration::from_secs(2))
                    .build();
            }
            Error::NotEditable(_) => (Code::FailedPrecondition, "TEMPLATE_NOT_EDITABLE"),
            Error::Refused(trouble) => {
                return meta(&error, Code::FailedPrecondition, "META_REFUSED", trouble);
            }
            Error::Unsent(trouble) => {
                return meta(&error, Code::Unavailable, "META_UNAVAILABLE", trouble);
            }
            Error::Lost(trouble) => {
                return meta(&error, Code::Unavailable, "META_ANSWER_LOST", trouble);
            }
            Error::Cursor(_) => (Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            Error::Store(source) => {
                (Code::from_i32(source.class().grpc_code()), source.class().reason())
            }
        };
        server::status(code, reason, &error)
    }
}

/// Every broken rule with its field, and the code that Meta would answer to the first.
fn violations(error: &Error, reason: &str, found: &[Violation]) -> Status {
    let mut status = StatusBuilder::new(Code::InvalidArgument, reason, error.to_string());
    if let Some(first) = found.first() {
        status = status.metadata("meta_code", first.code.to_string());
        if let Some(subcode) = first.subcode {
            status = status.metadata("meta_subcode", subcode.to_string());
        }
    }
    for one in found {
        status = status.violation(&one.field, one.message.clone());
    }
    status.build()
}

/// What Meta said, in its own words beside ours.
fn meta(error: &Error, code: Code, reason: &str, trouble: &Trouble) -> Status {
    let mut status = StatusBuilder::new(code, reason, error.to_string());
    if let Some(meta) = &trouble.meta {
        status = status
            .metadata("meta_code", meta.code.to_string())
            .metadata("meta_subcode", meta.subcode.map(|code| code.to_string()).unwrap_or_default())
            .metadata("meta_title", meta.title.clone())
            .metadata("meta_message", meta.message.clone())
            .metadata("meta_details", meta.details.clone())
            .metadata("fbtrace_id", meta.fbtrace_id.clone());
    }
    match trouble.wait {
        Some(wait) => status.retry(wait).build(),
        None => status.build(),
    }
}
