//! Errors of Meta's as they came, and what the product knows of each code. The one table is `meta`'s.

use async_graphql::{Object, SimpleObject};
use proto::common::v1 as common;

use super::scalars::some;
use super::words::{Mender, Retry};

/// An error of Meta's, kept as it came.
#[derive(Debug)]
pub(crate) struct MetaError(pub(crate) common::MetaError);

/// An error of Meta's, kept as it came.
#[Object]
impl MetaError {
    async fn code(&self) -> i64 {
        self.0.code
    }

    async fn subcode(&self) -> Option<i64> {
        self.0.subcode
    }

    async fn title(&self) -> Option<&str> {
        some(&self.0.title)
    }

    async fn message(&self) -> &str {
        &self.0.message
    }

    async fn details(&self) -> Option<&str> {
        some(&self.0.details)
    }

    /// What Meta's support asks for.
    async fn fbtrace_id(&self) -> Option<&str> {
        some(&self.0.fbtrace_id)
    }

    /// What is known of the code.
    async fn explanation(&self) -> Option<ErrorExplanation> {
        explain(self.0.code, self.0.subcode)
    }
}

/// What is known of an error code of Meta's.
#[derive(Debug, SimpleObject)]
pub(crate) struct ErrorExplanation {
    code: i64,
    /// Narrows the code, where there is one.
    subcode: Option<i64>,
    title: &'static str,
    /// Why it happens.
    cause: &'static str,
    who_can_mend: Mender,
    what_to_do: &'static str,
    retry: Retry,
    /// At least this long before it is tried again; 0 where Meta names no time.
    wait_seconds: u32,
}

fn explain(code: i64, subcode: Option<i64>) -> Option<ErrorExplanation> {
    let known = meta::error::explain_with(code, subcode)?;
    Some(ErrorExplanation {
        // Where a row stands for a range, the code that was asked about.
        code: if known.subcode == Some(code) { known.code } else { code },
        subcode: known.subcode,
        title: known.title,
        cause: known.cause,
        who_can_mend: match known.mender {
            meta::error::Mender::Tenant => Mender::Tenant,
            meta::error::Mender::Operator => Mender::Operator,
            meta::error::Mender::Meta => Mender::Meta,
            meta::error::Mender::Customer => Mender::Customer,
        },
        what_to_do: known.remedy,
        retry: match known.retry {
            meta::error::Retry::Never => Retry::Never,
            meta::error::Retry::Later => Retry::Later,
            meta::error::Retry::AfterChange => Retry::AfterChange,
        },
        wait_seconds: known.wait_seconds,
    })
}

#[derive(Debug, Default)]
pub(crate) struct ExplanationQuery;

#[Object]
impl ExplanationQuery {
    /// What is known of an error code of Meta's: cause, who can mend it, what to do, whether to retry. Null for a
    /// code that is not known.
    async fn error_explanation(&self, code: i64, subcode: Option<i64>) -> Option<ErrorExplanation> {
        explain(code, subcode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_is_explained_and_an_unknown_one_is_not() {
        let known = explain(131_047, None).unwrap();
        assert_eq!(known.code, 131_047);
        assert!(!known.what_to_do.is_empty());
        assert!(explain(999_999_999, None).is_none());
    }
}
