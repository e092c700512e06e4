//! Our own services as callers. `admin` is one too: the command line calls with a token of its own.

use std::fmt;
use std::str::FromStr;

/// A word that is no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no service")]
pub struct UnknownService(pub String);

/// One of our services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// HTTP in, gRPC out.
    Gateway,
    /// People, keys, sessions.
    Identity,
    /// Tenants, WABAs, the token vault.
    Onboarding,
    /// Numbers, templates.
    Assets,
    /// Messages, contacts, conversations.
    Messaging,
    /// Webhooks in and out.
    Webhooks,
    /// Facts and figures.
    Analytics,
    /// The command line.
    Admin,
}

impl Service {
    /// Every service.
    pub const ALL: &'static [Self] = &[
        Self::Gateway,
        Self::Identity,
        Self::Onboarding,
        Self::Assets,
        Self::Messaging,
        Self::Webhooks,
        Self::Analytics,
        Self::Admin,
    ];

    /// Its name, also the audience of tokens for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Identity => "identity",
            Self::Onboarding => "onboarding",
            Self::Assets => "assets",
            Self::Messaging => "messaging",
            Self::Webhooks => "webhooks",
            Self::Analytics => "analytics",
            Self::Admin => "admin",
        }
    }

    /// What its tokens name as their subject: `svc_messaging` (AUTH-17).
    pub fn subject(self) -> String {
        format!("svc_{}", self.as_str())
    }

    /// The service that a subject names.
    pub fn from_subject(subject: &str) -> Option<Self> {
        subject.strip_prefix("svc_")?.parse().ok()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Self, UnknownService> {
        let found = Self::ALL.iter().find(|service| service.as_str() == name);
        found.copied().ok_or_else(|| UnknownService(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_subjects_read_back() {
        for service in Service::ALL {
            assert_eq!(service.as_str().parse(), Ok(*service));
            assert_eq!(Service::from_subject(&service.subject()), Some(*service));
        }
        assert_eq!(Service::from_subject("messaging"), None);
        assert_eq!(Service::from_subject("svc_sandbox"), None);
    }
}
