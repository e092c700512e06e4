//! From a token to what its bearer may do: [`Verifier`] turns text into a [`Scope`] or a [`Caller`],
//! and nothing else does. [`Acting`], the reach of a row that `store` has just read, is the only
//! other birth of a reach (ISO-1).
//!
//! No network and no database: who keeps [`Keys`] and the set of the [`Dead`] fresh is `server`,
//! who issues is identity, who refuses a call for want of a permission is `server` again. All state
//! is in memory; a process that dies loses nothing that its next start does not fetch.

mod api_key;
mod assertion;
mod claims;
mod dead;
mod jwt;
mod keys;
mod permission;
mod reach;
mod role;
mod scope;
mod scoped_key;
mod service;
mod verifier;

pub use api_key::{ApiKey, ApiKeyError};
pub use assertion::{Assertion, AssertionClaims, AssertionKeys};
pub use claims::{Act, Claims, ClaimsError, ServiceClaims};
pub use dead::{Dead, Revocation};
pub use jwt::TokenError;
pub use keys::{KeyError, Keys, Signer};
pub use permission::{Permission, UnknownPermission};
pub use reach::{Environment, Principal, Reach, UnknownEnvironment, Wabas};
pub use role::{Role, UnknownRole};
pub use scope::{Acting, Caller, NoTenant, NotNarrower, Scope, TenantReach};
pub use scoped_key::ScopedKey;
pub use service::{Service, UnknownService};
pub use verifier::Verifier;
