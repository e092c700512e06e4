//! What happened: the ledger, messages, inbound, webhooks, templates, numbers.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Refusal};
use crate::disk::LedgerRow;
use crate::disk::read::{self, Page};
use crate::hub::Core;
use crate::wire::rfc3339;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    app_id: Option<String>,
    phone_number_id: Option<String>,
    waba_id: Option<String>,
    state: Option<String>,
    after_seq: i64,
    limit: Option<i64>,
}

impl Filter {
    fn page(&self) -> Page {
        Page {
            after_seq: self.after_seq,
            limit: self.limit.unwrap_or(1_000).clamp(1, 10_000),
            app_id: self.app_id.clone(),
            numbers: self.phone_number_id.clone().map(|id| vec![id]),
            state: self.state.clone(),
            wamid: None,
        }
    }
}

/// Lines of the ledger to a chunk of the answer.
const CHUNK: i64 = 2_000;

/// `GET /ledger`: every POST to `/messages` that arrived and is a send, as JSON lines.
pub(crate) async fn ledger(
    State(core): State<Arc<Core>>,
    Query(filter): Query<Filter>,
) -> Response {
    let mut page = filter.page();
    let wanted = filter.limit.unwrap_or(i64::MAX);
    page.limit = wanted.clamp(0, CHUNK);
    let lines =
        futures::stream::try_unfold((core, page, wanted), async |(core, mut page, left)| {
            page.limit = left.min(CHUNK);
            let rows = read::ledger(&core.readers, &page).await?;
            let Some(last) = rows.last() else { return Ok::<_, crate::error::Error>(None) };
            page.after_seq = last.seq;
            let left = left.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
            let mut text = String::new();
            for row in &rows {
                // Writing to a String cannot fail.
                let _infallible = writeln!(text, "{}", line(row));
            }
            Ok(Some((text, (core, page, left))))
        });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn line(row: &LedgerRow) -> Value {
    json!({
        "seq": row.seq, "received_at": rfc3339(row.received_us), "app_id": row.app_id, "waba_id": row.waba_id,
        "phone_number_id": row.number_id, "to": row.recipient, "type": row.kind,
        "biz_opaque_callback_data": row.callback_data, "wamid": row.wamid, "http_status": row.http_status,
        "error_code": row.error_code, "answer_dropped": row.answer_dropped,
    })
}

/// `GET /messages`: Meta's last word on each accepted message.
pub(crate) async fn messages(
    State(core): State<Arc<Core>>,
    Query(filter): Query<Filter>,
) -> Outcome {
    let rows = read::messages(&core.readers, &filter.page()).await?;
    let data: Vec<_> = rows
        .into_iter()
        .map(|row| {
            json!({
                "seq": row.seq, "wamid": row.wamid, "biz_opaque_callback_data": row.callback_data,
                "phone_number_id": row.number_id, "to": row.wa_id, "status": row.status,
                "error_code": row.error_code,
            })
        })
        .collect();
    Ok(Json(json!({"data": data})))
}

/// `GET /inbound`: what customers wrote.
pub(crate) async fn inbound(
    State(core): State<Arc<Core>>,
    Query(filter): Query<Filter>,
) -> Outcome {
    let mut page = filter.page();
    page.app_id = None;
    if let (Some(app), None) = (&filter.app_id, &filter.phone_number_id) {
        page.numbers = Some(core.peek(|world| {
            let wabas = world.wabas.iter().filter(|waba| waba.installed_apps.contains(app));
            wabas
                .flat_map(|waba| world.numbers_of(&waba.id))
                .map(|number| number.id.clone())
                .collect()
        }));
    }
    let rows = read::inbound(&core.readers, &page).await?;
    let data: Vec<_> = rows
        .into_iter()
        .map(|(seq, wamid, number, from, kind)| {
            json!({"seq": seq, "wamid": wamid, "phone_number_id": number, "from": from, "type": kind})
        })
        .collect();
    Ok(Json(json!({"data": data})))
}

/// `GET /webhooks?state=pending|delivered|dead`.
pub(crate) async fn webhooks(
    State(core): State<Arc<Core>>,
    Query(filter): Query<Filter>,
) -> Outcome {
    let rows = read::webhooks(&core.readers, &filter.page()).await?;
    let pending = read::pending_webhooks(&core.readers, filter.app_id.as_deref()).await?;
    let data: Vec<_> = rows
        .into_iter()
        .map(|stored| {
            let value: Value = serde_json::from_str(&stored.row.value).unwrap_or_default();
            json!({
                "seq": stored.row.seq, "app_id": stored.row.app_id, "entry_id": stored.row.entry_id,
                "phone_number_id": stored.row.number_id, "field": stored.row.field, "value": value,
                "state": stored.state, "attempts": stored.row.attempts,
                "created_at": rfc3339(stored.row.created_us), "due_at": rfc3339(stored.row.due_us),
                "settled_at": stored.settled_us.map(rfc3339), "last_error": stored.last_error,
            })
        })
        .collect();
    Ok(Json(json!({"data": data, "pending": pending})))
}

/// `POST /webhooks/flush`: everything undelivered is due now.
pub(crate) async fn flush(State(core): State<Arc<Core>>) -> Outcome {
    let due = read::pending_webhooks(&core.readers, None).await?;
    core.flush.send_modify(|asked| *asked += 1);
    Ok(Json(json!({"due": due})))
}

/// `GET /templates?waba_id=`.
pub(crate) async fn templates(
    State(core): State<Arc<Core>>,
    Query(filter): Query<Filter>,
) -> Json<Value> {
    let mut data = core.peek(|world| {
        let own = |waba: &str| filter.waba_id.as_deref().is_none_or(|wanted| wanted == waba);
        let rows = world.templates.iter().filter(|template| own(&template.waba_id));
        rows.map(|template| serde_json::to_value(template).unwrap_or_default()).collect::<Vec<_>>()
    });
    data.sort_by_key(|row| {
        (row.get("created_us").and_then(Value::as_i64), row.get("id").map(Value::to_string))
    });
    Json(json!({"data": data}))
}

/// `GET /numbers/{id}`: everything of a number, with the code that "the phone" received.
pub(crate) async fn number(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Outcome {
    core.peek(|world| {
        let number = world.numbers.get(&id).ok_or_else(|| Refusal::absent("number", &id))?;
        let mut shown = serde_json::to_value(number).unwrap_or_default();
        if let Some(object) = shown.as_object_mut() {
            object.remove("pin");
        }
        Ok(Json(shown))
    })
}
