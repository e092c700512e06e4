//! `admin check-meta`: how a BSP leaves the sandbox. What Meta knows of each app against what we need, a line each.

use anyhow::{Context as _, ensure};
use meta::app::{Environment, MetaApp};
use net::config::load;

use super::line;
use crate::{cli::CheckMetaArgs, settings::Settings};

/// Scopes that our system user's token must have.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

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
    wrong
}
