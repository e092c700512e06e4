//! What makes a listener ours: who may place a call is decided here, before a handler runs and before a body is
//! read, by what the contract itself says.
//!
//! Promises: a server does not start with a method that lacks its `access` option (ISO-2); each call is judged in
//! the order of ISO-3; a handler gets a [`Scope`](auth::Scope) or a [`Caller`](auth::Caller) that a verified token
//! made, and nothing from a header or body; calls to other services carry both tokens, the trace and what is left
//! of the deadline; what goes wrong inside never leaves in words.
//!
//! Leaves to services: their methods, and the scope of the objects that requests name. Leaves to `auth`: what a
//! token is. Nothing here is kept: a process that dies fetches its keys, its tokens and the set of the dead anew,
//! and is not ready before it has them.

mod extract;
mod lanes;
mod layer;
pub mod methods;
mod metrics;
mod peers;
pub mod security;
mod service;
mod status;
mod watch;

pub use extract::{caller, parse_id, parse_optional_id, scope};
pub use layer::{SERVICE_TOKEN, with_access};
pub use methods::{Access, Method, Methods, MethodsError};
pub use peers::{PeerChannel, PeerName, Peers};
pub use security::{
    IssuedToken, KeySource, RevocationSource, Revoked, Security, SecurityConfig, SecurityError,
    ServiceTokens, Sources, TokenSource,
};
pub use service::{BoxError, Parts, RunError, Service, ServiceRun};
pub use status::{DOMAIN, Refusal, StatusBuilder, internal, status};
pub use watch::{WatchGuard, until_stopped};

/// Sets what every service of ours has: the size limits of messages, and gzip in both directions.
#[macro_export]
macro_rules! sized {
    ($server:expr) => {
        $server
            .max_decoding_message_size($crate::__private::MAX_DECODE)
            .max_encoding_message_size($crate::__private::MAX_ENCODE)
            .accept_compressed($crate::__private::CompressionEncoding::Gzip)
            .send_compressed($crate::__private::CompressionEncoding::Gzip)
    };
}

#[doc(hidden)]
pub mod __private {
    pub use net::grpc::{MAX_DECODE, MAX_ENCODE};
    pub use tonic::codec::CompressionEncoding;
}
