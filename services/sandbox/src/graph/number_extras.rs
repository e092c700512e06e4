//! What a number keeps besides messages: short links with their QR codes, commerce switches,
//! conversational components, the business's public key, the application for a badge.

use serde_json::{Map, Value, json};

use super::access::{self, Caller};
use super::error::GraphError;
use super::request::Call;
use super::{Answer, Reply, Work, success};
use crate::wire::set;

/// Most short links of a number.
const LINKS_MAX: usize = 2_000;

/// `None` where the edge is none of these.
pub(crate) async fn serve(work: Work<'_>, caller: &Caller, id: &str, edge: &str) -> Option<Answer> {
    Some(match edge {
        "message_qrdls" => links(work, caller, id).await,
        "whatsapp_commerce_settings" => commerce(work, caller, id).await,
        "conversational_automation" => automation(work, caller, id).await,
        "whatsapp_business_encryption" => encryption(work, caller, id).await,
        "official_business_account" => badge(work, caller, id).await,
        _ => return None,
    })
}

fn kept(
    work: Work<'_>,
    caller: &Caller,
    id: &str,
    name: &str,
) -> Result<Option<Value>, GraphError> {
    let Work { core, call, .. } = work;
    core.peek(|world| Ok(caller.number(world, call, id)?.0.kept.get(name).cloned()))
}

async fn keep(work: Work<'_>, id: &str, name: &str, value: Value) -> Answer {
    work.core
        .act(|world| {
            world.numbers.change(&mut world.pending, id, |number| {
                number.kept.insert(name.to_owned(), value);
            });
        })
        .await?;
    Ok(success())
}

/// Short links, newest first: `{code, prefilled_message, deep_link_url}`.
async fn links(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let stored = kept(work, caller, id, "links")?.unwrap_or_else(|| json!([]));
    let rows = stored.as_array().cloned().unwrap_or_default();
    let code = call.segment(2).map(ToOwned::to_owned).or_else(|| call.str("code"));
    let is = |row: &Value| row.get("code").and_then(Value::as_str) == code.as_deref();
    let unknown = || GraphError::param("The QR code is not known.");
    match call.method.as_str() {
        "GET" if code.is_some() => {
            let row = rows.iter().find(|row| is(row)).ok_or_else(unknown)?;
            Ok(Reply::Json(json!({"data": [row]})))
        }
        "GET" => Ok(Reply::Json(json!({"data": rows}))),
        "DELETE" => {
            let rest: Vec<_> = rows.iter().filter(|row| !is(row)).cloned().collect();
            if rest.len() == rows.len() {
                return Err(unknown());
            }
            keep(work, id, "links", json!(rest)).await
        }
        "POST" => {
            let text = call.required("prefilled_message")?;
            if text.chars().count() > 140 {
                return Err(GraphError::param(
                    "Param prefilled_message must be at most 140 characters.",
                ));
            }
            let mut rows = rows;
            let answer = if code.is_some() {
                let row = rows.iter_mut().find(|row| is(row)).ok_or_else(unknown)?;
                set(row, "prefilled_message", json!(text));
                row.clone()
            } else {
                if rows.len() >= LINKS_MAX {
                    return Err(GraphError::param("A phone number has at most 2000 QR codes."));
                }
                let row = new_link(call, &text, core.now_us());
                rows.insert(0, row.clone());
                row
            };
            keep(work, id, "links", json!(rows)).await?;
            Ok(Reply::Json(answer))
        }
        other => Err(GraphError::no_object(other, id)),
    }
}

fn new_link(call: &Call, text: &str, now_us: i64) -> Value {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut code: String = (0..13)
        .filter_map(|_| LETTERS.get(rand::random_range(0..LETTERS.len())).copied().map(char::from))
        .collect();
    code.push('1');
    let mut row = json!({
        "code": code, "prefilled_message": text, "deep_link_url": format!("https://wa.me/message/{code}"),
        "creation_time": now_us / 1_000_000,
    });
    if let Some(format) = call.str("generate_qr_image") {
        let image =
            format!("https://scontent.whatsapp.net/m1/v/t6/{code}.{}", format.to_ascii_lowercase());
        set(&mut row, "qr_image_url", json!(image));
    }
    row
}

