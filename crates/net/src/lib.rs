//! Listeners, clients and settings: what a process needs between its code and the network, whatever it serves.
//!
//! Promises: no listener can be held open by a slow or greedy peer, every wait has a limit, every answer has a
//! request id, nothing is repeated or redirected behind the caller's back, and a process that is told to stop
//! finishes what it has in hand. Leaves who may call what to `server`, and what is said to the callers.

pub mod admin;
pub mod clock;
pub mod config;
pub mod drain;
pub mod grpc;
pub mod health;
pub mod http;
mod metrics;
pub mod outbound;
pub mod shares;
