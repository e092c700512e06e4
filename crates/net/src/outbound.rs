//! Where we deliver to addresses that others chose: never into our own network (OUT-1 to OUT-3).
//!
//! The check is at connect: names are resolved here, every address must pass, and the connection goes to what
//! was checked, so that a second answer of a hostile DNS server comes too late. Addresses that stand in the URL
//! itself bypass any resolver and are judged first. Redirects are not followed.

mod address;
mod policy;
mod resolver;

pub use address::is_public;
pub use policy::{Policy, PolicyConfig, Refused};
pub use resolver::{CheckedResolver, Lookup, SystemLookup};

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use url::Url;

use crate::http::{ClientConfig, client};

/// An HTTP client for hosts that others chose.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client,
    policy: Arc<Policy>,
}

impl Outbound {
    /// A client under `policy`; names are looked up by the system.
    pub fn new(policy: Policy, config: ClientConfig) -> Result<Self, reqwest::Error> {
        Self::with_lookup(policy, config, Arc::new(SystemLookup))
    }

    /// The same with another look-up, for tests with a hostile one.
    pub fn with_lookup(
        policy: Policy,
        mut config: ClientConfig,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        config.resolver = Some(Arc::new(CheckedResolver::new(Arc::clone(&policy), lookup)));
        // An answer that unpacks to gigabytes must not be unpacked (OUT-4).
        config.gzip = false;
        Ok(Self { client: client(&config)?, policy })
    }

    /// Begins a request, if the policy lets it go there.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Refused> {
        self.policy.check(url)?;
        Ok(self.client.request(method, url.clone()))
    }

    /// The policy, for a check when an address is configured.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}