async fn commerce(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let stored = kept(work, caller, id, "commerce")?;
    let mut row =
        stored.unwrap_or_else(|| json!({"is_cart_enabled": true, "is_catalog_visible": false}));
    if call.method == "GET" {
        set(&mut row, "id", json!(id));
        return Ok(Reply::Json(json!({"data": [row]})));
    }
    for name in ["is_cart_enabled", "is_catalog_visible"] {
        match call.str(name).as_deref() {
            None => {}
            Some("true") => set(&mut row, name, json!(true)),
            Some("false") => set(&mut row, name, json!(false)),
            Some(_) => return Err(GraphError::param(format!("Param {name} must be a boolean."))),
        }
    }
    keep(work, id, "commerce", row).await
}

/// Ice breakers and commands: whole lists are replaced.
async fn automation(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let stored = kept(work, caller, id, "automation")?.unwrap_or_else(|| json!({}));
    if call.method == "GET" {
        return Ok(Reply::Json(json!({"conversational_automation": stored, "id": id})));
    }
    let mut changed = stored;
    if let Some(Value::Array(prompts)) = call.json("prompts") {
        let right =
            prompts.iter().all(|p| p.as_str().is_some_and(|text| text.chars().count() <= 80));
        if prompts.len() > 4 || !right {
            return Err(GraphError::param(
                "Param prompts takes at most 4 texts of at most 80 characters.",
            ));
        }
        set(&mut changed, "prompts", Value::Array(prompts));
    }
    if let Some(Value::Array(commands)) = call.json("commands") {
        let within = |row: &Value, name: &str, most: usize| {
            let text = row.get(name).and_then(Value::as_str);
            text.is_some_and(|text| (1..=most).contains(&text.chars().count()))
        };
        let right = commands
            .iter()
            .all(|row| within(row, "command_name", 32) && within(row, "command_description", 256));
        if commands.len() > 30 || !right {
            let why = "Param commands takes at most 30 commands with a name of 32 and a description of 256.";
            return Err(GraphError::param(why));
        }
        set(&mut changed, "commands", Value::Array(commands));
    }
    keep(work, id, "automation", changed).await
}

async fn encryption(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { call, .. } = work;
    caller.need(access::MESSAGING)?;
    if call.method == "GET" {
        let stored = kept(work, caller, id, "encryption")?;
        let data: Vec<_> = stored.into_iter().collect();
        return Ok(Reply::Json(json!({"data": data})));
    }
    let key = call.required("business_public_key")?;
    // A PEM of 2048 bits has some 450 characters; the arithmetic of the key is not looked at.
    let framed = key.trim().starts_with("-----BEGIN PUBLIC KEY-----")
        && key.trim().ends_with("-----END PUBLIC KEY-----");
    if !framed || key.len() < 400 {
        return Err(GraphError::param("Business public key is invalid"));
    }
    let row = json!({"business_public_key": key, "business_public_key_signature_status": "VALID"});
    keep(work, id, "encryption", row).await
}

async fn badge(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let stored = kept(work, caller, id, "badge")?;
    if call.method == "GET" {
        let status = stored.and_then(|row| row.get("oba_status").cloned());
        let status = status.unwrap_or_else(|| json!("NOT_STARTED"));
        return Ok(Reply::Json(
            json!({"official_business_account": {"oba_status": status}, "id": id}),
        ));
    }
    if stored.is_some() {
        return Err(GraphError::param("There is an active application already."));
    }
    let mut row: Map<String, Value> = call.params.clone();
    row.remove("access_token");
    row.insert("oba_status".to_owned(), json!("PENDING"));
    keep(work, id, "badge", Value::Object(row)).await
}
