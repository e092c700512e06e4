//! Settings of the gateway: section `gateway`. Units stand in the names.

use std::num::NonZeroU32;
use std::time::Duration;

use garde::Validate;
use net::http::HttpLimits;
use serde::{Deserialize, Serialize};
use url::Url;

/// Settings of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// Where browsers and clients reach us, without a path: links are made from it, and its origin is the one
    /// that cookies are read for.
    #[garde(url)]
    pub public_url: String,
    /// Other origins whose scripts may call GraphQL with a token, exactly as browsers write them (AUTH-21).
    /// Cookies are read for none of them.
    pub allowed_origins: Vec<String>,
    /// Proxies before us that we trust to tell the client's address (AUTH-16); absent: rules by network are off.
    pub trusted_hops: Option<usize>,
    /// Connections of one peer, by address (IPv6: /64). Not counted where `trusted_hops` says that peers are proxies.
    #[garde(range(min = 1))]
    pub connections_per_peer: usize,
    /// Where the page of each error reason is, when it is not our own `/errors`; the reason is added as a fragment.
    pub docs_url: Option<String>,
    /// Limits of GraphQL.
    #[garde(dive)]
    pub graphql: GraphqlLimits,
    /// Limits of sockets.
    #[garde(dive)]
    pub socket: SocketLimits,
    /// Limits of each tenant, partner and operator.
    #[garde(dive)]
    pub tenant: TenantLimits,
    /// How long an exchanged API key is kept, at most 60 (AUTH-15).
    #[garde(range(max = 60))]
    pub key_cache_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            allowed_origins: Vec::new(),
            trusted_hops: None,
            connections_per_peer: HttpLimits::default().connections_per_peer,
            docs_url: None,
            graphql: GraphqlLimits::default(),
            socket: SocketLimits::default(),
            tenant: TenantLimits::default(),
            key_cache_seconds: 60,
        }
    }
}

/// What one GraphQL request may cost (IN-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct GraphqlLimits {
    /// Bytes of a request's body.
    #[garde(range(min = 1))]
    pub body_bytes: usize,
    /// Bytes of a document.
    #[garde(range(min = 1))]
    pub document_bytes: usize,
    /// Fields below one another. Introspection is exempt: the usual query of tools is deeper.
    #[garde(range(min = 1))]
    pub depth: usize,
    /// Cost of a document; lists multiply by the page asked for.
    #[garde(range(min = 1))]
    pub complexity: usize,
    /// Selection sets inside one another, fragments included.
    #[garde(range(min = 1))]
    pub recursion: usize,
    /// Directives on one field.
    #[garde(range(min = 1))]
    pub directives: usize,
    /// Aliases at the root.
    #[garde(range(min = 1))]
    pub root_aliases: usize,
    /// Aliases in all, fragments counted wherever they are spread.
    #[garde(range(min = 1))]
    pub aliases: usize,
    /// How long a request may take.
    #[garde(range(min = 1))]
    pub timeout_seconds: u64,
    /// Bytes of persisted documents (APQ) that are kept.
    pub persisted_bytes: u64,
}

impl Default for GraphqlLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            document_bytes: 32 << 10,
            depth: 12,
            complexity: 2000,
            recursion: 32,
            directives: 10,
            root_aliases: 30,
            aliases: 200,
            timeout_seconds: 10,
            persisted_bytes: 8 << 20,
        }
    }
}

/// What one socket may cost (AUTH-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct SocketLimits {
    /// How long `connection_init` may take.
    #[garde(range(min = 1))]
    pub init_timeout_seconds: u64,
    /// Operations at once.
    #[garde(range(min = 1))]
    pub operations: usize,
    /// How often a silent peer is pinged.
    #[garde(range(min = 1))]
    pub ping_seconds: u64,
    /// After how long without a sign of life a socket is closed.
    #[garde(range(min = 1))]
    pub silence_seconds: u64,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self { init_timeout_seconds: 5, operations: 50, ping_seconds: 20, silence_seconds: 60 }
    }
}

