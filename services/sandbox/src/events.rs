//! Webhooks as Meta writes them: who gets which change, and what stands in it.

use serde_json::{Map, Value, json};

use crate::disk::{MessageRow, WebhookRow};
use crate::model::App;
use crate::settings::Bsuid;
use crate::wire::set;
use crate::world::World;

/// A day of business time.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// One change to be told.
pub(crate) struct Change<'a> {
    pub(crate) waba_id: &'a str,
    pub(crate) number_id: Option<&'a str>,
    pub(crate) field: &'a str,
    pub(crate) value: &'a Value,
    pub(crate) hold_ms: u64,
    pub(crate) copies: u32,
}

/// Queues a change for every app that is subscribed to the WABA and to the field; answers the last
/// sequence that it gave out.
pub(crate) fn tell(world: &mut World, change: &Change<'_>, now_us: i64) -> i64 {
    let subscribed: Vec<String> = world
        .wabas
        .get(change.waba_id)
        .map(|w| w.subscriptions.keys().cloned().collect())
        .unwrap_or_default();
    let text = change.value.to_string();
    for app_id in subscribed {
        let wants = world.apps.get(&app_id).is_some_and(|app| takes(app, change.field));
        if wants {
            for _ in 0..change.copies {
                world.queue_webhook(WebhookRow {
                    seq: 0,
                    app_id: app_id.clone(),
                    entry_id: change.waba_id.to_owned(),
                    number_id: change.number_id.map(ToOwned::to_owned),
                    field: change.field.to_owned(),
                    value: text.clone(),
                    created_us: now_us,
                    due_us: now_us,
                    attempts: 0,
                    hold_ms: change.hold_ms,
                });
            }
        }
    }
    world.sequences.webhook
}

fn takes(app: &App, field: &str) -> bool {
    app.callback.as_ref().is_some_and(|callback| callback.fields.iter().any(|known| known == field))
}

/// A change of a management field, with the WABA as its entry.
pub(crate) fn management(
    world: &mut World,
    waba_id: &str,
    field: &str,
    value: &Value,
    now_us: i64,
) {
    let change = Change { waba_id, number_id: None, field, value, hold_ms: 0, copies: 1 };
    tell(world, &change, now_us);
}

/// An `account_update` to one partner's own callback: the entry is the partner's portfolio, and no
/// subscription to the WABA is needed.
pub(crate) fn partner(world: &mut World, app: &App, value: &Value, now_us: i64) {
    if takes(app, "account_update") {
        world.queue_webhook(WebhookRow {
            seq: 0,
            app_id: app.id.clone(),
            entry_id: app.business_id.clone(),
            number_id: None,
            field: "account_update".to_owned(),
            value: value.to_string(),
            created_us: now_us,
            due_us: now_us,
            attempts: 0,
            hold_ms: 0,
        });
    }
}

/// How a person stands in a webhook of this business: number, BSUID, or both.
pub(crate) struct Shown {
    pub(crate) wa_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) name: String,
    pub(crate) username: Option<String>,
}

/// Looks a person up as a portfolio may see it.
pub(crate) fn shown(world: &World, business_id: &str, wa_id: &str, bsuid: Bsuid) -> Shown {
    let person = world.persons.get(wa_id);
    let hides = bsuid == Bsuid::Hidden
        || (bsuid == Bsuid::Both && person.is_some_and(|person| person.hide_number));
    Shown {
        wa_id: (!hides).then(|| wa_id.to_owned()),
        user_id: (bsuid != Bsuid::Off).then(|| crate::ids::bsuid(business_id, wa_id)),
        name: person
            .and_then(|person| person.name.clone())
            .unwrap_or_else(|| "Customer".to_owned()),
        username: person.and_then(|person| person.username.clone()).filter(|_| bsuid != Bsuid::Off),
    }
}

impl Shown {
    /// The row of `contacts[]`.
    pub(crate) fn contact(&self, with_username: bool) -> Value {
        let mut profile = Map::new();
        profile.insert("name".to_owned(), json!(self.name));
        if let Some(username) = self.username.as_ref().filter(|_| with_username) {
            profile.insert("username".to_owned(), json!(username));
        }
        let mut contact = Map::new();
        contact.insert("profile".to_owned(), Value::Object(profile));
        put(&mut contact, "wa_id", self.wa_id.as_ref());
        put(&mut contact, "user_id", self.user_id.as_ref());
        Value::Object(contact)
    }
}

/// Puts a text that may be absent.
pub(crate) fn put(object: &mut Map<String, Value>, name: &str, text: Option<&String>) {
    if let Some(text) = text {
        object.insert(name.to_owned(), json!(text));
    }
}

/// The frame of field `messages`: product and metadata of the number.
fn frame(world: &World, number_id: &str) -> Map<String, Value> {
    let digits =
        world.numbers.get(number_id).map(|number| number.digits.clone()).unwrap_or_default();
    let mut value = Map::new();
    value.insert("messaging_product".to_owned(), json!("whatsapp"));
    let metadata = json!({"display_phone_number": digits, "phone_number_id": number_id});
    value.insert("metadata".to_owned(), metadata);
    value
}

/// One status of a message.
#[derive(Clone, Copy)]
pub(crate) struct Status<'a> {
    pub(crate) name: &'static str,
    pub(crate) at_us: i64,
    /// `pricing` and `conversation` stand on `sent` and on one of delivered and read.
    pub(crate) priced: bool,
    pub(crate) error: Option<(i64, &'a str)>,
    pub(crate) hold_ms: u64,
}

