//! `switchboard dev`: everything in one process, with a sandbox for Meta, on one folder.
//!
//! The first start migrates, makes an operator and onboards two demo tenants by the real embedded-signup path; a later one
//! finds the same state, ids, password and keys. dev.json is removed at start and written when everything answers: its
//! presence means ready. A first start that dies before it was ready leaves a folder that the next one clears, but for
//! its keys, and begins anew.

mod demo;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use kernel::ids::{Ids, SystemIds};
use meta::app::{Environment, MetaAppSettings, SignupConfiguration};
use net::{
    config::{SecretRef, Sources, print_config},
    drain::signals,
    health::Readiness,
};
use serde_json::json;
use store::schema::RolesMode;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::DevArgs,
    data::Data,
    dev_json::{self, DevJson},
    house::{House, Wanted},
    migrate,
    ports::Ports,
    settings::{SERVERS, Settings},
    uses::Uses,
    walk::{Client, string},
};

/// The operator of a demo installation.
const OPERATOR: &str = "operator@switchboard.test";
/// How long everything may take to be ready.
const READY: Duration = Duration::from_mins(1);

/// The app that the sandbox made for this folder.
struct DemoApp {
    id: String,
    secret: String,
    token: String,
    business_id: String,
    config_id: String,
}

/// Runs until a signal.
pub(crate) async fn run(args: DevArgs) -> anyhow::Result<()> {
    let data = Data::open(&args.data)?;
    let path = data.path("dev.json");
    let ids = SystemIds::new();
    let mut ports = Ports::default();
    let mut settings = settings(&args, &data, &ids, &mut ports)?;
    if args.print_config {
        line(&print_config(&settings)?);
        return Ok(());
    }
    if path.exists() {
        fs::remove_file(&path).context("removing the old dev.json")?;
    }
    data.forget_unfinished().context("clearing a first start that was never ready")?;
    let guard = telemetry::init(&settings.telemetry, "dev", &crate::house::instance())?;
    let signals = signals()?;
    let (sandbox_url, sandbox) = sandbox(&args, &data, signals.stop.clone()).await?;
    let app = app(&data, &ids, &sandbox_url).await?;
    let verify_token = data.random_text("verify_token", &ids)?;
    with_sandbox(&mut settings, &sandbox_url, &app, &verify_token)?;
    for service in SERVERS {
        migrate::migrate(&settings, service.as_str(), RolesMode::Create).await?;
    }
    let readiness = Readiness::new();
    let stop = signals.stop.clone();
    let house = House::open(settings.clone(), Uses::ALL, readiness.clone(), stop).await?;
    let password = data.random_text("operator_password", &ids)?;
    house.make_operator(OPERATOR, "Operator", &password).await?;
    let graph_app = house.graph.app(&app.id)?;
    let everything: Vec<Wanted> = SERVERS
        .iter()
        .map(|service| Wanted::new(service.as_str(), None))
        .chain([Wanted::new("gateway", None)])
        .collect();
    let running = house.start(&everything, ports).await?;
    let public = settings.tokens.issuer.clone();
    let dev = dev_json(
        &settings,
        &running.admin.to_string(),
        &sandbox_url,
        &app,
        &verify_token,
        &password,
    );
    let ready = async {
        tokio::time::timeout(READY, readiness.wait()).await.map_err(|_| {
            anyhow::anyhow!("not ready after {} s: {:?}", READY.as_secs(), readiness.report())
        })?;
        graph_app
            .set_app_subscription(
                &format!("{public}/webhooks/meta/{}", app.id),
                &meta::webhook::FIELDS,
            )
            .await
            .context("telling the sandbox where to deliver webhooks")?;
        let mut dev = dev;
        dev.tenants = demo::tenants(&data, &dev).await.context("onboarding the demo tenants")?;
        dev.write(&path)?;
        welcome(&dev, &args.data);
        anyhow::Ok(())
    };
    let outcome = tokio::select! {
        ready = ready => ready,
        () = signals.stop.cancelled() => Ok(()),
    };
    if outcome.is_err() {
        signals.stop.cancel();
    }
    let ended = running.until_end(&signals).await;
    if let Some(sandbox) = sandbox {
        sandbox.await??;
    }
    guard.shutdown().await;
    outcome.and(ended)
}

