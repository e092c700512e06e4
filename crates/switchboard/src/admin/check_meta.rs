//! `admin check-meta`: how a BSP leaves the sandbox. What Meta knows of each app against what we need, a line each.

use anyhow::{Context as _, ensure};
use kernel::clock::{SystemClock, WallClock};
use kernel::secret::ExposeSecret as _;
use meta::app::{Environment, MetaApp};
use net::config::load;

use super::line;
use crate::{cli::CheckMetaArgs, settings::Settings};

/// Scopes that our system user's token must have.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// How far our clock may be from Meta's, in seconds: the date of an answer has whole ones, and it travelled.
const MOST_SKEW_S: i64 = 5;

/// Checks every configured app, or the one that is named; an error when anything does not hold.
pub(super) async fn run(args: CheckMetaArgs) -> anyhow::Result<()> {
    let settings: Settings = load(args.config.as_deref(), &[])?;
    let apps = settings.meta.resolve()?;
    let graph = graph::Graph::new(settings.meta.graph.clone(), &apps)?;
    let chosen: Vec<&MetaApp> = apps
        .iter()
        .filter(|app| args.app.as_deref().is_none_or(|wanted| wanted == app.id.as_str()))
        .collect();
    ensure!(!chosen.is_empty(), "no such app is configured under meta.apps");
    let mut wrong = 0;
    for app in chosen {
        line(&format!("app {} ({}, {})", app.id, app.name, app.environment));
        let client = graph.app(app.id.as_str())?;
        wrong += server(&client).await;
        wrong += token(&client).await;
        wrong += subscription(&client, &args).await;
        if app.environment == Environment::Live && !app.graph_base_url.starts_with("https://") {
            wrong += tell(false, "graph_base_url", "a live app is called over https");
        }
    }
    ensure!(wrong == 0, "{wrong} things do not hold");
    Ok(())
}

fn tell(holds: bool, what: &str, then: &str) -> u32 {
    let mark = if holds { "ok     " } else { "NOT OK " };
    line(&format!("  {mark} {what}: {then}"));
    u32::from(!holds)
}

/// The Graph API: there, in the version that is asked for, at our time.
async fn server(client: &graph::GraphApp) -> u32 {
    let wanted = client.settings().graph_version.as_str();
    let served = match client.served().await {
        Ok(served) => served,
        Err(error) => return tell(false, "Graph API", &format!("cannot be reached: {error}")),
    };
    let mut wrong = match served.version.as_deref() {
        Some(version) if version == wanted => tell(true, "Graph version", version),
        Some(version) => tell(
            false,
            "Graph version",
            &format!(
                "{wanted} has ended, {version} answers: set meta.apps[].graph_version to a living one"
            ),
        ),
        None => tell(false, "Graph version", "the answer names none: is graph_base_url Meta's?"),
    };
    let theirs = served.date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs else {
        return wrong + tell(false, "clock", "the answer has no date: is graph_base_url Meta's?");
    };
    let skew =
        WallClock::now(&SystemClock).as_micros() / 1_000_000 - theirs.timestamp().as_second();
    let then = format!("{skew} s from Meta's; signup codes live for 30 s, tokens are dated");
    wrong += tell(skew.abs() <= MOST_SKEW_S, "clock", &then);
    wrong
}

/// The token: alive, of this app, with the scopes.
async fn token(client: &graph::GraphApp) -> u32 {
    let Some(token) = client.system_user_token() else {
        return tell(
            false,
            "system user token",
            "set meta.apps[].system_user_token to an admin system user's token",
        );
    };
    let info = match client.debug_token(&token).await {
        Ok(info) => info,
        Err(error) => {
            return tell(false, "system user token", &format!("debug_token failed: {error}"));
        }
    };
    let mut wrong = tell(
        info.is_valid,
        "token",
        if info.is_valid { "alive" } else { "expired or revoked: make a new one" },
    );
    let own = info.app_id.as_deref() == Some(client.id().as_str());
    wrong += tell(
        own,
        "token's app",
        if own {
            "this one"
        } else {
            "another one: the token and the app id do not belong together"
        },
    );
    for scope in SCOPES {
        let has = info.scopes.iter().any(|one| one == scope);
        wrong += tell(
            has,
            scope,
            if has {
                "granted"
            } else {
                "missing: grant it to the system user and make a new token"
            },
        );
    }
    wrong
}

/// The app's webhook subscription: there, active, with every field that we read.
async fn subscription(client: &graph::GraphApp, args: &CheckMetaArgs) -> u32 {
    if args.fix
        && let Some(callback) = &args.callback
    {
        let url = format!("{}/{}", callback.trim_end_matches('/'), client.id());
        if let Err(error) =
            client.set_app_subscription(&url, &meta::webhook::FIELDS).await.context("subscribing")
        {
            return tell(false, "subscription", &format!("{error:#}"));
        }
    }
    let found = match client.get_app_subscriptions().await {
        Ok(found) => found,
        Err(error) => return tell(false, "subscription", &format!("cannot be read: {error}")),
    };
    let Some(own) = found.iter().find(|one| one.object == "whatsapp_business_account") else {
        return tell(false, "subscription", "none; run again with --fix --callback URL");
    };
    let mut wrong =
        tell(own.active, "subscription", own.callback_url.as_deref().unwrap_or("no callback"));
    let missing: Vec<_> = meta::webhook::FIELDS
        .iter()
        .filter(|field| !own.fields.iter().any(|one| one.name == **field))
        .copied()
        .collect();
    let then = if missing.is_empty() {
        "all that we read".to_owned()
    } else {
        format!("missing {}", missing.join(", "))
    };
    wrong += tell(missing.is_empty(), "fields", &then);
    if let Some(callback) = &own.callback_url {
        wrong += verification(client, callback).await;
    }
    wrong
}

/// The receiver knows the app's verify token: it is asked as Meta asks.
async fn verification(client: &graph::GraphApp, callback: &str) -> u32 {
    const CHALLENGE: &str = "1158201444";
    let what = "verify token";
    let Ok(mut url) = reqwest::Url::parse(callback) else {
        return tell(false, what, "the callback's address cannot be read");
    };
    url.query_pairs_mut()
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.verify_token", client.settings().verify_token.expose_secret())
        .append_pair("hub.challenge", CHALLENGE);
    let answer = async {
        let http = net::http::client(&net::http::ClientConfig::default())?;
        let answer = http.get(url).send().await.map_err(reqwest::Error::without_url)?;
        anyhow::Ok((answer.status(), answer.text().await?))
    };
    match answer.await {
        Ok((status, text)) if status.is_success() && text == CHALLENGE => {
            tell(true, what, "answered by the receiver")
        }
        Ok((status, _)) => tell(
            false,
            what,
            &format!("the receiver answers {status}: give it this app and this verify token"),
        ),
        Err(error) => tell(false, what, &format!("the receiver cannot be reached: {error:#}")),
    }
}
