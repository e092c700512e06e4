//! Runs the binary as processes and talks to it as its users do.

pub(crate) mod api;
pub(crate) mod grpc;
pub(crate) mod guest;
pub(crate) mod process;
pub(crate) mod spans;
pub(crate) mod tools;
pub(crate) mod wait;

pub(crate) use self::{
    api::{Api, text},
    process::{Dev, SandboxProcess},
    wait::until,
};
