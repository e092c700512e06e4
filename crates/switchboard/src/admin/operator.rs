//! `admin create-operator`: the first operator of an installation, straight in identity's database, and the dev.json that
//! `tour` reads for a `serve` installation.

use std::fs;

use anyhow::{Context as _, ensure};
use kernel::{
    ids::{SystemIds, random_token},
    secret::ExposeSecret as _,
};
use net::{config::load, health::Readiness};
use tokio_util::sync::CancellationToken;

use super::line;
use crate::{
    cli::CreateOperatorArgs,
    dev_json::{self, DevJson},
    house::House,
    settings::Settings,
    uses::Uses,
};

/// Makes the operator; the same e-mail again is answered alike, with its password untouched.
pub(super) async fn create(args: CreateOperatorArgs) -> anyhow::Result<()> {
    let settings: Settings = load(args.config.as_deref(), &[])?;
    settings.database.of_an_installation("admin create-operator")?;
    let given = args
        .password_file
        .as_ref()
        .map(fs::read_to_string)
        .transpose()
        .context("reading --password-file")?;
    let made = given.is_none();
    let password = given
        .map_or_else(|| random_token(&SystemIds::new(), 18), |text| text.trim_end().to_owned());
    let mut own = settings.clone();
    // Nobody is asked for anything here: no clock, no broker.
    own.clock.follow = String::new();
    let house =
        House::open(own, Uses::IDENTITY, Readiness::new(), CancellationToken::new()).await?;
    house.make_operator(&args.email, &args.name, &password).await?;
    line(&format!("operator {}", args.email));
    if made {
        line(&format!("password {password}"));
    }
    if let Some(path) = args.write_dev_json {
        of_installation(&settings, &args.email, &password)?.write(&path)?;
        line(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// A dev.json of a `serve` installation: no tenants, and the first sandbox app.
fn of_installation(settings: &Settings, email: &str, password: &str) -> anyhow::Result<DevJson> {
    let http = settings.gateway.edge.public_url.trim_end_matches('/').to_owned();
    let apps = settings.meta.resolve()?;
    let app = apps.of(meta::app::Environment::Sandbox).next();
    ensure!(
        app.is_some(),
        "dev.json names a sandbox: configure a Meta app of environment `sandbox` first"
    );
    let app = app.context("a sandbox app")?;
    let grpc = |service| {
        let endpoint = &settings.services.of(service).endpoint;
        endpoint.trim_start_matches("http://").to_owned()
    };
    let secret = |secret: &kernel::secret::SecretString| secret.expose_secret().to_owned();
    Ok(DevJson {
        version: 1,
        gateway: dev_json::Gateway {
            graphql: format!("{http}/graphql"),
            graphql_ws: format!("{}/graphql/ws", http.replacen("http", "ws", 1)),
            jwks: format!("{http}/.well-known/jwks.json"),
            issuer: settings.tokens.issuer.clone(),
            audience: settings.tokens.audience.clone(),
            http: http.clone(),
        },
        edge: dev_json::Edge { base_url: http },
        webhooks: dev_json::Webhooks {
            url: format!("http://{}/webhooks/meta/{}", settings.webhooks_in.listen, app.id),
            verify_token: secret(&app.verify_token),
        },
        grpc: dev_json::Grpc {
            identity: grpc(auth::Service::Identity),
            onboarding: grpc(auth::Service::Onboarding),
            assets: grpc(auth::Service::Assets),
            messaging: grpc(auth::Service::Messaging),
            webhooks: grpc(auth::Service::Webhooks),
            analytics: grpc(auth::Service::Analytics),
        },
        admin: dev_json::Admin { http: format!("http://{}", settings.admin.listen) },
        sandbox: dev_json::Sandbox {
            http: app.graph_base_url.clone(),
            control: format!("{}/_sandbox/v1", app.graph_base_url),
            app_id: app.id.to_string(),
            app_secret: secret(&app.secret),
            token: app.system_user_token.as_ref().map(secret).unwrap_or_default(),
            business_id: app.business_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        },
        operator: dev_json::Operator { email: email.to_owned(), password: password.to_owned() },
        tenants: Vec::new(),
    })
}
