//! What each service is given. A process asks for the secrets of what it runs and for no others, so that a thief of one
//! pod has one service's password and keys (T7).

use anyhow::ensure;
use auth::Service;

use crate::{house::Wanted, settings::Settings};

/// What a process opens beside its stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Meta's apps with their secrets: to call the Graph API, or to verify what Meta sends.
    pub(crate) apps: bool,
    /// The bus.
    pub(crate) bus: bool,
}

impl Uses {
    /// Everything in one process.
    pub(crate) const ALL: Self = Self { apps: true, bus: true };
    /// Identity alone, as `admin create-operator` opens it.
    pub(crate) const IDENTITY: Self = Self { apps: false, bus: true };

    /// What these services need between them.
    pub(crate) fn of(wanted: &[Wanted]) -> Self {
        let any = |uses: fn(Service) -> bool| {
            wanted.iter().filter_map(|one| one.name.parse().ok()).any(uses)
        };
        Self { apps: any(uses_apps), bus: any(has_store) }
    }
}

/// Whether it has rows, and so events too. The edge has neither.
const fn has_store(service: Service) -> bool {
    !matches!(service, Service::Gateway | Service::Admin)
}

const fn uses_apps(service: Service) -> bool {
    matches!(
        service,
        Service::Onboarding | Service::Assets | Service::Messaging | Service::Webhooks
    )
}

/// Whether it seals columns of its own.
const fn seals(service: Service) -> bool {
    matches!(service, Service::Identity | Service::Onboarding)
}

/// Whether it answers lists in pages.
const fn pages(service: Service) -> bool {
    has_store(service) && !matches!(service, Service::Analytics)
}

/// Holds the configuration against what these services need of it, before anything is opened.
pub(crate) fn check(settings: &Settings, wanted: &[Wanted]) -> anyhow::Result<()> {
    for one in wanted {
        let service: Service = one.name.parse()?;
        let missing = missing(settings, service);
        ensure!(
            missing.is_empty(),
            "`serve {service}` needs {}; `switchboard dev` runs without PostgreSQL, RabbitMQ and keys of your own",
            missing.join(", ")
        );
    }
    Ok(())
}

/// The settings that a service cannot be without and that say nothing.
fn missing(settings: &Settings, service: Service) -> Vec<String> {
    let (place, keys) = (settings.services.of(service), &settings.keys);
    let has_broker = settings.bus.url.is_set() || place.broker_url.is_set();
    [
        (true, place.key.is_set(), format!("services.{service}.key")),
        (has_store(service), !settings.database.url.is_empty(), "database.url".to_owned()),
        (has_store(service), has_broker, format!("bus.url (or services.{service}.broker_url)")),
        (seals(service), keys.kek.is_set(), "keys.kek".to_owned()),
        (pages(service), keys.page.is_set(), "keys.page".to_owned()),
        (service == Service::Identity, keys.pepper.is_set(), "keys.pepper".to_owned()),
    ]
    .into_iter()
    .filter_map(|(needed, is_set, setting)| (needed && !is_set).then_some(setting))
    .collect()
}

#[cfg(test)]
mod tests {
    use net::config::SecretRef;

    use super::*;

    fn wanted(name: &str) -> Vec<Wanted> {
        vec![Wanted::new(name, None)]
    }

    #[test]
    fn a_service_names_the_settings_that_it_lacks_and_no_others() {
        let mut settings = Settings::default();
        assert_eq!(missing(&settings, Service::Gateway), ["services.gateway.key"]);
        settings.database.url = "postgres://db.example/switchboard".to_owned();
        settings.services.analytics.key = SecretRef::inline("key");
        settings.services.analytics.broker_url = SecretRef::inline("amqp://broker.example");
        check(&settings, &wanted("analytics")).unwrap();
        let refused = check(&settings, &wanted("identity")).unwrap_err().to_string();
        let named = "services.identity.key, bus.url (or services.identity.broker_url), keys.kek, keys.page, keys.pepper;";
        assert!(refused.contains(named), "{refused}");
        // Of two in one process each is asked.
        let both = [wanted("analytics"), wanted("assets")].concat();
        let refused = check(&settings, &both).unwrap_err().to_string();
        assert!(refused.contains("keys.page") && !refused.contains("keys.kek"), "{refused}");
    }

    #[test]
    fn the_edge_opens_no_bus_and_reads_no_secret_of_metas_apps() {
        assert_eq!(Uses::of(&wanted("gateway")), Uses { apps: false, bus: false });
        assert_eq!(Uses::of(&wanted("identity")), Uses::IDENTITY);
        assert_eq!(Uses::of(&[wanted("gateway"), wanted("webhooks")].concat()), Uses::ALL);
    }
}
