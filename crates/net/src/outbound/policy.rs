//! What a URL that somebody else chose may look like (OUT-3).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::address::is_public;

/// Settings of outbound deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Networks that are allowed although they are not public, as CIDR. For development, and for an operator who
    /// knows why.
    pub allow: Vec<IpNet>,
    /// Networks that are refused although they are public.
    pub deny: Vec<IpNet>,
    /// Whether plain http is allowed.
    pub http: bool,
    /// Ports that are allowed; empty: any.
    pub ports: Vec<u16>,
    /// Our own public host names, which are no place to deliver to.
    pub own_hosts: Vec<String>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            http: false,
            ports: vec![443, 8443],
            own_hosts: Vec::new(),
        }
    }
}

/// Why a URL is refused; the text is for who configured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither https nor, where allowed, http.
    #[error("the address must begin with https://")]
    Scheme,
    /// A name or password stands in it.
    #[error("the address must not hold a user name or password")]
    UserInfo,
    /// It has no host.
    #[error("the address has no host")]
    Host,
    /// Its host is of a private kind.
    #[error("the host is not a public name")]
    Name,
    /// Its host is ours.
    #[error("the host is one of this installation's own")]
    Own,
    /// Its port is not allowed.
    #[error("the port is not allowed; use 443 or 8443")]
    Port,
    /// Its address is not public.
    #[error("the host's address is not on the public internet")]
    Address,
}

/// Judges URLs and addresses.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    config: PolicyConfig,
}

/// Names that never are public.
const PRIVATE_SUFFIXES: [&str; 8] = [
    ".local",
    ".internal",
    ".svc",
    ".cluster.local",
    ".localhost",
    ".localdomain",
    ".lan",
    ".home.arpa",
];

impl Policy {
    /// A policy by configuration.
    pub const fn new(config: PolicyConfig) -> Self {
        Self { config }
    }

