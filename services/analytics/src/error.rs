//! What can go wrong for a caller of analytics, and the one place where it meets gRPC codes.

use server::StatusBuilder;
use tonic::{Code, Status};

use crate::domain::days::DayError;

/// A failure that a caller can do something about, or an internal one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such WABA")]
    WabaNotFound,
    #[error(transparent)]
    Days(#[from] DayError),
    #[error("the figures could not be read")]
    Store(#[from] store::Error),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match &error {
            Error::WabaNotFound => server::status(Code::NotFound, "WABA_NOT_FOUND", &error),
            Error::Days(wrong @ DayError::NotADay { field }) => {
                StatusBuilder::new(Code::InvalidArgument, "DAYS_INVALID", wrong.to_string())
                    .violation(field, wrong.to_string())
                    .build()
            }
            Error::Days(_) => server::status(Code::InvalidArgument, "DAYS_INVALID", &error),
            Error::Store(source) => {
                let class = source.class();
                server::status(Code::from_i32(class.grpc_code()), class.reason(), &error)
            }
        }
    }
}
