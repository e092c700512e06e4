//! Takes a delivery apart: one element for each message, each status, and each other change, with the bytes that Meta wrote.
//!
//! Meta batches at four levels (entries, changes, messages, statuses) and mixes kinds in one `value`. What is not of the expected shape at some level
//! comes out whole as a change, so nothing of a delivery that parsed as JSON is lost; only what is no payload at all is an error.

use crate::words::opt_text;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// One of `messages[]`: somebody wrote to us.
    Message,
    /// One of `statuses[]`: what became of a message of ours.
    Status,
    /// A `value` of any other field, or what `messages` carries besides messages and statuses.
    Change,
}

/// One thing that Meta tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    /// The WABA: `value.waba_info.waba_id` before `entry.id`, since partner events carry the partner's portfolio there. `None` where no id is a WABA's.
    pub waba_id: Option<String>,
    /// `entry.id` as it came.
    pub entry_id: Option<String>,
    /// The webhook field, as `messages`; empty when Meta left it out.
    pub field: String,
    /// What it is.
    pub kind: ElementKind,
    /// Our number's node, where told.
    pub phone_number_id: Option<String>,
    /// Our number as digits, where told.
    pub display_phone_number: Option<String>,
    /// The element, verbatim.
    pub element_json: String,
    /// Its `metadata`, verbatim.
    pub metadata_json: Option<String>,
    /// The entry of `contacts[]` that belongs to it, verbatim.
    pub contact_json: Option<String>,
    /// Meta's time in Unix seconds: the element's own, else the entry's.
    pub timestamp: Option<i64>,
    /// Equal for two deliveries of the same thing, and for nothing else.
    pub dedup_key: String,
}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element")
            .field("field", &self.field)
            .field("kind", &self.kind)
            .field("waba_id", &self.waba_id)
            .finish_non_exhaustive()
    }
}

/// The body is no webhook payload.
#[derive(Debug, thiserror::Error)]
#[error("the body is no webhook payload of Meta's: expected a JSON object with `entry`")]
pub struct NotAPayload(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
    #[serde(default)]
    field: Option<String>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default, deserialize_with = "opt_text")]
    id: Option<String>,
    #[serde(default, borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
    // Some samples of Meta's have it a level too high.
    #[serde(default)]
    field: Option<String>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(default)]
    field: Option<String>,
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct Value<'a> {
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    contacts: Option<&'a RawValue>,
    #[serde(default, borrow)]
    messages: Option<&'a RawValue>,
    #[serde(default, borrow)]
    statuses: Option<&'a RawValue>,
    #[serde(default, borrow)]
    errors: Option<&'a RawValue>,
    #[serde(default, borrow)]
    user_actions: Option<&'a RawValue>,
    #[serde(default, borrow)]
    waba_info: Option<&'a RawValue>,
    #[serde(default, borrow)]
    timestamp: Option<&'a RawValue>,
}

/// The few members of an element that routing needs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Head {
    #[serde(deserialize_with = "opt_text")]
    id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    from: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    from_user_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    recipient_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    recipient_user_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    recipient_participant_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    recipient_participant_user_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    status: Option<String>,
    #[serde(rename = "type", deserialize_with = "opt_text")]
    kind: Option<String>,
    #[serde(deserialize_with = "crate::words::opt_int")]
    timestamp: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Who {
    #[serde(deserialize_with = "opt_text")]
    wa_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    user_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    waba_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    phone_number_id: Option<String>,
    #[serde(deserialize_with = "opt_text")]
    display_phone_number: Option<String>,
}

fn lenient<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The items of a JSON array; `None` where it is none.
fn items(raw: Option<&RawValue>) -> Option<Vec<&RawValue>> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn seconds(raw: Option<&RawValue>) -> Option<i64> {
    raw.and_then(|raw| raw.get().trim_matches('"').parse().ok())
}

/// Takes a delivery apart, in Meta's order.
pub fn split(payload: &[u8]) -> Result<Vec<Element>, NotAPayload> {
    let payload: Payload<'_> = serde_json::from_slice(payload)?;
    let mut out = Vec::new();
    for raw in &payload.entry {
        match serde_json::from_str::<Entry<'_>>(raw.get()) {
            Ok(entry) => {
                for change in &entry.changes {
                    split_change(&entry, change, payload.field.as_deref(), &mut out);
                }
            }
            Err(_) => out.push(raw_change(None, None, "", raw, None)),
        }
    }
    Ok(out)
}

fn split_change(
    entry: &Entry<'_>,
    raw: &RawValue,
    outer_field: Option<&str>,
    out: &mut Vec<Element>,
) {
    let Ok(change) = serde_json::from_str::<Change<'_>>(raw.get()) else {
        out.push(raw_change(
            entry.id.as_deref(),
            entry.id.as_deref(),
            "",
            raw,
            seconds(entry.time),
        ));
        return;
    };
    let field =
        change.field.as_deref().or(entry.field.as_deref()).or(outer_field).unwrap_or_default();
    let value: Value<'_> = lenient(Some(change.value));
    let waba = lenient::<Who>(value.waba_info)
        .waba_id
        .or_else(|| entry.id.clone().filter(|_| entry_names_a_waba(field)));
    let frame = Frame {
        entry,
        field,
        waba: waba.as_deref(),
        metadata: value.metadata,
        contacts: items(value.contacts).unwrap_or_default(),
    };

    // `standby`, echoes and history have the same inner shapes but mean something else: they stay whole.
    let (messages, statuses) = if field == "messages" {
        (items(value.messages), items(value.statuses))
    } else {
        (None, None)
    };
    let lone = messages.as_ref().map_or(0, Vec::len) + statuses.as_ref().map_or(0, Vec::len) == 1;
    let split_any = messages.is_some() || statuses.is_some();
    for message in messages.iter().flatten() {
        out.push(frame.element(ElementKind::Message, message, lone));
    }
    for status in statuses.iter().flatten() {
        out.push(frame.element(ElementKind::Status, status, lone));
    }
    let unreadable = (value.messages.is_some() && messages.is_none())
        || (value.statuses.is_some() && statuses.is_none());
    let besides = value.errors.is_some() || value.user_actions.is_some();
    if !split_any || unreadable || besides {
        out.push(frame.change(change.value, seconds(value.timestamp)));
    }
}