    /// Whether a connection to `address` is allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&canonical));
        if within(&self.config.deny) {
            return false;
        }
        within(&self.config.allow) || is_public(address)
    }

    /// Judges what can be judged without asking a name server.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        match url.scheme() {
            "https" => {}
            "http" if self.config.http => {}
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo);
        }
        let port = url.port_or_known_default().ok_or(Refused::Port)?;
        if !self.config.ports.is_empty() && !self.config.ports.contains(&port) {
            return Err(Refused::Port);
        }
        match url.host() {
            None => Err(Refused::Host),
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) => self.check_name(name),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        if self.allows(address) { Ok(()) } else { Err(Refused::Address) }
    }

    fn check_name(&self, name: &str) -> Result<(), Refused> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if self.config.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
            return Err(Refused::Own);
        }
        // Where private networks are allowed, so are their names; the address still has to pass.
        if !self.config.allow.is_empty() {
            return Ok(());
        }
        if !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(Refused::Name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn judge(policy: &Policy, text: &str) -> Result<(), Refused> {
        // What is no URL at all never becomes one.
        policy.check(&Url::parse(text).map_err(|_| Refused::Host)?)
    }

    #[rstest]
    #[case("https://hooks.example.com/a")]
    #[case("https://hooks.example.com:8443/a?b=c")]
    #[case("https://8.8.8.8/")]
    #[case("https://[2606:4700::1111]/")]
    fn public_addresses_pass(#[case] text: &str) {
        assert_eq!(judge(&Policy::default(), text), Ok(()));
    }

    #[rstest]
    #[case("http://hooks.example.com/", Refused::Scheme)]
    #[case("ftp://hooks.example.com/", Refused::Scheme)]
    #[case("file:///etc/passwd", Refused::Scheme)]
    #[case("gopher://hooks.example.com/", Refused::Scheme)]
    #[case("ws://hooks.example.com/", Refused::Scheme)]
    #[case("data:text/plain,x", Refused::Scheme)]
    #[case("https://user@hooks.example.com/", Refused::UserInfo)]
    #[case("https://user:pw@hooks.example.com/", Refused::UserInfo)]
    #[case("https://:pw@hooks.example.com/", Refused::UserInfo)]
    #[case("https://hooks.example.com@127.0.0.1/", Refused::UserInfo)]
    #[case("https://hooks.example.com:22/", Refused::Port)]
    #[case("https://hooks.example.com:80/", Refused::Port)]
    #[case("https://hooks.example.com:6379/", Refused::Port)]
    #[case("https://localhost/", Refused::Name)]
    #[case("https://LOCALHOST/", Refused::Name)]
    #[case("https://localhost./", Refused::Name)]
    #[case("https://postgres/", Refused::Name)]
    #[case("https://printer.local/", Refused::Name)]
    #[case("https://metadata.google.internal/", Refused::Name)]
    #[case("https://db.default.svc/", Refused::Name)]
    #[case("https://db.default.svc.cluster.local/", Refused::Name)]
    #[case("https://db.default.svc.cluster.local./", Refused::Name)]
    #[case("https://a.localhost/", Refused::Name)]
    #[case("https://switchboard.example.com/", Refused::Own)]
    #[case("https://SWITCHBOARD.example.com./", Refused::Own)]
    #[case("https://127.0.0.1/", Refused::Address)]
    #[case("https://127.1/", Refused::Address)]
    #[case("https://0x7f.1/", Refused::Address)]
    #[case("https://0x7f000001/", Refused::Address)]
    #[case("https://2130706433/", Refused::Address)]
    #[case("https://0177.0.0.1/", Refused::Address)]
    #[case("https://017700000001/", Refused::Address)]
    #[case("https://0/", Refused::Address)]
    #[case("https://0.0.0.0/", Refused::Address)]
    #[case("https://10.0.0.1/", Refused::Address)]
    #[case("https://169.254.169.254/latest/meta-data", Refused::Address)]
    #[case("https://[::1]/", Refused::Address)]
    #[case("https://[::]/", Refused::Address)]
    #[case("https://[::ffff:127.0.0.1]/", Refused::Address)]
    #[case("https://[::ffff:7f00:1]/", Refused::Address)]
    #[case("https://[::ffff:8.8.8.8]/", Refused::Address)]
    #[case("https://[64:ff9b::7f00:1]/", Refused::Address)]
    #[case("https://[fd00:ec2::254]/", Refused::Address)]
    #[case("https://[fe80::1]/", Refused::Address)]
    #[case("https://１２７.0.0.1/", Refused::Address)]
    #[case("https://127。0。0。1/", Refused::Address)]
    #[case("https:///etc/passwd", Refused::Name)]
    #[case("https://", Refused::Host)]
    #[case("//hooks.example.com", Refused::Host)]
    #[case("https://256.256.256.256/", Refused::Host)]
    #[case("https://[::1%25eth0]/", Refused::Host)]
    fn hostile_addresses_are_refused(#[case] text: &str, #[case] expected: Refused) {
        let own_hosts = vec!["switchboard.example.com".to_owned()];
        let policy = Policy::new(PolicyConfig { own_hosts, ..PolicyConfig::default() });
        assert_eq!(judge(&policy, text), Err(expected));
    }

    #[test]
    fn an_operator_may_allow_a_network_and_plain_http() {
        let policy = Policy::new(PolicyConfig {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            http: true,
            ports: Vec::new(),
            ..PolicyConfig::default()
        });
        assert_eq!(judge(&policy, "http://127.0.0.1:9/"), Ok(()));
        assert_eq!(judge(&policy, "http://localhost:9/"), Ok(()));
        assert_eq!(judge(&policy, "http://10.0.0.1:9/"), Err(Refused::Address));
    }

    #[test]
    fn a_denied_network_is_refused_though_public_and_allowed() {
        let net: IpNet = "8.8.8.0/24".parse().unwrap();
        let policy =
            Policy::new(PolicyConfig { deny: vec![net], allow: vec![net], ..Default::default() });
        assert!(!policy.allows("8.8.8.8".parse().unwrap()));
        assert!(!policy.allows("::ffff:8.8.8.8".parse().unwrap()));
        assert!(policy.allows("8.8.4.4".parse().unwrap()));
    }
}
