//! What customers told WhatsApp about marketing (`user_preferences`): stop and resume.

use std::collections::BTreeMap;

use kernel::id::NumberId;
use kernel::time::Timestamp;
use meta::ids::{Bsuid, WaId};
use serde_json::Value;
use store::ScopedTx;

use super::tidings::Unreadable;
use crate::app::people::{People, Person};
use crate::domain::contact::{ConsentCategory, Identity, Wish};
use crate::domain::sender::Sender;
use crate::error::Error;
use crate::rows::contact;

/// One wish.
#[derive(Debug, Clone)]
pub(super) struct Preference {
    number: NumberId,
    identity: Identity,
    wish: Wish,
    at: Option<Timestamp>,
}

impl Preference {
    /// Reads an entry of `user_preferences[]`.
    pub(super) fn read(number: NumberId, value: &Value) -> Result<Self, Unreadable> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let wish = match text("value") {
            Some("stop") => Wish::OptedOut,
            Some("resume" | "signup") => Wish::OptedIn,
            Some(_) | None => return Err(Unreadable("a preference's word")),
        };
        let identity = Identity {
            bsuid: text("user_id").and_then(|id| Bsuid::new(id).ok()),
            wa_id: text("wa_id").and_then(|number| WaId::new(number).ok()),
        };
        // Seconds as a number here, as text elsewhere.
        let at =
            value.get("timestamp").and_then(|at| at.as_i64().or_else(|| at.as_str()?.parse().ok()));
        if identity.is_empty() {
            return Err(Unreadable("the form of a person's ids"));
        }
        Ok(Self { number, identity, wish, at: at.map(Timestamp::from_seconds) })
    }
}

/// Records the wishes, in Meta's order.
pub(super) async fn apply(
    tx: &ScopedTx,
    senders: &BTreeMap<NumberId, Sender>,
    mut preferences: Vec<Preference>,
) -> Result<(), Error> {
    if preferences.is_empty() {
        return Ok(());
    }
    preferences.sort_by_key(|one| one.at);
    let mut wishes = Vec::with_capacity(preferences.len());
    for one in preferences {
        let Some(sender) = senders.get(&one.number) else { continue };
        let person = Person {
            portfolio: sender.portfolio,
            waba: sender.waba,
            number: one.number,
            identity: one.identity,
            name: None,
            username: None,
            at: one.at.unwrap_or(tx.now()),
            told_by_meta: true,
        };
        wishes.push((person, one.wish));
    }
    let people: Vec<&Person> = wishes.iter().map(|(person, _)| person).collect();
    let mut known = People::load(tx, &people).await?;
    let placed = known.ensure(tx, &people).await?;
    let mut last: BTreeMap<_, (Wish, Timestamp)> = BTreeMap::new();
    for ((person, wish), placed) in wishes.iter().zip(&placed) {
        last.insert(placed.contact, (*wish, person.at));
    }
    let rows = contact::by_id(tx, last.keys().map(kernel::id::Id::uuid).collect()).await?;
    for row in rows {
        let Some((wish, at)) = last.get(&row.contact_id()) else { continue };
        let consent = row.consent().set(ConsentCategory::Marketing, *wish, *at)?;
        contact::set_consent(tx, row.contact_id(), consent).await?;
    }
    Ok(())
}
