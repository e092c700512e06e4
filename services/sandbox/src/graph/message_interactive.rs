//! The `interactive` types of a message: which parts each has, and how long they may be.

use serde_json::{Map, Value};

use super::message_rules::{Check, Parsed, bad, given, inner, items, lacks, media, optional, text};

/// Checks an `interactive` object; media that it uses are added to `parsed`.
pub(super) fn check(object: &Map<String, Value>, parsed: &mut Parsed) -> Check {
    let kind = text(object, "interactive", "type", 64)?;
    let (body_longest, body_needed) = match kind.as_str() {
        "list" => (4_096, true),
        "product" | "call_permission_request" => (1_024, false),
        "button"
        | "cta_url"
        | "flow"
        | "product_list"
        | "catalog_message"
        | "location_request_message"
        | "address_message"
        | "carousel"
        | "voice_call"
        | "request_contact_info"
        | "order_details"
        | "order_status" => (1_024, true),
        other => return Err(bad(format!("Unsupported interactive type: {other}"))),
    };
    if body_needed || given(object, "body").is_some() {
        text(inner(object, "interactive", "body")?, "interactive.body", "text", body_longest)?;
    }
    if let Some(Value::Object(footer)) = given(object, "footer") {
        text(footer, "interactive.footer", "text", 60)?;
    }
    if let Some(Value::Object(header)) = given(object, "header") {
        interactive_header(header, &kind, parsed)?;
    } else if kind == "product_list" {
        return Err(lacks("interactive.header"));
    }
    let action = inner(object, "interactive", "action")?;
    let named = |name: &str| -> Check {
        if given(action, "name").and_then(Value::as_str) == Some(name) {
            return Ok(());
        }
        Err(bad(format!("Param interactive.action.name must be {name}")))
    };
    match kind.as_str() {
        "button" => buttons(action),
        "list" => sections(action),
        "cta_url" => {
            named("cta_url")?;
            cta(action, "interactive.action")
        }
        "flow" => {
            named("flow")?;
            flow(action)
        }
        "location_request_message" => named("send_location"),
        "request_contact_info" => named("request_contact_info"),
        "call_permission_request" => named("call_permission_request"),
        "catalog_message" => named("catalog_message"),
        "address_message" => {
            named("address_message")?;
            text(inner(action, "action", "parameters")?, "action.parameters", "country", 2)
                .map(drop)
        }
        "product" => {
            text(action, "action", "catalog_id", 255)?;
            text(action, "action", "product_retailer_id", 255).map(drop)
        }
        "product_list" => {
            text(action, "action", "catalog_id", 255)?;
            let sections = items(action, "action", "sections")?;
            if (1..=10).contains(&sections.len()) {
                Ok(())
            } else {
                Err(bad("1 to 10 sections are needed"))
            }
        }
        "carousel" => carousel(action, parsed),
        "voice_call" => named("voice_call"),
        "order_details" => {
            named("review_and_pay")?;
            let parameters = inner(action, "action", "parameters")?;
            for name in ["reference_id", "type", "currency"] {
                text(parameters, "action.parameters", name, 35)?;
            }
            inner(parameters, "action.parameters", "total_amount")?;
            inner(parameters, "action.parameters", "order").map(drop)
        }
        _ => {
            named("review_order")?;
            let parameters = inner(action, "action", "parameters")?;
            text(parameters, "action.parameters", "reference_id", 35)?;
            inner(parameters, "action.parameters", "order").map(drop)
        }
    }
}

fn interactive_header(header: &Map<String, Value>, kind: &str, parsed: &mut Parsed) -> Check {
    let format = text(header, "interactive.header", "type", 16)?;
    let allowed: &[&str] = match kind {
        "list" | "product_list" => &["text"],
        "button" | "cta_url" | "flow" => &["text", "image", "video", "document"],
        "order_details" => &["image", "text", "document", "video"],
        _ => &[],
    };
    if !allowed.contains(&format.as_str()) {
        return Err(bad(format!(
            "A header of type {format} is not allowed on an interactive {kind}"
        )));
    }
    if format == "text" {
        return text(header, "interactive.header", "text", 60).map(drop);
    }
    let object = inner(header, "interactive.header", &format)?;
    media(object, &format, &format!("interactive.header.{format}"), parsed)
}

