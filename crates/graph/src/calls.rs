//! The calls, a file a noun. Each takes its token; none is made twice.

pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod number;
pub(crate) mod oauth;
pub(crate) mod served;
pub(crate) mod subscription;
pub(crate) mod template;
pub(crate) mod waba;

use crate::error::Error;
use serde::Deserialize;

/// `{"success": true}`, with whatever else.
#[derive(Deserialize)]
pub(crate) struct Success {
    #[serde(default)]
    success: Option<bool>,
}

impl Success {
    /// An answer that says `false` is none.
    pub(crate) fn check(&self, operation: &'static str) -> Result<(), Error> {
        if self.success == Some(false) {
            return Err(Error::Decode { operation, status: 200, reason: "success".to_owned() });
        }
        Ok(())
    }
}