/// Queues a status webhook; answers the last sequence that it gave out.
pub(crate) fn status(world: &mut World, row: &MessageRow, status: Status<'_>) -> i64 {
    let settings = world.settings(&row.app_id);
    if settings.lose_status_webhooks {
        return world.sequences.webhook;
    }
    let facts = &row.facts;
    let owner = world.wabas.get(&facts.waba_id).map(|waba| waba.owner_business.clone());
    let person = shown(world, &owner.unwrap_or_default(), &row.wa_id, settings.bsuid);
    let failed = status.error.is_some();
    let mut item = Map::new();
    item.insert("id".to_owned(), json!(row.wamid));
    item.insert("status".to_owned(), json!(status.name));
    item.insert("timestamp".to_owned(), json!((status.at_us / 1_000_000).to_string()));
    put(&mut item, "recipient_id", person.wa_id.as_ref());
    let to_user = if failed { facts.sent_to_user_id.as_ref() } else { person.user_id.as_ref() };
    put(&mut item, "recipient_user_id", to_user);
    put(&mut item, "biz_opaque_callback_data", row.callback_data.as_ref());
    if status.priced {
        if facts.shows_conversation {
            let mut conversation =
                json!({"id": facts.conversation_id, "origin": {"type": facts.origin}});
            if status.name == "sent" {
                let end = (facts.sent_us + DAY_US) / 1_000_000;
                set(&mut conversation, "expiration_timestamp", json!(end.to_string()));
            }
            item.insert("conversation".to_owned(), conversation);
        }
        item.insert("pricing".to_owned(), facts.pricing.clone());
    }
    if let Some((code, details)) = status.error {
        item.insert("errors".to_owned(), json!([crate::graph::error::in_webhook(code, details)]));
    }
    let mut value = frame(world, &row.number_id);
    if !failed {
        value.insert("contacts".to_owned(), json!([person.contact(status.name != "sent")]));
    }
    value.insert("statuses".to_owned(), json!([item]));
    let change = Change {
        waba_id: &facts.waba_id,
        number_id: Some(&row.number_id),
        field: "messages",
        value: &Value::Object(value),
        hold_ms: status.hold_ms,
        copies: 1 + facts.duplicates,
    };
    tell(world, &change, status.at_us)
}

/// What a customer wrote.
pub(crate) struct Inbound<'a> {
    pub(crate) number_id: &'a str,
    pub(crate) wa_id: &'a str,
    pub(crate) wamid: &'a str,
    /// The element as given: `type` and its object, and whatever else.
    pub(crate) element: &'a Map<String, Value>,
    pub(crate) context_wamid: Option<&'a str>,
    pub(crate) at_us: i64,
}

/// Queues an inbound message for each subscribed app that does not lose it.
pub(crate) fn inbound(world: &mut World, message: &Inbound<'_>) {
    let Some(number) = world.numbers.get(message.number_id).cloned() else { return };
    let Some(waba) = world.wabas.get(&number.waba_id).cloned() else { return };
    for app_id in waba.subscriptions.keys() {
        let settings = world.settings(app_id);
        let takes = world.apps.get(app_id).is_some_and(|app| takes(app, "messages"));
        if settings.lose_inbound_webhooks || !takes {
            continue;
        }
        let person = shown(world, &waba.owner_business, message.wa_id, settings.bsuid);
        let mut element = message.element.clone();
        put(&mut element, "from", person.wa_id.as_ref());
        put(&mut element, "from_user_id", person.user_id.as_ref());
        element.insert("id".to_owned(), json!(message.wamid));
        element.insert("timestamp".to_owned(), json!((message.at_us / 1_000_000).to_string()));
        if let Some(quoted) = message.context_wamid {
            element.insert("context".to_owned(), json!({"from": number.digits, "id": quoted}));
        }
        let mut value = frame(world, message.number_id);
        // `system` messages come without contacts.
        if message.element.get("type").and_then(Value::as_str) != Some("system") {
            value.insert("contacts".to_owned(), json!([person.contact(true)]));
        }
        value.insert("messages".to_owned(), json!([element]));
        world.queue_webhook(WebhookRow {
            seq: 0,
            app_id: app_id.clone(),
            entry_id: waba.id.clone(),
            number_id: Some(message.number_id.to_owned()),
            field: "messages".to_owned(),
            value: Value::Object(value).to_string(),
            created_us: message.at_us,
            due_us: message.at_us,
            attempts: 0,
            hold_ms: 0,
        });
    }
}

/// A change of field `user_preferences`: a customer stops or resumes marketing.
pub(crate) fn preference(
    world: &mut World,
    number_id: &str,
    wa_id: &str,
    value: &str,
    now_us: i64,
) {
    let Some(number) = world.numbers.get(number_id).cloned() else { return };
    let Some(waba) = world.wabas.get(&number.waba_id).cloned() else { return };
    let person = shown(world, &waba.owner_business, wa_id, Bsuid::Both);
    let mut body = frame(world, number_id);
    body.insert("contacts".to_owned(), json!([person.contact(false)]));
    let detail = if value == "stop" {
        "User requested to stop marketing messages"
    } else {
        "User requested to resume marketing messages"
    };
    let mut row = json!({
        "detail": detail, "category": "marketing_messages", "value": value, "timestamp": now_us / 1_000_000,
    });
    if let Some(object) = row.as_object_mut() {
        put(object, "wa_id", person.wa_id.as_ref());
        put(object, "user_id", person.user_id.as_ref());
    }
    body.insert("user_preferences".to_owned(), json!([row]));
    let value = Value::Object(body);
    let change = Change {
        waba_id: &waba.id,
        number_id: Some(number_id),
        field: "user_preferences",
        value: &value,
        hold_ms: 0,
        copies: 1,
    };
    tell(world, &change, now_us);
}
