//! What a management call or a read can meet. Sends have a type of their own: [`crate::SendOutcome`].

use meta::GraphError;
use std::time::Duration;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// TLS or the resolver could not be set up.
    #[error("the HTTP client of the Graph API could not be made")]
    Client(#[source] reqwest::Error),
    /// An app's Graph address is no address.
    #[error("meta.apps: graph_base_url of app {app} is no address")]
    BaseUrl {
        /// The app.
        app: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
}

/// A call that brought no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written: no connection came, or the request could not be made.
    #[error("{operation}: the request did not reach Meta")]
    NotSent {
        /// The call.
        operation: &'static str,
        /// Why; without the address.
        #[source]
        source: reqwest::Error,
    },
    /// The request may have reached Meta, and the answer was lost.
    #[error("{operation}: the answer of Meta was lost")]
    Transport {
        /// The call.
        operation: &'static str,
        /// Why; without the address.
        #[source]
        source: reqwest::Error,
    },
    /// Meta said no.
    #[error("{operation}: {error}")]
    Api {
        /// The call.
        operation: &'static str,
        /// The HTTP status; a hint, the code decides.
        status: u16,
        /// Meta's words.
        error: Box<GraphError>,
    },
    /// Meta answered something that is not what the call answers.
    #[error("{operation}: Meta answered HTTP {status} with something unexpected: {reason}")]
    Decode {
        /// The call.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// What was expected; never what came.
        reason: String,
    },
    /// No app of the configuration has this id.
    #[error("no Meta app {0} is configured")]
    UnknownApp(String),
    /// A file's address is on a host that may not see a token (OUT-6).
    #[error("a file's address is on {host}, which is not among the hosts that may see a token")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// A file is larger than the caller takes.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The caller's limit.
        limit: u64,
    },
}

impl Error {
    /// Meta's words, where it said some.
    #[must_use]
    pub fn graph_error(&self) -> Option<&GraphError> {
        match self {
            Self::Api { error, .. } => Some(error),
            Self::NotSent { .. }
            | Self::Transport { .. }
            | Self::Decode { .. }
            | Self::UnknownApp(_)
            | Self::HostNotAllowed { .. }
            | Self::TooLarge { .. } => None,
        }
    }

    /// Whether the same call may succeed later: the table of codes first, then Meta's hint, then the HTTP class. After a lost answer of a call that
    /// changes something, read before you repeat it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSent { source, .. } => !source.is_builder(),
            Self::Transport { .. } => true,
            Self::Api { status, error, .. } => match error.explain().map(|row| row.retry) {
                Some(meta::error::Retry::Later) => true,
                Some(meta::error::Retry::Never) => false,
                Some(meta::error::Retry::AfterChange) => error.is_transient,
                None => error.is_transient || *status >= 500,
            },
            Self::Decode { status, .. } => *status >= 500,
            Self::UnknownApp(_) | Self::HostNotAllowed { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// How long to wait at least, where the code says it.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let seconds = self.graph_error()?.explain()?.wait_seconds;
        (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
    }

    /// Whether the object is not there, or not for this token.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Api { status, error, .. } => error.is_not_found() || *status == 404,
            _ => false,
        }
    }

    /// Whether the token is dead or lacks the right: the account must be connected again.
    #[must_use]
    pub fn is_access(&self) -> bool {
        self.graph_error().is_some_and(GraphError::is_access)
    }

    /// Whether nothing can have happened at Meta: no byte was written, or Meta said no.
    #[must_use]
    pub const fn left_no_trace(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::UnknownApp(_) | Self::HostNotAllowed { .. } => true,
            Self::Api { status, .. } => *status < 500,
            Self::Transport { .. } | Self::Decode { .. } | Self::TooLarge { .. } => false,
        }
    }
}
