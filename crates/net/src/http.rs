//! HTTP listeners that hold against hostile peers (IN-1), and HTTP clients that do only what they are told (OUT-9).
//!
//! A listener refuses slow headers, slow or large bodies, encoded bodies and too many connections, ends idle ones, gives each
//! request an id and a span, turns a panic into a 500 without its text, and drains when it is told to stop.
//! What it can't know, it leaves: routes, authentication, the shape of answers.
//!
//! A process that dies drops its connections; callers see a broken connection and repeat what is safe to repeat.

mod address;
mod body;
mod client;
mod guard;
mod headers;
mod idle;
mod places;
mod serve;

pub use address::ClientAddr;
pub use body::{BodyLimits, with_body_limits};
pub use client::{ClientConfig, client};
pub use guard::{Refusal, RequestId, json_refusal, plain_refusal};
pub use headers::{SecurityHeaders, with_security_headers};
pub use places::Slot;
pub use serve::{Draining, HttpLimits, HttpServer, Listener, bind, bind_or_free, serve};
pub(crate) use serve::{Shape, accept};

use std::net::SocketAddr;

/// Why a listener does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no address.
    #[error("`{0}` is no address to listen on; expected one such as 127.0.0.1:8080")]
    Address(String),
    /// The address is taken, or may not be used.
    #[error("cannot listen on {address}; is another process there?")]
    Bind {
        /// As it was configured.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the listener on {address} broke")]
    Listener {
        /// Where it listened.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
