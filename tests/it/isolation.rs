//! Isolation: what is not yours does not exist, over gRPC and GraphQL, whatever is called and whoever calls.
//!
//! The suite walks the contracts' descriptors and the schema, so that a new method or field is attacked the day it
//! appears, and fails until `fill.rs` can call it lawfully. It prints the matrix of methods × fields × callers.

pub(crate) mod callers;
mod cursors;
mod fields;
pub(crate) mod fill;
mod handles;
mod invitations;
mod matrix;
mod methods;
mod schema;
mod seen;
mod streams;
pub(crate) mod subject;
pub(crate) mod world;

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_others_as_if_the_thing_never_was() {
    methods::every_method().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_answers_others_as_if_the_thing_never_was() {
    fields::every_field().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_tells_of_ones_own_alone() {
    streams::every_stream().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_cursors_and_headers_open_nothing() {
    handles::all().await;
}
