//! The whole configuration of a process: defaults < file < environment < flags.
//!
//! One file serves every role; a process reads its own sections. Secrets are references (SUP-4) and are read at start.

mod database;

use anyhow::{Context as _, bail};
use auth::Service;
use garde::Validate;
use graph::GraphConfig;
use kernel::{
    page::{PageKey, PageKeys},
    secret::{ExposeSecret as _, Zeroizing, parse_key},
};
use meta::app::{Environment, MetaAppSettings, MetaApps};
use net::{config::SecretRef, http::HttpLimits};
use seal::{Kek, Keks};
use serde::{Deserialize, Serialize};
use telemetry::TelemetryConfig;

pub(crate) use self::database::DatabaseSettings;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct Settings {
    /// Logs, traces, metrics.
    #[garde(dive)]
    pub(crate) telemetry: TelemetryConfig,
    /// What tokens say.
    #[garde(dive)]
    pub(crate) tokens: Tokens,
    /// Where each service listens and answers, and its own key.
    pub(crate) services: Services,
    /// Where rows are.
    #[garde(dive)]
    pub(crate) database: DatabaseSettings,
    /// Where events travel.
    pub(crate) bus: BusSettings,
    /// Whose business clock is followed.
    pub(crate) clock: ClockSettings,
    /// Keys that seal, sign and hash.
    pub(crate) keys: KeySettings,
    /// Meta's apps and the client that calls it.
    #[garde(dive)]
    pub(crate) meta: MetaSettings,
    /// Health and metrics.
    pub(crate) admin: AdminSettings,
    /// The public edge.
    #[garde(dive)]
    pub(crate) gateway: GatewaySettings,
    /// The receiver of Meta's webhooks.
    #[garde(dive)]
    pub(crate) webhooks_in: HttpSettings,
    /// Settings of identity.
    #[garde(dive)]
    pub(crate) identity: identity::Config,
    /// Settings of onboarding.
    #[garde(dive)]
    pub(crate) onboarding: onboarding::Config,
    /// Settings of assets.
    #[garde(dive)]
    pub(crate) assets: assets::Config,
    /// Settings of messaging.
    #[garde(dive)]
    pub(crate) messaging: messaging::Config,
    /// Settings of webhooks.
    #[garde(dive)]
    pub(crate) webhooks: webhooks::Config,
    /// Settings of analytics.
    pub(crate) analytics: analytics::Config,
}

impl Settings {
    /// Whether a broker is configured, for all services or for one of them.
    pub(crate) fn has_broker(&self) -> bool {
        let has_own = |service: &Service| self.services.of(*service).broker_url.is_set();
        self.bus.url.is_set() || SERVERS.iter().any(has_own)
    }
}

/// What tokens say.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct Tokens {
    /// `iss`: the installation's public URL.
    #[garde(url)]
    pub(crate) issuer: String,
    /// `aud` of user tokens.
    #[garde(length(min = 1))]
    pub(crate) audience: String,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { issuer: "http://127.0.0.1:8080".to_owned(), audience: "switchboard".to_owned() }
    }
}

/// One service's place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Place {
    /// Where its gRPC listens: `0.0.0.0:50051`; port 0 picks a free one.
    pub(crate) listen: String,
    /// Where others reach it: `http://identity:50051`.
    pub(crate) endpoint: String,
    /// Its own Ed25519 key (AUTH-17).
    pub(crate) key: SecretRef,
    /// Password of its three database roles, where they have one of their own.
    pub(crate) database_password: SecretRef,
    /// Broker URL with its own account, where it has one.
    pub(crate) broker_url: SecretRef,
}

impl Place {
    fn at(port: u16) -> Self {
        Self {
            listen: format!("0.0.0.0:{port}"),
            endpoint: format!("http://127.0.0.1:{port}"),
            ..Self::default()
        }
    }
}

/// Every service's place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Services {
    /// Whether reflection is served.
    pub(crate) reflection: bool,
    pub(crate) identity: Place,
    pub(crate) onboarding: Place,
    pub(crate) assets: Place,
    pub(crate) messaging: Place,
    pub(crate) webhooks: Place,
    pub(crate) analytics: Place,
    /// Calls alone; only the key matters.
    pub(crate) gateway: Place,
    /// The command line: calls alone.
    pub(crate) admin: Place,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            reflection: false,
            identity: Place::at(50_051),
            onboarding: Place::at(50_052),
            assets: Place::at(50_053),
            messaging: Place::at(50_054),
            webhooks: Place::at(50_055),
            analytics: Place::at(50_056),
            gateway: Place::default(),
            admin: Place::default(),
        }
    }
}

impl Services {
    /// The place of a service.
    pub(crate) const fn of(&self, service: Service) -> &Place {
        match service {
            Service::Gateway => &self.gateway,
            Service::Identity => &self.identity,
            Service::Onboarding => &self.onboarding,
            Service::Assets => &self.assets,
            Service::Messaging => &self.messaging,
            Service::Webhooks => &self.webhooks,
            Service::Analytics => &self.analytics,
            Service::Admin => &self.admin,
        }
    }

    /// The place of a service, to be changed.
    pub(crate) const fn of_mut(&mut self, service: Service) -> &mut Place {
        match service {
            Service::Gateway => &mut self.gateway,
            Service::Identity => &mut self.identity,
            Service::Onboarding => &mut self.onboarding,
            Service::Assets => &mut self.assets,
            Service::Messaging => &mut self.messaging,
            Service::Webhooks => &mut self.webhooks,
            Service::Analytics => &mut self.analytics,
            Service::Admin => &mut self.admin,
        }
    }

