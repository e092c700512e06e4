//! Reads an element of Meta's into what it tells, whole or not at all: what this build cannot read is kept
//! as it came and tried again by the next (DEL-12), so it must not be taken in by half.

use kernel::id::{NumberId, WabaId};
use kernel::time::Timestamp;
use proto::events::v1::ElementRouted;
use serde_json::Value;

use super::inbound::Heard;
use super::preference::Preference;
use crate::app::status::Told;

/// What this build cannot read; names nobody and quotes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this build does not read {0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// What one element tells about a number.
#[derive(Debug)]
pub(super) struct Tidings {
    pub(super) number: NumberId,
    pub(super) heard: Vec<Heard>,
    pub(super) told: Vec<Told>,
    pub(super) preferences: Vec<Preference>,
    pub(super) received: Timestamp,
    /// Meta's time of it; when it reached us, where Meta names none.
    pub(super) at: Timestamp,
}

impl Tidings {
    /// Reads an element of a number and its WABA.
    pub(super) fn read(
        number: NumberId,
        waba: WabaId,
        routed: &ElementRouted,
    ) -> Result<Self, Unreadable> {
        let received = Timestamp::from_micros(routed.received_us);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Unreadable("its bytes"));
        let (element, contact) = (text(&routed.element)?, text(&routed.contact)?);
        let trace = Some(routed.traceparent.clone()).filter(|trace| !trace.is_empty());
        let (mut heard, mut told, mut preferences) = (Vec::new(), Vec::new(), Vec::new());
        match (routed.field.as_str(), routed.element_kind.as_str()) {
            ("messages", "message") => {
                let contact = Some(contact).filter(|contact| !contact.is_empty());
                let read = Heard::message(waba, number, element, contact, received)?;
                heard.push(read.or_named(&routed.raw_id, routed.index));
            }
            ("messages", "status") => {
                told.extend(Told::read(number, waba, element, received, trace)?);
            }
            (field, _) => {
                let value: Value =
                    serde_json::from_str(element).map_err(|_| Unreadable("its shape"))?;
                let list =
                    |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
                for echo in list("message_echoes") {
                    heard.push(Heard::echo(waba, number, echo, received)?);
                }
                if field == "standby" {
                    // Somebody else answers: Meta's agent. Shown, and never answered by a bot.
                    let contact = value.get("contacts").and_then(|contacts| contacts.get(0));
                    let contact = contact.map(Value::to_string);
                    for message in list("messages") {
                        let (message, contact) = (message.to_string(), contact.as_deref());
                        let read = Heard::message(waba, number, &message, contact, received)?;
                        if !read.is_named() {
                            return Err(Unreadable("a standby message without its id"));
                        }
                        heard.push(read.in_standby());
                    }
                    for status in list("statuses") {
                        let status = status.to_string();
                        told.extend(Told::read(number, waba, &status, received, trace.clone())?);
                    }
                }
                for preference in list("user_preferences") {
                    preferences.push(Preference::read(number, preference)?);
                }
            }
        }
        let times = heard.iter().map(|one| one.at).chain(told.iter().map(Told::at));
        let at = times.max().unwrap_or(received);
        Ok(Self { number, heard, told, preferences, received, at })
    }
}
