//! The app node and its webhook subscription. A callback is asked before it is stored: a GET with
//! a challenge, as Meta's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hub::Core;
use crate::model::Callback;

use super::access;
use super::error::GraphError;
use super::{Answer, Reply, Work, success};

/// `/{app}` and its edges.
pub(crate) async fn serve(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    core.peek(|world| access::caller(world, call, core.now_us())?.own_app(call, id))?;
    match (call.method.as_str(), edge) {
        ("GET", "") => of_app(work, id),
        ("GET", "subscriptions") => core.peek(|world| {
            let callback = world.apps.get(id).and_then(|app| app.callback.as_ref());
            let data: Vec<Value> = callback.map(shown).into_iter().collect();
            Ok(Reply::Json(json!({"data": data})))
        }),
        ("POST", "subscriptions") => subscribe(work, id).await,
        ("DELETE", "subscriptions") => {
            let fields = list(call.json("fields"), call.str("fields"));
            core.act(|world| {
                world.apps.change(&mut world.pending, id, |app| {
                    if fields.is_empty() {
                        app.callback = None;
                    } else if let Some(callback) = &mut app.callback {
                        callback.fields.retain(|field| !fields.contains(field));
                    }
                });
            })
            .await?;
            Ok(success())
        }
        ("GET", "connected_client_businesses") => core.peek(|world| {
            let mut data: Vec<_> = world
                .wabas
                .iter()
                .filter(|waba| waba.installed_apps.iter().any(|app| app == id))
                .filter_map(|waba| world.businesses.get(&waba.owner_business))
                .map(|business| (business.id.clone(), business.name.clone()))
                .collect();
            data.sort();
            data.dedup();
            let data: Vec<_> =
                data.into_iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
            Ok(Reply::Json(json!({"data": data})))
        }),
        (_, other) => Err(GraphError::no_path(other)),
    }
}

/// `GET /app`: the app of the token.
pub(crate) fn of_token(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    let app =
        core.peek(|world| access::caller(world, call, core.now_us()).map(|caller| caller.app_id))?;
    of_app(work, &app)
}

fn of_app(work: Work<'_>, id: &str) -> Answer {
    work.core.peek(|world| {
        let app = world.apps.get(id).ok_or_else(|| GraphError::no_object(&work.call.method, id))?;
        let link = format!("https://www.facebook.com/games/?app_id={}", app.id);
        Ok(Reply::Json(
            json!({"id": app.id, "name": app.name, "link": link, "category": "Business"}),
        ))
    })
}

fn shown(callback: &Callback) -> Value {
    let fields: Vec<_> =
        callback.fields.iter().map(|name| json!({"name": name, "version": "v23.0"})).collect();
    json!({
        "object": "whatsapp_business_account", "callback_url": callback.url, "active": true, "fields": fields,
    })
}

/// A list that may come as JSON or with commas.
fn list(json: Option<Value>, text: Option<String>) -> Vec<String> {
    if let Some(Value::Array(items)) = json {
        return items.iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect();
    }
    let text = text.unwrap_or_default();
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

async fn subscribe(work: Work<'_>, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let object = call.required("object")?;
    if object != "whatsapp_business_account" {
        return Err(GraphError::one_of("object", &["whatsapp_business_account"], &object));
    }
    let url = call.required("callback_url")?;
    let verify_token = call.required("verify_token")?;
    let fields = list(call.json("fields"), call.str("fields"));
    verify(core, &url, &verify_token).await.map_err(|why| {
        let message =
            format!("(#2200) Callback verification failed with the following errors: {why}");
        GraphError::new(400, 2200, message)
    })?;
    core.act(|world| {
        world.apps.change(&mut world.pending, id, |app| {
            let mut known = app.callback.take().map(|callback| callback.fields).unwrap_or_default();
            known.extend(fields);
            known.sort();
            known.dedup();
            app.callback = Some(Callback { url, verify_token, fields: known });
        });
    })
    .await?;
    Ok(success())
}

/// Asks a callback for its challenge. The answer must be 200 with the bare challenge as body.
pub(crate) async fn verify(core: &Core, callback: &str, verify_token: &str) -> Result<(), String> {
    let mut target =
        url::Url::parse(callback).map_err(|_bad| "The URL is not valid.".to_owned())?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err("The URL must be http or https.".to_owned());
    }
    let challenge = rand::random_range(100_000_000_u64..10_000_000_000).to_string();
    target
        .query_pairs_mut()
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.challenge", &challenge)
        .append_pair("hub.verify_token", verify_token);
    let limit = Duration::from_millis(core.config.webhook_timeout_ms);
    let asked = core.http.get(target).timeout(limit).send().await;
    let answer = asked.map_err(|_failed| "The callback could not be reached.".to_owned())?;
    let status = answer.status();
    if status != http::StatusCode::OK {
        return Err(format!("HTTP Status Code = {}; HTTP Message = failed", status.as_u16()));
    }
    let body = answer.text().await.unwrap_or_default();
    if body == challenge {
        Ok(())
    } else {
        Err("The response did not match the challenge.".to_owned())
    }
}
