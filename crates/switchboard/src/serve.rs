//! `switchboard serve`: services and roles of the production wiring, each process one or several.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use net::{
    config::{load, print_config},
    drain::signals,
    health::Readiness,
};

use crate::{
    cli::ServeArgs,
    house::{self, House, Wanted},
    ports::Ports,
    settings::Settings,
    uses::{self, Uses},
};

/// Runs until a signal, then drains.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings: Settings = load(args.config.as_deref(), &[])?;
    if args.print_config {
        line(&print_config(&settings)?);
        return Ok(());
    }
    let wanted = wanted(&args)?;
    uses::check(&settings, &wanted)?;
    let name = args.services.join("+");
    let instance = house::instance();
    let guard = telemetry::init(&settings.telemetry, &name, &instance)?;
    let signals = signals()?;
    let readiness = Readiness::new();
    let house = House::open(settings, Uses::of(&wanted), readiness, signals.stop.clone()).await?;
    let running =
        house.start(&wanted, Ports::default()).await.with_context(|| format!("starting {name}"))?;
    tracing::info!(instance, services = name, "started");
    let ended = running.until_end(&signals).await;
    guard.shutdown().await;
    ended
}

/// Which services and roles the arguments ask for.
fn wanted(args: &ServeArgs) -> anyhow::Result<Vec<Wanted>> {
    let roles: Option<BTreeSet<String>> =
        args.roles.as_ref().map(|roles| roles.iter().cloned().collect());
    args.services
        .iter()
        .map(|name| match (name.as_str(), &roles) {
            // The receiver scales and fails differently: it is a role of webhooks that runs by its own name.
            ("webhooks-in", None) => Ok(Wanted::new("webhooks", Some(["webhooks-in".to_owned()].into()))),
            ("webhooks", None) => {
                Ok(Wanted::new("webhooks", Some(["api".to_owned(), "workers".to_owned()].into())))
            }
            ("gateway" | "identity" | "onboarding" | "assets" | "messaging" | "webhooks" | "analytics", roles) => {
                Ok(Wanted::new(name, roles.clone()))
            }
            (other, _) => bail!(
                "no service `{other}`: gateway, identity, onboarding, assets, messaging, webhooks, webhooks-in, analytics"
            ),
        })
        .collect()
}

#[expect(clippy::print_stdout, reason = "the configuration that was asked for")]
fn line(text: &str) {
    println!("{text}");
}
