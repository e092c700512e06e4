//! Settings of the client. The apps themselves (address, version, secrets) come as `meta::MetaApps`.

use garde::Validate;
use meta::error::Refusals;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the client of the Graph API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct GraphConfig {
    /// Limit of connecting, in milliseconds. Well below the total, else a connection that never came can't be told from an answer that was lost.
    #[garde(range(min = 1))]
    pub connect_timeout_ms: u64,
    /// Limit of a whole call, in milliseconds. A message whose answer takes longer is `unknown`.
    #[garde(range(min = 1))]
    pub timeout_ms: u64,
    /// Limit of moving a file, in seconds.
    #[garde(range(min = 1))]
    pub media_timeout_s: u64,
    /// Idle connections that are kept to the Graph host.
    pub idle_connections: usize,
    /// Hosts beside the app's own that may see a token when a file is fetched; `*.` stands for any name before it.
    pub media_hosts: Vec<String>,
    /// The operator's changes to the codes by which Meta promises that a message was not sent (rule I2).
    pub refused_before_send: Refusals,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            timeout_ms: 30_000,
            media_timeout_s: 600,
            idle_connections: 256,
            media_hosts: ["lookaside.fbsbx.com", "*.fbcdn.net", "*.whatsapp.net"]
                .map(str::to_owned)
                .to_vec(),
            refused_before_send: Refusals::default(),
        }
    }
}

impl GraphConfig {
    pub(crate) fn client(&self, total: Duration) -> net::http::ClientConfig {
        net::http::ClientConfig {
            connect: Duration::from_millis(self.connect_timeout_ms),
            total,
            // An app of the sandbox may be plain http on loopback; `meta::MetaApps` holds live ones to https.
            https_only: false,
            idle_per_host: self.idle_connections,
            ..net::http::ClientConfig::default()
        }
    }

    /// Whether a host may see a token when a file is fetched from it.
    pub(crate) fn trusts(&self, host: &str) -> bool {
        self.media_hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(domain) => host
                .strip_suffix(domain)
                .is_some_and(|before| before.len() > 1 && before.ends_with('.')),
            None => host.eq_ignore_ascii_case(pattern),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("lookaside.fbsbx.com", true)]
    #[case("scontent.fbcdn.net", true)]
    #[case("a.b.whatsapp.net", true)]
    #[case("fbcdn.net", false)]
    #[case(".fbcdn.net", false)]
    #[case("evilfbcdn.net", false)]
    #[case("lookaside.fbsbx.com.evil.example", false)]
    #[case("graph.facebook.com", false)]
    fn a_token_goes_to_listed_hosts_alone(#[case] host: &str, #[case] trusted: bool) {
        assert_eq!(GraphConfig::default().trusts(host), trusted);
    }
}
