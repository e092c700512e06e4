//! What customers do: write, read, block, report, stop marketing; and who they are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{MaybeBody, Outcome, Refusal, body_or_default};
use crate::disk::{InboundRow, read};
use crate::events;
use crate::graph::{MediaKind, sample, store_media};
use crate::hub::Core;
use crate::ids::{Author, wamid};
use crate::model::pair_key;
use crate::steps;
use crate::wire::set;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Act {
    phone_number_id: Option<String>,
    profile_name: Option<String>,
    message: Option<Map<String, Value>>,
    context_wamid: Option<String>,
    wamid: Option<String>,
    value: Option<String>,
}

impl Act {
    fn number(&self) -> Result<&str, Refusal> {
        self.phone_number_id.as_deref().ok_or_else(|| Refusal::bad("phone_number_id is needed"))
    }
}

/// `POST /customers/{wa_id}/{act}`.
pub(crate) async fn act(
    State(core): State<Arc<Core>>,
    Path((wa_id, act)): Path<(String, String)>,
    headers: HeaderMap,
    body: MaybeBody<Act>,
) -> Outcome {
    let wish = body?.0;
    let wa_id = crate::phone::wa_id(&crate::phone::digits(&wa_id));
    if wa_id.is_empty() {
        return Err(Refusal::bad("the customer's wa_id must be digits"));
    }
    let now = core.now_us();
    match act.as_str() {
        "messages" => write(&core, &headers, &wa_id, wish).await,
        "read" => read_message(&core, &wa_id, &wish).await,
        "block" | "unblock" => {
            let number = wish.number()?;
            let blocked = act == "block";
            core.act(|world| world.change_pair(number, &wa_id, |pair| pair.blocked = blocked))
                .await?;
            Ok(Json(json!({"blocked": blocked})))
        }
        "report" => {
            let number = wish.number()?;
            let quality = core.act(|world| {
                world.change_pair(number, &wa_id, |pair| pair.blocked = true);
                world.numbers.change(&mut world.pending, number, |number| {
                    let lower = if number.quality == "GREEN" { "YELLOW" } else { "RED" };
                    lower.clone_into(&mut number.quality);
                    number.quality.clone()
                })
            });
            let quality = quality.await?.ok_or_else(|| Refusal::absent("number", number))?;
            Ok(Json(json!({"blocked": true, "quality_rating": quality})))
        }
        "preferences" => {
            let number = wish.number()?;
            let value = wish.value.as_deref().unwrap_or("stop");
            if !matches!(value, "stop" | "resume") {
                return Err(Refusal::bad("value is stop or resume"));
            }
            core.act(|world| {
                world.change_pair(number, &wa_id, |pair| pair.marketing_stopped = value == "stop");
                events::preference(world, number, &wa_id, value, now);
            })
            .await?;
            Ok(Json(json!({"value": value})))
        }
        other => Err(Refusal::absent("act of a customer", other)),
    }
}

/// A customer writes: any type, unknown ones verbatim. Opens the window, as everything but `system`.
async fn write(core: &Arc<Core>, headers: &HeaderMap, wa_id: &str, wish: Act) -> Outcome {
    let number_id = wish.number()?.to_owned();
    let mut element = wish.message.ok_or_else(|| Refusal::bad("message is needed"))?;
    let kind = element.get("type").and_then(Value::as_str).map(ToOwned::to_owned);
    let kind = kind.ok_or_else(|| Refusal::bad("message.type is needed"))?;
    fill_media(core, headers, &number_id, &kind, &mut element).await?;
    let at_us = core.now_us();
    let both = core.both();
    let id = wamid(wa_id, Author::Customer);
    let written = core.act(|world| {
        let number =
            world.numbers.get(&number_id).ok_or_else(|| Refusal::absent("number", &number_id))?;
        if !number.is_registered() {
            return Err(Refusal::bad(format!(
                "number {number_id} is not registered: nobody can write to it"
            )));
        }
        if number.blocked_users.iter().any(|blocked| blocked == wa_id) {
            return Err(Refusal::bad("the business has blocked this customer"));
        }
        world.limits.count_inbound(&number_id, both);
        if let Some(name) = wish.profile_name {
            world.change_person(wa_id, |person| person.name = Some(name));
        }
        if kind != "system" {
            let from_ad = element.contains_key("referral");
            world.change_pair(&number_id, wa_id, |pair| {
                pair.last_inbound_us = Some(at_us);
                if from_ad {
                    pair.free_entry_until_us = Some(at_us + 3 * events::DAY_US);
                }
            });
        }
        world.sequences.inbound += 1;
        let row = InboundRow {
            seq: world.sequences.inbound,
            wamid: id.clone(),
            number_id: number_id.clone(),
            wa_id: wa_id.to_owned(),
            kind,
            at_us,
        };
        world.pending.batch.inbound.push(row);
        let inbound = events::Inbound {
            number_id: &number_id,
            wa_id,
            wamid: &id,
            element: &element,
            context_wamid: wish.context_wamid.as_deref(),
            at_us,
        };
        events::inbound(world, &inbound);
        Ok(())
    });
    written.await??;
    Ok(Json(json!({"wamid": id})))
}