/// The configuration of a demo installation: free choices come from the environment, places and keys from the folder.
fn settings(
    args: &DevArgs,
    data: &Data,
    ids: &dyn Ids,
    ports: &mut Ports,
) -> anyhow::Result<Settings> {
    let mut settings: Settings = Sources::default().process_environment().load()?;
    if settings.telemetry == telemetry::TelemetryConfig::default() {
        // Nobody chose otherwise: for eyes, and without the news that tables were made.
        settings.telemetry.format = telemetry::Format::Pretty;
        "info,sea_orm_migration=warn".clone_into(&mut settings.telemetry.log);
    }
    settings.services.reflection = true;
    data.folder().clone_into(&mut settings.database.folder);
    settings.database.url.clear();
    // The lock on the folder proves every earlier holder of a lease dead (DEL-2).
    settings.messaging.sole_owner = true;
    settings.onboarding.sole_owner = true;
    settings.bus.url = SecretRef::Unset;
    for service in SERVERS {
        let name = service.as_str();
        let port = port_of(&settings.services.of(service).endpoint).unwrap_or_default();
        let port = ports.pick(port, None)?;
        let (key, public) = data.service_key(name)?;
        let place = settings.services.of_mut(service);
        place.listen = format!("127.0.0.1:{port}");
        place.endpoint = format!("http://127.0.0.1:{port}");
        place.key = key;
        settings.identity.service_keys.insert(name.to_owned(), vec![public]);
    }
    for service in [auth::Service::Gateway, auth::Service::Admin] {
        let (key, public) = data.service_key(service.as_str())?;
        settings.services.of_mut(service).key = key;
        settings.identity.service_keys.insert(service.as_str().to_owned(), vec![public]);
    }
    settings.keys.kek = data.random_key("kek", ids)?;
    settings.keys.page = data.random_key("page", ids)?;
    settings.keys.pepper = data.random_key("pepper", ids)?;
    let port = ports.pick(8080, args.gateway_port)?;
    let public = format!("http://127.0.0.1:{port}");
    settings.gateway.listen = format!("127.0.0.1:{port}");
    settings.gateway.edge.public_url.clone_from(&public);
    settings.tokens.issuer.clone_from(&public);
    settings.identity.issuer = public;
    settings.identity.audience.clone_from(&settings.tokens.audience);
    let admin = port_of(&settings.admin.listen).unwrap_or_default();
    settings.admin.listen = format!("127.0.0.1:{}", ports.pick(admin, None)?);
    Ok(settings)
}

/// What depends on the sandbox's app.
fn with_sandbox(
    settings: &mut Settings,
    url: &str,
    app: &DemoApp,
    verify_token: &str,
) -> anyhow::Result<()> {
    settings.clock.follow = format!("{url}/_sandbox/v1/clock");
    settings.meta.apps = vec![MetaAppSettings {
        id: meta::ids::MetaAppId::new(app.id.clone())?,
        name: "sandbox".to_owned(),
        environment: Environment::Sandbox,
        secret: SecretRef::inline(&app.secret),
        previous_secret: None,
        verify_token: SecretRef::inline(verify_token),
        graph_base_url: url.to_owned(),
        graph_version: "v23.0".to_owned(),
        signup_configurations: vec![SignupConfiguration {
            id: app.config_id.clone(),
            name: "demo".to_owned(),
        }],
        business_id: Some(meta::ids::MetaBusinessId::new(app.business_id.clone())?),
        system_user_token: Some(SecretRef::inline(&app.token)),
    }];
    Ok(())
}

