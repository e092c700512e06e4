//! `switchboard migrate`: every service's schema, one after the other. It and `admin create-operator` alone open databases.

use anyhow::{Context as _, bail};
use net::config::load;
use store::{
    migrate::MigrateConfig,
    schema::{Names, Roles, RolesMode},
};

use crate::{cli::MigrateArgs, settings::Settings};

/// Brings all schemas up to date.
pub(crate) async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let settings: Settings = load(args.config.as_deref(), &[])?;
    settings.database.of_an_installation("migrate")?;
    let mode = match args.roles.as_str() {
        "create" => RolesMode::Create,
        "existing" => RolesMode::Existing,
        other => bail!("--roles is `create` or `existing`, not `{other}`"),
    };
    for service in ["identity", "onboarding", "assets", "messaging", "webhooks", "analytics"] {
        migrate(&settings, service, mode).await.with_context(|| format!("migrating {service}"))?;
        line(&format!("{service}: up to date"));
    }
    Ok(())
}

/// Brings one service's schema up to date.
pub(crate) async fn migrate(
    settings: &Settings,
    service: &str,
    mode: RolesMode,
) -> anyhow::Result<()> {
    let database = &settings.database;
    let config = if database.url.is_empty() {
        MigrateConfig::Sqlite { path: database.folder.join(format!("{service}.sqlite")) }
    } else {
        let url = if database.migrate_url.is_set() {
            database.migrate_url.read().context("database.migrate_url")?
        } else {
            database.url.clone().into()
        };
        MigrateConfig::Postgres { url, roles: roles(settings, service, mode)? }
    };
    match service {
        "identity" => up::<migrations::identity::Migrator>(&config, service).await,
        "onboarding" => up::<migrations::onboarding::Migrator>(&config, service).await,
        "assets" => up::<migrations::assets::Migrator>(&config, service).await,
        "messaging" => up::<migrations::messaging::Migrator>(&config, service).await,
        "webhooks" => up::<migrations::webhooks::Migrator>(&config, service).await,
        "analytics" => up::<migrations::analytics::Migrator>(&config, service).await,
        other => bail!("no service `{other}` has a schema"),
    }
}

async fn up<M: sea_orm_migration::MigratorTrait>(
    config: &MigrateConfig,
    service: &str,
) -> anyhow::Result<()> {
    Ok(store::migrate::run::<M>(config, service).await?)
}

fn roles(settings: &Settings, service: &str, mode: RolesMode) -> anyhow::Result<Roles> {
    let prefix = &settings.database.role_prefix;
    let mut roles = Roles { prefix: prefix.clone(), mode, ..Roles::default() };
    let place: auth::Service = service.parse()?;
    let own = &settings.services.of(place).database_password;
    if let Some(password) =
        [own, &settings.database.password].into_iter().find(|password| password.is_set())
    {
        let password = password.read().context("the password of database roles")?;
        for name in Names::new(prefix, service)?.logins() {
            roles.passwords.insert(name, password.clone());
        }
    }
    Ok(roles)
}

#[expect(clippy::print_stdout, reason = "the command's own output")]
fn line(text: &str) {
    println!("{text}");
}