/// Solution events name the business portfolio in `entry.id`.
fn entry_names_a_waba(field: &str) -> bool {
    field != "partner_solutions"
}

struct Frame<'a> {
    entry: &'a Entry<'a>,
    field: &'a str,
    waba: Option<&'a str>,
    metadata: Option<&'a RawValue>,
    contacts: Vec<&'a RawValue>,
}

impl Frame<'_> {
    fn element(&self, kind: ElementKind, raw: &RawValue, lone: bool) -> Element {
        let head: Head = lenient(Some(raw));
        let number: Who = lenient(self.metadata);
        let told = |part: &Option<String>| part.clone().unwrap_or_default();
        let dedup_key = match (&head.id, kind) {
            (Some(id), ElementKind::Message) => format!("m:{}:{id}", told(&number.phone_number_id)),
            (Some(id), ElementKind::Status) => {
                let participant = head
                    .recipient_participant_id
                    .as_deref()
                    .or(head.recipient_participant_user_id.as_deref())
                    .unwrap_or_default();
                let key = format!(
                    "s:{}:{id}:{}:{participant}",
                    told(&number.phone_number_id),
                    told(&head.status)
                );
                // A payment passes through the same words again (a refund, another try): its time tells them apart.
                if let Some(kind) = &head.kind {
                    format!("{key}:{kind}:{}", head.timestamp.unwrap_or_default())
                } else {
                    key
                }
            }
            (Some(_), ElementKind::Change) | (None, _) => self.hashed(raw),
        };
        Element {
            waba_id: self.waba.map(str::to_owned),
            entry_id: self.entry.id.clone(),
            field: self.field.to_owned(),
            kind,
            phone_number_id: number.phone_number_id,
            display_phone_number: number.display_phone_number,
            element_json: raw.get().to_owned(),
            metadata_json: self.metadata.map(|raw| raw.get().to_owned()),
            contact_json: self.contact_of(&head, kind, lone).map(|raw| raw.get().to_owned()),
            timestamp: head.timestamp.or_else(|| seconds(self.entry.time)),
            dedup_key,
        }
    }

    fn change(&self, raw: &RawValue, own_time: Option<i64>) -> Element {
        // Management fields tell the number inside their value, `messages` in its metadata.
        let number: Who =
            if self.metadata.is_some() { lenient(self.metadata) } else { lenient(Some(raw)) };
        Element {
            phone_number_id: number.phone_number_id,
            display_phone_number: number.display_phone_number,
            metadata_json: self.metadata.map(|raw| raw.get().to_owned()),
            contact_json: match self.contacts.as_slice() {
                [one] => Some(one.get().to_owned()),
                [] | [_, _, ..] => None,
            },
            dedup_key: self.hashed(raw),
            ..raw_change(
                self.entry.id.as_deref(),
                self.waba,
                self.field,
                raw,
                own_time.or_else(|| seconds(self.entry.time)),
            )
        }
    }

    fn hashed(&self, raw: &RawValue) -> String {
        hash(self.entry.id.as_deref(), self.entry.time.map(RawValue::get), self.field, raw)
    }

    /// By number or BSUID, never by place; a lone contact belongs to a lone element.
    fn contact_of(&self, head: &Head, kind: ElementKind, lone: bool) -> Option<&RawValue> {
        let (number, user) = match kind {
            ElementKind::Message => (&head.from, &head.from_user_id),
            ElementKind::Status
                if head.recipient_participant_id.is_some()
                    || head.recipient_participant_user_id.is_some() =>
            {
                (&head.recipient_participant_id, &head.recipient_participant_user_id)
            }
            ElementKind::Status | ElementKind::Change => {
                (&head.recipient_id, &head.recipient_user_id)
            }
        };
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        self.contacts
            .iter()
            .find(|raw| {
                let who: Who = lenient(Some(raw));
                same(&who.user_id, user) || same(&who.wa_id, number)
            })
            .or_else(|| self.contacts.first().filter(|_| lone && self.contacts.len() == 1))
            .copied()
    }
}

fn raw_change(
    entry_id: Option<&str>,
    waba: Option<&str>,
    field: &str,
    raw: &RawValue,
    timestamp: Option<i64>,
) -> Element {
    Element {
        waba_id: waba.map(str::to_owned),
        entry_id: entry_id.map(str::to_owned),
        field: field.to_owned(),
        kind: ElementKind::Change,
        phone_number_id: None,
        display_phone_number: None,
        element_json: raw.get().to_owned(),
        metadata_json: None,
        contact_json: None,
        timestamp,
        dedup_key: hash(entry_id, None, field, raw),
    }
}

/// For what has no id of its own. The entry's time takes part: a template that is approved, paused and approved again says the same words twice.
fn hash(entry_id: Option<&str>, time: Option<&str>, field: &str, raw: &RawValue) -> String {
    let mut hasher = Sha256::new();
    for part in [entry_id.unwrap_or_default(), time.unwrap_or_default(), field, raw.get()] {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    format!("h:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests;
