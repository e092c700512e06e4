//! What can stop the sandbox itself. Refusals in Meta's words are `graph::GraphError`, not these.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the sandbox could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be made or written.
    #[error("data folder {path} is not usable; choose another one with --data")]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another sandbox works on the folder.
    #[error("{path} is in use by another sandbox; stop it, or name another folder with --data")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; choose another port, or 0 for a free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The state file refused a read or a write. Nothing is answered after this.
    #[error("the state file refused: {doing}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// A stored object does not parse: the file was written by another version.
    #[error("stored {kind} {id} does not parse; move the data folder away to start afresh")]
    Stored {
        /// Kind of the object.
        kind: String,
        /// Its id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The client that delivers webhooks could not be built.
    #[error("the webhook client could not be built")]
    Client(#[source] reqwest::Error),
    /// A worker panicked.
    #[error("a sandbox worker ended unexpectedly")]
    Worker(#[source] tokio::task::JoinError),
}