/// The sandbox inside, or the one that was named.
async fn sandbox(
    args: &DevArgs,
    data: &Data,
    stop: CancellationToken,
) -> anyhow::Result<(String, Option<tokio::task::JoinHandle<anyhow::Result<()>>>)> {
    if let Some(url) = &args.sandbox_url {
        return Ok((url.trim_end_matches('/').to_owned(), None));
    }
    // It binds its port itself, at once; where any will do it picks one.
    let port = match args.sandbox_port {
        Some(0) => 0,
        asked => Ports::default().pick(8090, asked)?,
    };
    let config = ::sandbox::Config {
        data: data.path("sandbox"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ..::sandbox::Config::default()
    };
    let sandbox = ::sandbox::Sandbox::open(config).await.context("opening the sandbox")?;
    let url = sandbox.base_url();
    #[expect(clippy::disallowed_methods, reason = "`run` awaits it at its end")]
    let task = tokio::spawn(async move {
        let ended = sandbox.run(stop.clone()).await.map_err(anyhow::Error::from);
        if let Err(error) = &ended {
            tracing::error!(%error, "the sandbox ended, and all of this with it");
        }
        // Nothing here works without Meta's side: who restarts it mends both.
        stop.cancel();
        ended
    });
    Ok((url, Some(task)))
}

/// The app of this folder; idempotent by the folder's own name for itself.
async fn app(data: &Data, ids: &dyn Ids, sandbox: &str) -> anyhow::Result<DemoApp> {
    let installation = data.random_text("installation", ids)?;
    let control = format!("{sandbox}/_sandbox/v1");
    let client = Client::at(sandbox, &control)?;
    let url = format!("{control}/apps/{installation}");
    let made = client
        .until("the sandbox to answer", READY, async || {
            match client.put_json(&url, &json!({"name": "switchboard dev"})).await {
                Ok(made) => Ok(Some(made)),
                Err(error) if error.root_cause().is::<std::io::Error>() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
        .context("asking the sandbox for an app")?;
    let part = |name: &str| string(&made, name);
    Ok(DemoApp {
        id: part("/app_id")?,
        secret: part("/app_secret")?,
        token: part("/token")?,
        business_id: part("/business_id")?,
        config_id: part("/config_id")?,
    })
}

fn port_of(endpoint: &str) -> Option<u16> {
    endpoint.rsplit(':').next()?.parse().ok()
}

fn dev_json(
    settings: &Settings,
    admin: &str,
    sandbox: &str,
    app: &DemoApp,
    verify_token: &str,
    password: &str,
) -> DevJson {
    let http = settings.tokens.issuer.clone();
    let grpc =
        |service| settings.services.of(service).endpoint.trim_start_matches("http://").to_owned();
    DevJson {
        version: 1,
        gateway: dev_json::Gateway {
            graphql: format!("{http}/graphql"),
            graphql_ws: format!("{}/graphql/ws", http.replacen("http", "ws", 1)),
            jwks: format!("{http}/.well-known/jwks.json"),
            issuer: settings.tokens.issuer.clone(),
            audience: settings.tokens.audience.clone(),
            http: http.clone(),
        },
        edge: dev_json::Edge { base_url: http.clone() },
        webhooks: dev_json::Webhooks {
            url: format!("{http}/webhooks/meta/{}", app.id),
            verify_token: verify_token.to_owned(),
        },
        grpc: dev_json::Grpc {
            identity: grpc(auth::Service::Identity),
            onboarding: grpc(auth::Service::Onboarding),
            assets: grpc(auth::Service::Assets),
            messaging: grpc(auth::Service::Messaging),
            webhooks: grpc(auth::Service::Webhooks),
            analytics: grpc(auth::Service::Analytics),
        },
        admin: dev_json::Admin { http: format!("http://{admin}") },
        sandbox: dev_json::Sandbox {
            http: sandbox.to_owned(),
            control: format!("{sandbox}/_sandbox/v1"),
            app_id: app.id.clone(),
            app_secret: app.secret.clone(),
            token: app.token.clone(),
            business_id: app.business_id.clone(),
        },
        operator: dev_json::Operator { email: OPERATOR.to_owned(), password: password.to_owned() },
        tenants: Vec::new(),
    }
}

/// Where to click first.
fn welcome(dev: &DevJson, data: &Path) {
    line(&format!(
        "Switchboard is ready.\n  start here   {}/\n  GraphQL      {}\n  operator     {}  {}\n  sandbox      {}\n  everything   {}",
        dev.gateway.http,
        dev.gateway.graphql,
        dev.operator.email,
        dev.operator.password,
        dev.sandbox.http,
        data.join("dev.json").display(),
    ));
}

#[expect(clippy::print_stdout, reason = "what was started, for the person who started it")]
fn line(text: &str) {
    println!("{text}");
}
