//! The rows of the table of errors. GraphQL, edge, console and CLI show them as they stand here.

mod management;
mod messaging;
mod services;

use super::{Class, Explanation, Mender, Reaction, Retry};
use std::sync::LazyLock;

static ROWS: LazyLock<Vec<Explanation>> = LazyLock::new(|| {
    [messaging::ROWS, services::ROWS, management::ROWS].into_iter().flatten().copied().collect()
});

/// The whole table.
#[must_use]
pub fn all() -> &'static [Explanation] {
    &ROWS
}

/// A row about a code of no consequence for the dispatcher; the rest is said by the methods below.
const fn row(
    code: i64,
    title: &'static str,
    class: Class,
    mender: Mender,
    retry: Retry,
    cause: &'static str,
    remedy: &'static str,
) -> Explanation {
    Explanation {
        code,
        last: code,
        subcode: None,
        title,
        class,
        cause,
        mender,
        remedy,
        retry,
        wait_seconds: 0,
        refused_before_send: false,
        reaction: Reaction::Terminal,
    }
}

impl Explanation {
    const fn to(mut self, last: i64) -> Self {
        self.last = last;
        self
    }

    const fn sub(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// Rule I2 b.
    const fn refused(mut self) -> Self {
        self.refused_before_send = true;
        self
    }

    const fn wait(mut self, seconds: u32) -> Self {
        self.wait_seconds = seconds;
        self
    }

    const fn then(mut self, reaction: Reaction) -> Self {
        self.reaction = reaction;
        self
    }
}
