//! One element of one delivery, with all that routing needs of it, and nothing of it interpreted.

use meta::webhook::{Element, ElementKind};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Longest word of Meta's that is kept beside an element; its bytes keep the whole of it.
const LONGEST_WORD: usize = 200;
/// What an event carries beside the element: ids and words.
const FRAME: usize = 4_096;

/// A stored delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) app_id: String,
    /// Environment of that app; empty where the app is no longer configured.
    pub(crate) environment: String,
    pub(crate) sha256: Vec<u8>,
    pub(crate) received_us: i64,
    pub(crate) traceparent: Option<String>,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Status,
    Change,
    /// A delivery that could not be taken apart; its bytes are in the raw log alone.
    Delivery,
}

impl Kind {
    /// The stored and published word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Status => "status",
            Self::Change => "change",
            Self::Delivery => "delivery",
        }
    }

    /// The kind of a stored word.
    pub(crate) fn parse(word: &str) -> Self {
        let known = [Self::Message, Self::Status, Self::Change];
        known.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Self::Delivery)
    }
}

/// One element. It holds content, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) app_id: String,
    pub(crate) environment: String,
    /// Meta's ids; empty where the element names none.
    pub(crate) waba_meta_id: String,
    pub(crate) number_meta_id: String,
    pub(crate) field: String,
    pub(crate) kind: Kind,
    pub(crate) element: String,
    pub(crate) metadata: String,
    pub(crate) contact: String,
    /// Meta's time; 0 where it tells none.
    pub(crate) entry_time_s: i64,
    /// Equal for two deliveries of the same thing.
    pub(crate) seen_key: Uuid,
    pub(crate) raw_id: Uuid,
    pub(crate) index: u32,
    pub(crate) received_us: i64,
    pub(crate) traceparent: Option<String>,
}

impl Piece {
    /// The pieces of a delivery, in Meta's order.
    pub(crate) fn all(delivery: &Delivery, elements: Vec<Element>) -> Vec<Self> {
        elements.into_iter().zip(0..).map(|(element, at)| Self::of(delivery, element, at)).collect()
    }

    fn of(delivery: &Delivery, element: Element, index: u32) -> Self {
        let waba_meta_id = word(element.waba_id);
        Self {
            seen_key: key(&[waba_meta_id.as_bytes(), element.dedup_key.as_bytes()]),
            waba_meta_id,
            number_meta_id: word(element.phone_number_id),
            field: word(Some(element.field)),
            kind: match element.kind {
                ElementKind::Message => Kind::Message,
                ElementKind::Status => Kind::Status,
                ElementKind::Change => Kind::Change,
            },
            element: element.element_json,
            metadata: element.metadata_json.unwrap_or_default(),
            contact: element.contact_json.unwrap_or_default(),
            entry_time_s: element.timestamp.unwrap_or_default(),
            index,
            ..Self::whole(delivery)
        }
    }

    /// A delivery as a whole, where it cannot be taken apart.
    pub(crate) fn whole(delivery: &Delivery) -> Self {
        Self {
            app_id: delivery.app_id.clone(),
            environment: delivery.environment.clone(),
            waba_meta_id: String::new(),
            number_meta_id: String::new(),
            field: String::new(),
            kind: Kind::Delivery,
            element: String::new(),
            metadata: String::new(),
            contact: String::new(),
            entry_time_s: 0,
            seen_key: key(&[b"delivery", &delivery.sha256]),
            raw_id: delivery.id,
            index: 0,
            received_us: delivery.received_us,
            traceparent: delivery.traceparent.clone(),
        }
    }

    /// Whether it is addressed to a number, and not merely about one: only `metadata` is an address.
    pub(crate) fn is_addressed(&self) -> bool {
        !self.metadata.is_empty() && !self.number_meta_id.is_empty()
    }

    /// When it was in the world at the latest: Meta repeats a delivery for days, so one that comes now may be old.
    pub(crate) fn known_us(&self) -> i64 {
        match self.entry_time_s {
            0 => self.received_us,
            told_s => self.received_us.min(told_s.saturating_mul(1_000_000)),
        }
    }

    /// Whether an event can carry it.
    pub(crate) fn fits(&self, most: usize) -> bool {
        self.element.len() + self.metadata.len() + self.contact.len() + FRAME <= most
    }

    /// The last word of its event's routing key: the field, in the letters that a key may have.
    pub(crate) fn key_word(&self) -> String {
        let letter = |c: char| {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }
        };
        let word: String = self.field.chars().take(100).map(letter).collect();
        if word.is_empty() { "unknown".to_owned() } else { word }
    }
}

/// A word of Meta's as PostgreSQL takes it (IN-3): no NUL, no more than is looked at.
fn word(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    text.chars().take(LONGEST_WORD).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// 128 bits of SHA-256: narrow, and no two things of Meta's share them.
fn key(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    Uuid::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn delivery() -> Delivery {
        Delivery {
            id: Uuid::nil(),
            app_id: "1".to_owned(),
            environment: "live".to_owned(),
            sha256: vec![7; 32],
            received_us: 0,
            traceparent: None,
        }
    }

    fn pieces(body: &str) -> Vec<Piece> {
        Piece::all(&delivery(), meta::webhook::split(body.as_bytes()).unwrap())
    }

    fn change(waba: &str, field: &str, value: &str) -> String {
        format!(r#"{{"entry":[{{"id":{waba},"changes":[{{"field":{field},"value":{value}}}]}}]}}"#)
    }

    #[test]
    fn only_metadata_is_an_address() {
        let message = r#"{"metadata":{"phone_number_id":"5"},"messages":[{"id":"wamid.1"}]}"#;
        assert!(pieces(&change("\"9\"", "\"messages\"", message))[0].is_addressed());
        let about = r#"{"phone_number_id":"5","event":"FLAGGED"}"#;
        let piece = &pieces(&change("\"9\"", "\"phone_number_quality_update\"", about))[0];
        assert_eq!((piece.number_meta_id.as_str(), piece.is_addressed()), ("5", false));
    }

    #[test]
    fn the_same_message_under_another_waba_is_another_thing() {
        let message = r#"{"messages":[{"id":"wamid.1"}]}"#;
        let key = |waba: &str| pieces(&change(waba, "\"messages\"", message))[0].seen_key;
        assert_eq!(key("\"9\""), key("\"9\""));
        assert_ne!(key("\"9\""), key("\"8\""));
    }

    #[rstest]
    #[case("messages", "messages")]
    #[case("Some.Future-Event", "some_future_event")]
    #[case("", "unknown")]
    #[case("webhooks.#", "webhooks__")]
    fn a_field_becomes_one_word_of_a_key(#[case] field: &str, #[case] expected: &str) {
        let piece = Piece { field: field.to_owned(), ..Piece::whole(&delivery()) };
        assert_eq!(piece.key_word(), expected);
    }

    #[test]
    fn no_word_holds_what_the_database_refuses() {
        let body = change(r#""9\u0000""#, r#""a\u0000b""#, "{}");
        let piece = &pieces(&body)[0];
        assert!(!piece.waba_meta_id.contains('\0') && !piece.field.contains('\0'));
        assert!(!piece.element.contains('\0'), "Meta's own escape stays an escape");
    }

    #[test]
    fn every_kind_reads_back() {
        for kind in [Kind::Message, Kind::Status, Kind::Change, Kind::Delivery] {
            assert_eq!(Kind::parse(kind.as_str()), kind);
        }
    }
}
