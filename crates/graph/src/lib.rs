//! The only caller of Meta: typed calls of the Graph API, each made once and reported as it was.
//!
//! It promises that a request leaves at most once a call (no retry, no redirect, no proxy: OUT-9), that a token goes to the app's own Graph host or to a
//! listed media host and nowhere else (OUT-6), that every call with a token carries its `appsecret_proof`, and that a send is never called refused unless
//! Meta promised so (I2). Whether to try again is the caller's: a management call says by [`Error::is_retryable`] whether that makes sense, a send by its
//! [`SendOutcome`]. It stores nothing; a process that dies in the middle of a send leaves the attempt row that the caller committed before.

mod calls;
mod client;
mod config;
mod error;
mod metrics;
mod outcome;
mod token;
mod usage;

pub use calls::media::{Download, Upload};
pub use calls::oauth::ExchangedToken;
pub use calls::served::Served;
pub use calls::template::CreatedTemplate;
pub use client::{Graph, GraphApp};
pub use config::GraphConfig;
pub use error::{BuildError, Error};
pub use outcome::{NotSentReason, SendOutcome, SentContact, UnknownReason};
pub use reqwest::Body;
pub use token::{AccessToken, CachedTokens, TokenError, TokenSource};
pub use usage::{BudgetUse, Usage};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items, in Meta's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one. Meta's own `next` address is never followed: it may carry a token.
    pub after: Option<String>,
}
