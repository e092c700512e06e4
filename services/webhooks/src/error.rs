//! What can go wrong for a caller of webhooks, and the one place where it meets gRPC codes.

use kernel::page::CursorError;
use tonic::{Code, Status};

/// A failure that a caller can do something about, or an internal one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such element in quarantine; it may have been placed meanwhile")]
    NotInQuarantine,
    #[error("the page token is not one of this list's: {0}")]
    Cursor(#[from] CursorError),
    #[error("the raw log or the quarantine could not be read or written")]
    Store(#[from] store::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = match &error {
            Error::NotInQuarantine => (Code::NotFound, "QUARANTINE_NOT_FOUND"),
            Error::Cursor(_) => (Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
            Error::Store(source) => {
                (Code::from_i32(source.class().grpc_code()), source.class().reason())
            }
        };
        server::status(code, reason, &error)
    }
}