/// What one tenant may ask of one replica (OVL-1): an installation takes as many times more as it has replicas.
/// Each partner and each operator has the same for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct TenantLimits {
    /// Requests a second, by HTTP and over sockets together.
    pub requests_per_second: NonZeroU32,
    /// Requests that may come at once after a quiet time.
    pub burst: NonZeroU32,
    /// Cost of documents a minute, in fields; lists multiply by the page asked for. It may come at once.
    pub cost_per_minute: NonZeroU32,
    /// Queries and mutations that are being answered at once.
    #[garde(range(min = 1))]
    pub calls: usize,
    /// Open sockets.
    #[garde(range(min = 1))]
    pub sockets: usize,
    /// Subscriptions over all sockets.
    #[garde(range(min = 1))]
    pub subscriptions: usize,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            requests_per_second: const { NonZeroU32::MIN.saturating_add(99) },
            burst: const { NonZeroU32::MIN.saturating_add(199) },
            cost_per_minute: const { NonZeroU32::MIN.saturating_add(599_999) },
            calls: 50,
            sockets: 200,
            subscriptions: 500,
        }
    }
}

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `public_url` is no base URL.
    #[error(
        "gateway.public_url is `{0}`; expected a URL without a path, such as https://api.example.com"
    )]
    PublicUrl(String),
    /// An entry of `allowed_origins` is no origin.
    #[error(
        "gateway.allowed_origins has `{0}`; expected an origin such as https://app.example.com"
    )]
    Origin(String),
    /// The cache of exchanged keys is too long.
    #[error("gateway.key_cache_seconds is {0}; a revoked key must be forgotten within 60 seconds")]
    KeyCache(u64),
}

impl Config {
    /// The limits that the gateway's listener takes.
    pub fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            trusted_hops: self.trusted_hops,
            connections_per_peer: self.connections_per_peer,
            ..HttpLimits::default()
        }
    }
}

/// What is made of the settings once, at start.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) graphql: GraphqlLimits,
    pub(crate) socket: SocketLimits,
    pub(crate) tenant: TenantLimits,
    pub(crate) key_cache: Duration,
    /// Without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) docs_url: String,
    /// Ours, as browsers write it.
    pub(crate) own_origin: String,
    pub(crate) allowed_origins: Vec<String>,
    /// Whether browsers reach us by TLS.
    pub(crate) tls: bool,
    /// Whether cookies may go without TLS: plain http on loopback, in development.
    pub(crate) plain_cookies: bool,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::PublicUrl(config.public_url.clone());
        let url = Url::parse(&config.public_url).map_err(|_| wrong())?;
        let web = matches!(url.scheme(), "http" | "https");
        if !web || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        for origin in &config.allowed_origins {
            let written = Url::parse(origin).map(|url| url.origin().ascii_serialization());
            if written.as_deref() != Ok(origin.as_str()) {
                return Err(ConfigError::Origin(origin.clone()));
            }
        }
        if config.key_cache_seconds > 60 {
            return Err(ConfigError::KeyCache(config.key_cache_seconds));
        }
        let tls = url.scheme() == "https";
        let loopback = url.host().is_some_and(|host| match host {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        });
        let own_origin = url.origin().ascii_serialization();
        Ok(Self {
            graphql: config.graphql,
            socket: config.socket,
            tenant: config.tenant,
            key_cache: Duration::from_secs(config.key_cache_seconds),
            public_url: own_origin.clone(),
            docs_url: config.docs_url.clone().unwrap_or_else(|| format!("{own_origin}/errors")),
            own_origin,
            allowed_origins: config.allowed_origins.clone(),
            tls,
            plain_cookies: !tls && loopback,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn with(public_url: &str) -> Config {
        Config { public_url: public_url.to_owned(), ..Config::default() }
    }

    #[rstest]
    #[case("https://api.example.com", true, false)]
    #[case("http://127.0.0.1:8080/", false, true)]
    #[case("http://localhost:8080", false, true)]
    #[case("http://[::1]:8080", false, true)]
    #[case("http://api.example.com", false, false)]
    fn cookies_go_without_tls_on_loopback_alone(
        #[case] url: &str,
        #[case] tls: bool,
        #[case] plain: bool,
    ) {
        let settings = Settings::of(&with(url)).unwrap();
        assert_eq!((settings.tls, settings.plain_cookies), (tls, plain));
        assert!(!settings.public_url.ends_with('/'));
    }

    #[rstest]
    #[case("")]
    #[case("api.example.com")]
    #[case("ftp://api.example.com")]
    #[case("https://api.example.com/path")]
    #[case("https://api.example.com/?query")]
    fn a_public_url_is_a_base(#[case] url: &str) {
        assert_eq!(Settings::of(&with(url)).unwrap_err(), ConfigError::PublicUrl(url.to_owned()));
    }

    #[rstest]
    #[case("*")]
    #[case("https://app.example.com/")]
    #[case("app.example.com")]
    fn origins_are_exact(#[case] origin: &str) {
        let config = Config { allowed_origins: vec![origin.to_owned()], ..Config::default() };
        assert_eq!(Settings::of(&config).unwrap_err(), ConfigError::Origin(origin.to_owned()));
    }
}