/// A media element without an id gets one: from `data` (base64) with its `mime_type`, or a small
/// file of the kind.
async fn fill_media(
    core: &Arc<Core>,
    headers: &HeaderMap,
    number_id: &str,
    kind: &str,
    element: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    use base64::Engine as _;
    let Some(media_kind) = MediaKind::of(kind) else { return Ok(()) };
    let object = element.entry(kind.to_owned()).or_insert_with(|| json!({}));
    let Some(object) = object.as_object_mut() else { return Ok(()) };
    if object.contains_key("id") {
        return Ok(());
    }
    let (sample_mime, sample_bytes) = sample(media_kind);
    let given = object.get("mime_type").and_then(Value::as_str).map(ToOwned::to_owned);
    let (mime, bytes) = if let Some(Value::String(data)) = object.remove("data") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        let bytes = bytes.map_err(|_bad| Refusal::bad("data must be base64"))?;
        (given.unwrap_or_else(|| sample_mime.to_owned()), bytes)
    } else {
        (sample_mime.to_owned(), sample_bytes.to_vec())
    };
    let media = store_media(core, number_id, &mime, &bytes, 7).await?;
    let sha = hex::decode(&media.sha256_hex).unwrap_or_default();
    object.insert("id".to_owned(), json!(media.id));
    object.insert("mime_type".to_owned(), json!(mime));
    object
        .insert("sha256".to_owned(), json!(base64::engine::general_purpose::STANDARD.encode(sha)));
    let public = crate::graph::request::PublicUrl {
        configured: core.config.public_url.as_deref(),
        own: &core.base_url,
    };
    let url = crate::graph::media_url(&media.id, &public.of(headers), core.now_us());
    object.insert("url".to_owned(), json!(url));
    if kind == "document" {
        object.entry("filename".to_owned()).or_insert_with(|| json!("document.pdf"));
    }
    if kind == "audio" {
        object.entry("voice".to_owned()).or_insert(json!(false));
    }
    if kind == "sticker" {
        object.entry("animated".to_owned()).or_insert(json!(false));
    }
    Ok(())
}

async fn read_message(core: &Arc<Core>, wa_id: &str, wish: &Act) -> Outcome {
    let id = wish.wamid.as_deref().ok_or_else(|| Refusal::bad("wamid is needed"))?;
    let row = read::message(&core.readers, id).await?;
    let row = row.filter(|row| row.wa_id == wa_id).ok_or_else(|| Refusal::absent("message", id))?;
    if row.status == "failed" {
        return Err(Refusal::bad("the message failed: there is nothing to read"));
    }
    let now = core.now_us();
    core.act(|world| {
        // The phone shows what it reads: a `delivered` that was still to come is overtaken.
        let overtakes = row.pending;
        if overtakes {
            world.overtaken.insert(row.seq);
        }
        let undelivered = row.status != "delivered" && row.status != "read";
        steps::read(world, &row, undelivered, now);
    })
    .await?;
    Ok(Json(json!({"wamid": id, "status": "read"})))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    name: Option<String>,
    username: Option<String>,
    hide_number: Option<bool>,
    on_whatsapp: Option<bool>,
}

/// `PUT /customers/{wa_id}`: who a customer is.
pub(crate) async fn put(
    State(core): State<Arc<Core>>,
    Path(wa_id): Path<String>,
    body: MaybeBody<Identity>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let wa_id = crate::phone::wa_id(&crate::phone::digits(&wa_id));
    core.act(|world| {
        world.change_person(&wa_id, |person| {
            person.name = wish.name.or(person.name.take());
            person.username = wish.username.or(person.username.take());
            person.hide_number = wish.hide_number.unwrap_or(person.hide_number);
            person.on_whatsapp = wish.on_whatsapp.unwrap_or(person.on_whatsapp);
        });
    })
    .await?;
    Ok(Json(core.peek(|world| json!(world.persons.get(&wa_id)))))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    phone_number_id: Option<String>,
}

/// `GET /customers/{wa_id}?phone_number_id=`: the customer, and as that business sees them.
pub(crate) async fn get(
    State(core): State<Arc<Core>>,
    Path(wa_id): Path<String>,
    Query(seen): Query<Seen>,
) -> Json<Value> {
    let wa_id = crate::phone::wa_id(&crate::phone::digits(&wa_id));
    Json(core.peek(|world| {
        let mut shown = json!({"wa_id": wa_id, "person": world.persons.get(&wa_id)});
        if let Some(number) = seen.phone_number_id.as_deref().and_then(|id| world.numbers.get(id)) {
            let owner = world.wabas.get(&number.waba_id).map(|waba| waba.owner_business.clone());
            set(
                &mut shown,
                "user_id",
                json!(crate::ids::bsuid(&owner.unwrap_or_default(), &wa_id)),
            );
            set(&mut shown, "pair", json!(world.pairs.get(&pair_key(&number.id, &wa_id))));
        }
        shown
    }))
}

#[derive(Debug, Deserialize)]
pub(crate) struct UploadOf {
    phone_number_id: String,
}

/// `POST /media?phone_number_id=`: a file that a customer will send; the body is the file.
pub(crate) async fn upload(
    State(core): State<Arc<Core>>,
    Query(of): Query<UploadOf>,
    headers: HeaderMap,
    body: Bytes,
) -> Outcome {
    let mime = headers.get(header::CONTENT_TYPE).and_then(|mime| mime.to_str().ok());
    let mime = mime.unwrap_or("application/octet-stream").to_owned();
    let media = store_media(&core, &of.phone_number_id, &mime, &body, 7).await?;
    Ok(Json(json!({"id": media.id, "mime_type": media.mime_type, "sha256": media.sha256_hex})))
}
