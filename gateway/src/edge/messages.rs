//! `POST /{number}/messages`: a message, answered with an id of ours in Meta's form before Meta is asked; or the mark
//! that a customer's message was read, with a typing indicator where asked.

use http::Method;
use proto::messaging::v1 as pb;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::error::GraphError;

/// What says who gets the message, and what goes with it; the rest is the message.
const ENVELOPE: [&str; 6] = [
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "context",
    "biz_opaque_callback_data",
];

/// Either form of the call.
pub(super) async fn post(call: &Call) -> Result<Value, GraphError> {
    match call.input.text("messaging_product").as_deref() {
        Some("whatsapp") => {}
        None => return refused_after_object(call, GraphError::missing("messaging_product")).await,
        Some(_) => {
            let wrong = GraphError::invalid("Param messaging_product must be one of {WHATSAPP}");
            return refused_after_object(call, wrong).await;
        }
    }
    if call.input.get("status").is_some() { mark_read(call).await } else { send(call).await }
}

/// Meta tells that an object is not there before it tells what is wrong with the body.
async fn refused_after_object(call: &Call, refused: GraphError) -> Result<Value, GraphError> {
    let empty = pb::SendMessageRequest { number_id: call.node.clone(), ..Default::default() };
    match call.services.messages().send_message(empty).await {
        Err(status) if status.code() == tonic::Code::NotFound => {
            Err(GraphError::about(status, &Method::POST, &call.node))
        }
        _ => Err(refused),
    }
}

async fn mark_read(call: &Call) -> Result<Value, GraphError> {
    if call.input.text("status").as_deref() != Some("read") {
        let wrong = GraphError::invalid("Param status must be one of {READ}");
        return refused_after_object(call, wrong).await;
    }
    let message_id = match call.required("message_id") {
        Ok(id) => id,
        Err(missing) => return refused_after_object(call, missing).await,
    };
    let typing = match call.input.get("typing_indicator").map(|indicator| indicator.get("type")) {
        None => false,
        Some(Some(Value::String(kind))) if kind == "text" => true,
        Some(_) => {
            let wrong = GraphError::invalid("Param typing_indicator['type'] must be one of {TEXT}");
            return refused_after_object(call, wrong).await;
        }
    };
    let request = pb::MarkReadRequest { message_id, typing, number_id: call.node.clone() };
    match call.services.messages().mark_read(request).await {
        Ok(_) => Ok(json!({ "success": true })),
        Err(status) => Err(GraphError::about(status, &Method::POST, &call.node)),
    }
}

/// Who gets it, as the caller wrote it: `to` wins over `recipient`.
fn recipient(call: &Call) -> Result<String, GraphError> {
    if call.input.get("to").is_none() && call.input.get("recipient").is_some() {
        return call.required("recipient");
    }
    call.required("to")
}

/// The message without what stands around it. Without a type it is a text.
fn content(input: &Map<String, Value>) -> Map<String, Value> {
    let mut content = input.clone();
    content.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
    content.entry("type").or_insert_with(|| json!("text"));
    content
}

async fn send(call: &Call) -> Result<Value, GraphError> {
    let to = match recipient(call) {
        Ok(to) => to,
        Err(missing) => return refused_after_object(call, missing).await,
    };
    if call.input.text("recipient_type").is_some_and(|kind| kind != "individual") {
        let wrong = GraphError::invalid("Param recipient_type must be one of {INDIVIDUAL}");
        return refused_after_object(call, wrong).await;
    }
    let context = call.input.get("context").and_then(|context| context.get("message_id"));
    let request = pb::SendMessageRequest {
        number_id: call.node.clone(),
        to: to.clone(),
        body_json: Value::Object(content(call.input.all())).to_string(),
        context_message_id: context.and_then(Value::as_str).unwrap_or_default().to_owned(),
        idempotency_key: call.key.clone(),
        callback_data: call.input.text("biz_opaque_callback_data").unwrap_or_default(),
        origin: pb::Origin::Edge.into(),
        send_at_us: None,
        expires_us: None,
    };
    let answer = call.services.messages().send_message(request).await;
    let answer =
        answer.map_err(|status| GraphError::about(status, &Method::POST, &call.node))?.into_inner();
    Ok(answered(&to, &answer.message.unwrap_or_default()))
}

/// Meta's answer about a message that was taken.
fn answered(input: &str, message: &pb::Message) -> Value {
    let is_phone = message.counterpart.bytes().all(|digit| digit.is_ascii_digit());
    let member = if is_phone { "wa_id" } else { "user_id" };
    let contact = json!({ "input": input, member: message.counterpart });
    let told = if message.r#type == "template" {
        json!({ "id": message.edge_id, "message_status": "accepted" })
    } else {
        json!({ "id": message.edge_id })
    };
    json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [told] })
}