    /// Where everybody answers.
    pub(crate) fn endpoints(&self) -> Vec<(Service, String)> {
        SERVERS.iter().map(|service| (*service, self.of(*service).endpoint.clone())).collect()
    }
}

/// The services that answer gRPC, in dev.json's order.
pub(crate) const SERVERS: [Service; 6] = [
    Service::Identity,
    Service::Onboarding,
    Service::Assets,
    Service::Messaging,
    Service::Webhooks,
    Service::Analytics,
];

/// Where events travel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BusSettings {
    /// `amqp://user:password@host:5672/vhost`; unset means the embedded bus, for a single process.
    pub(crate) url: SecretRef,
    /// Prefix of every exchange and queue.
    pub(crate) namespace: String,
    /// Broker account of a service: `sb_{service}`. Without the placeholder all share one, and an event's origin is not
    /// checked any further than that.
    pub(crate) accounts: String,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            url: SecretRef::Unset,
            namespace: "switchboard".to_owned(),
            accounts: "guest".to_owned(),
        }
    }
}

/// Whose business clock is followed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClockSettings {
    /// A sandbox's clock, `http://…/_sandbox/v1/clock`; empty means the machine's. Refused where an app is `live`.
    pub(crate) follow: String,
}

/// Keys that seal, sign and hash: 32 bytes each, in base64 or hex.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KeySettings {
    /// Wraps the data keys of sealed columns.
    pub(crate) kek: SecretRef,
    /// The one before, while data keys are wrapped again.
    pub(crate) previous_kek: SecretRef,
    /// MACs cursors.
    pub(crate) page: SecretRef,
    /// The one before, while old cursors live.
    pub(crate) previous_page: SecretRef,
    /// Pepper of passwords and API keys.
    pub(crate) pepper: SecretRef,
    /// The one before, while hashes are made again.
    pub(crate) previous_pepper: SecretRef,
}

/// Reads a 32-byte key.
pub(crate) fn key(name: &str, secret: &SecretRef) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    if !secret.is_set() {
        bail!(
            "{name} is not set: 32 random bytes in base64 or hex, such as `openssl rand -base64 32` prints"
        );
    }
    let text = secret.read().with_context(|| name.to_owned())?;
    parse_key(text.expose_secret()).with_context(|| name.to_owned())
}

impl KeySettings {
    /// The KEKs, and the name of the one that wraps.
    pub(crate) fn keks(&self) -> anyhow::Result<(Keks, String)> {
        let current = Kek::new(&key("keys.kek", &self.kek)?)?;
        let name = current.id().to_string();
        let previous = if self.previous_kek.is_set() {
            Some(Kek::new(&key("keys.previous_kek", &self.previous_kek)?)?)
        } else {
            None
        };
        Ok((Keks::new(current, previous), name))
    }

    /// The keys of cursors.
    pub(crate) fn page_keys(&self) -> anyhow::Result<PageKeys> {
        let current = PageKey::new(*key("keys.page", &self.page)?);
        let previous = if self.previous_page.is_set() {
            Some(PageKey::new(*key("keys.previous_page", &self.previous_page)?))
        } else {
            None
        };
        Ok(PageKeys { current, previous })
    }
}

/// Meta's apps and the client that calls it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct MetaSettings {
    /// The apps.
    pub(crate) apps: Vec<MetaAppSettings<SecretRef>>,
    /// The client.
    #[garde(dive)]
    pub(crate) graph: GraphConfig,
}

impl MetaSettings {
    /// Whether messages of an app reach people. Needs no secret.
    pub(crate) fn any_live(&self) -> bool {
        self.apps.iter().any(|app| app.environment == Environment::Live)
    }

    /// The apps with their secrets.
    pub(crate) fn resolve(&self) -> anyhow::Result<MetaApps> {
        let apps =
            self.apps.iter().map(|app| app.resolve(SecretRef::read)).collect::<Result<Vec<_>, _>>();
        Ok(MetaApps::new(apps.context("meta.apps")?)?)
    }
}

/// Health and metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdminSettings {
    /// Where they are served; closed to the outside by network policy.
    pub(crate) listen: String,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: "0.0.0.0:9090".to_owned() }
    }
}

/// An HTTP listener.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct HttpSettings {
    /// Where it listens.
    pub(crate) listen: String,
    /// Proxies before it that we trust.
    pub(crate) trusted_hops: Option<usize>,
    /// Connections of one peer, by address (IPv6: /64). Not counted where `trusted_hops` says that peers are proxies.
    #[garde(range(min = 1))]
    pub(crate) connections_per_peer: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:8081".to_owned(),
            trusted_hops: None,
            connections_per_peer: HttpLimits::default().connections_per_peer,
        }
    }
}

/// The public edge.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct GatewaySettings {
    /// Where it listens.
    pub(crate) listen: String,
    /// How it answers.
    #[garde(dive)]
    pub(crate) edge: gateway::Config,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { listen: "0.0.0.0:8080".to_owned(), edge: gateway::Config::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_read_back_from_what_they_print() {
        let printed = net::config::print_config(&Settings::default()).unwrap();
        let read: Settings = toml::from_str(&printed).unwrap();
        assert_eq!(net::config::print_config(&read).unwrap(), printed);
    }
}
