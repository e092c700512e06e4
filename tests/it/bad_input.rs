//! Bad input against a running installation: a clear error each, no fault of ours, nothing stored, nothing lost.
//!
//! A file a surface, each a table of cases against a `dev` of its own. After its cases the house must be as it was: the
//! same rows, no panic in its log, and a send that arrives.

mod answer;
mod deliveries;
mod graphql;
mod house;
mod paths;
mod rpc;
mod sign_in;
mod signup;
mod socket;
mod tokens;
mod values;
