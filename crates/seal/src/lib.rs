//! Sealing of secret columns: AES-256-GCM under one data key a tenant and service, data keys wrapped
//! by a key-encryption key (KEK) that the database never sees (SEC-1).
//!
//! A value is sealed for one tenant, table, column and row, and opens nowhere else: a ciphertext
//! moved by hand or by mistake is an error. A dump without the KEK holds nothing that can be read.
//!
//! The rows of data keys are each service's own, through [`DataKeys`]; fetching the KEK by its
//! reference is the binary's. A data key is stored before anything is sealed with it, so a process
//! that dies in between leaves an unused key and no value that nobody can open.

mod keys;
mod sealer;

pub use keys::{DataKeys, DataKeysError, Kek, Keks, WrapError, WrappedKey};
pub use sealer::{Aad, SealError, Sealer};
