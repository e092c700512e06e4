//! Settings of identity.

use std::collections::BTreeMap;
use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of identity. Peppers and the key-encryption key are secrets and come with
/// [`Deps`](crate::Deps).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// `iss` of all tokens: the installation's public URL. The same as `security.issuer`.
    #[garde(url)]
    pub issuer: String,
    /// `aud` of user tokens. The same as `security.audience`.
    #[garde(length(min = 1))]
    pub audience: String,
    /// Life of access tokens and of services' tokens, in seconds (AUTH-11, AUTH-17).
    #[garde(range(min = 10, max = 3_600))]
    pub token_life_seconds: u64,
    /// How long a refresh token waits for its use, in seconds (AUTH-9).
    #[garde(range(min = 60))]
    pub refresh_idle_seconds: u64,
    /// How long a session in a tenant lives from its sign-in, in seconds.
    #[garde(range(min = 60))]
    pub refresh_absolute_seconds: u64,
    /// The same at the desk: operators and partners.
    #[garde(range(min = 60))]
    pub desk_absolute_seconds: u64,
    /// Life of a set-password link, in seconds.
    #[garde(range(min = 60))]
    pub link_life_seconds: u64,
    /// How old the sign-in may be that keys and members are changed with, in seconds (AUTH-19).
    #[garde(range(min = 1))]
    pub recent_sign_in_seconds: u64,
    /// Fewest characters of a password; never below 8 (AUTH-4).
    #[garde(range(min = 8, max = 128))]
    pub least_password_characters: usize,
    /// How long a signing key signs, in seconds (AUTH-14).
    #[garde(range(min = 3_600))]
    pub signing_key_seconds: u64,
    /// Public halves of the services' own keys, current and next, by service (AUTH-17).
    pub service_keys: BTreeMap<String, Vec<String>>,
    /// Hashing of passwords.
    #[garde(dive)]
    pub hashing: Hashing,
    /// Throttle of sign-ins.
    #[garde(dive)]
    pub throttle: Throttle,
}

/// How much hashing goes on at once (AUTH-3). Each run holds 19 MiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Hashing {
    /// Runs at once; 0 means the number of cores less one, at least one.
    pub permits: usize,
    /// Runs that may wait for a permit.
    #[garde(range(min = 1))]
    pub queue: usize,
    /// The longest wait, in milliseconds.
    #[garde(range(min = 1))]
    pub wait_ms: u64,
}

/// How sign-ins are slowed down (AUTH-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Throttle {
    /// Tries of one account, or of one device, without delay.
    #[garde(range(min = 1))]
    pub free_tries: u32,
    /// The longest delay, in seconds.
    #[garde(range(min = 1))]
    pub longest_delay_seconds: u64,
    /// After how long without a try all is forgotten, in seconds.
    #[garde(range(min = 1))]
    pub forget_seconds: u64,
    /// Tries of one network (/32, /64) in its span.
    #[garde(range(min = 1))]
    pub network_tries: u32,
    /// That span, in seconds.
    #[garde(range(min = 1))]
    pub network_span_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            audience: "switchboard".to_owned(),
            token_life_seconds: 600,
            refresh_idle_seconds: 12 * 3_600,
            refresh_absolute_seconds: 14 * 24 * 3_600,
            desk_absolute_seconds: 12 * 3_600,
            link_life_seconds: 72 * 3_600,
            recent_sign_in_seconds: 15 * 60,
            least_password_characters: 12,
            signing_key_seconds: 90 * 24 * 3_600,
            service_keys: BTreeMap::new(),
            hashing: Hashing::default(),
            throttle: Throttle::default(),
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self { permits: 0, queue: 64, wait_ms: 2_000 }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            free_tries: 5,
            longest_delay_seconds: 15 * 60,
            forget_seconds: 3_600,
            network_tries: 100,
            network_span_seconds: 15 * 60,
        }
    }
}

impl Config {
    pub(crate) const fn token_life(&self) -> Duration {
        Duration::from_secs(self.token_life_seconds)
    }

    pub(crate) fn least_password(&self) -> usize {
        self.least_password_characters.max(8)
    }
}
