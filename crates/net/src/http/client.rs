//! HTTP clients that do what they are told, once (OUT-9): no retry, no redirect, no proxy from the environment,
//! no cookies, no referer, and a connect limit well below the total one, so that "never sent" can be told from
//! "perhaps sent".

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;

/// Limits and identity of a client.
#[derive(Clone)]
pub struct ClientConfig {
    /// Limit of name look-up, TCP and TLS together.
    pub connect: Duration,
    /// Limit of everything, to the last byte of the answer. At least twice `connect`.
    pub total: Duration,
    /// Whether plain http is refused.
    pub https_only: bool,
    /// Idle connections that are kept a host.
    pub idle_per_host: usize,
    /// Whether gzip answers are asked for and unpacked; off towards hosts that we do not trust.
    pub gzip: bool,
    /// Resolver of names in place of the system's.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("connect", &self.connect)
            .field("total", &self.total)
            .field("https_only", &self.https_only)
            .field("resolver", &self.resolver.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
            https_only: false,
            idle_per_host: 32,
            gzip: true,
            resolver: None,
        }
    }
}

/// Makes a client.
pub fn client(config: &ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .retry(reqwest::retry::never())
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(config.connect.min(config.total / 2))
        .timeout(config.total)
        .https_only(config.https_only)
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .pool_max_idle_per_host(config.idle_per_host)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
        .gzip(config.gzip)
        .user_agent(concat!("switchboard/", env!("CARGO_PKG_VERSION")));
    if let Some(resolver) = &config.resolver {
        builder = builder.dns_resolver(Arc::clone(resolver));
    }
    builder.build()
}
