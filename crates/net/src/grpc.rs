//! gRPC listeners and channels: deadlines that hold, panics that stay inside, sizes that are known.
//!
//! tonic alone answers an expired deadline with `CANCELLED`, ignores a malformed one and leaves streams without
//! any; here `grpc-timeout` is parsed once, capped, carried on to further calls ([`deadline::remaining`]) and its
//! expiry is `DEADLINE_EXCEEDED`. Who may call what is `server`'s; names and messages are `proto`'s.
//!
//! A server that dies breaks its calls; a caller sees `UNAVAILABLE` and repeats what may be repeated.

mod channel;
pub mod deadline;
mod guard;
mod serve;

pub use channel::{GrpcClientConfig, channel};
pub use serve::{GrpcLimits, serve};

/// Largest message that is decoded, in bytes (tonic's own default, said here since limits are contracts).
pub const MAX_DECODE: usize = 4 << 20;

/// Largest message that is encoded, in bytes; tonic's default has no limit.
pub const MAX_ENCODE: usize = 8 << 20;

/// Calls at once on one connection that a listener of ours takes. A client with as many waits on that connection.
pub const STREAMS: u32 = 200;

/// A channel that can't be made.
#[derive(Debug, thiserror::Error)]
#[error("`{endpoint}` is no endpoint of a gRPC server; expected host:port or a URL")]
pub struct EndpointError {
    endpoint: String,
    #[source]
    source: tonic::transport::Error,
}