fn buttons(action: &Map<String, Value>) -> Check {
    let buttons = items(action, "interactive.action", "buttons")?;
    if !(1..=3).contains(&buttons.len()) {
        return Err(bad("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3"));
    }
    let mut titles = Vec::new();
    let mut ids = Vec::new();
    for button in buttons {
        let button = button.as_object().ok_or_else(|| bad("Each button must be an object"))?;
        if given(button, "type").and_then(Value::as_str) != Some("reply") {
            return Err(bad("Button type must be reply"));
        }
        let reply = inner(button, "interactive.action.buttons", "reply")?;
        ids.push(text(reply, "interactive.action.buttons.reply", "id", 256)?);
        titles.push(text(reply, "interactive.action.buttons.reply", "title", 20)?);
    }
    let count = buttons.len();
    for list in [&mut titles, &mut ids] {
        list.sort();
        list.dedup();
        if list.len() != count {
            return Err(bad("Duplicated title or id of buttons"));
        }
    }
    Ok(())
}

fn sections(action: &Map<String, Value>) -> Check {
    text(action, "interactive.action", "button", 20)?;
    let sections = items(action, "interactive.action", "sections")?;
    if !(1..=10).contains(&sections.len()) {
        return Err(bad("1 to 10 sections are needed"));
    }
    let mut ids = Vec::new();
    for section in sections {
        let section = section.as_object().ok_or_else(|| bad("Each section must be an object"))?;
        let path = "interactive.action.sections";
        if sections.len() > 1 {
            text(section, path, "title", 24)?;
        } else {
            optional(section, path, "title", 24)?;
        }
        for row in items(section, path, "rows")? {
            let row = row.as_object().ok_or_else(|| bad("Each row must be an object"))?;
            ids.push(text(row, "rows", "id", 200)?);
            text(row, "rows", "title", 24)?;
            optional(row, "rows", "description", 72)?;
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    if ids.len() != count {
        return Err(bad("Duplicated row id"));
    }
    if (1..=10).contains(&count) {
        Ok(())
    } else {
        Err(bad("Total row count exceed max allowed count: 10"))
    }
}

fn cta(action: &Map<String, Value>, path: &str) -> Check {
    let parameters = inner(action, path, "parameters")?;
    text(parameters, "action.parameters", "display_text", 20)?;
    let target = text(parameters, "action.parameters", "url", 2_000)?;
    if url::Url::parse(&target).is_err() {
        return Err(bad("Param action.parameters.url is not a valid URI"));
    }
    Ok(())
}

fn flow(action: &Map<String, Value>) -> Check {
    let parameters = inner(action, "interactive.action", "parameters")?;
    if text(parameters, "action.parameters", "flow_message_version", 8)? != "3" {
        return Err(bad("Param action.parameters.flow_message_version must be 3"));
    }
    if given(parameters, "flow_id").is_none() && given(parameters, "flow_name").is_none() {
        return Err(lacks("action.parameters.flow_id"));
    }
    text(parameters, "action.parameters", "flow_cta", 30).map(drop)
}

fn carousel(action: &Map<String, Value>, parsed: &mut Parsed) -> Check {
    let cards = items(action, "interactive.action", "cards")?;
    if !(2..=10).contains(&cards.len()) {
        return Err(bad("A carousel needs 2 to 10 cards"));
    }
    let mut seen = Vec::new();
    for card in cards {
        let card = card.as_object().ok_or_else(|| bad("Each card must be an object"))?;
        let index = given(card, "card_index").and_then(Value::as_u64);
        let index =
            index.filter(|index| *index < 10).ok_or_else(|| bad("card_index must be 0 to 9"))?;
        if seen.contains(&index) {
            return Err(bad("Duplicated card_index"));
        }
        seen.push(index);
        if given(card, "type").and_then(Value::as_str) == Some("cta_url") {
            let header = inner(card, "cards", "header")?;
            let format = text(header, "cards.header", "type", 8)?;
            if !matches!(format.as_str(), "image" | "video") {
                return Err(bad("A card's header must be an image or a video"));
            }
            media(inner(header, "cards.header", &format)?, &format, "cards.header", parsed)?;
            cta(inner(card, "cards", "action")?, "cards.action")?;
        }
    }
    Ok(())
}
