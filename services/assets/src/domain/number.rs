//! How a number stands, and what Meta's words and our reads make of it.

#![deny(clippy::wildcard_enum_match_arm)]

use meta::{
    nodes::NumberNode,
    webhook::{
        BusinessCapability, MessagingLimit, NameDecision, NumberNameUpdate, NumberQualityUpdate,
    },
};

use super::heard::{Entry, Field, Heard, Stamp};

/// Messages a second of a number like most.
const STANDARD_MPS: i64 = 80;
/// Of one that Meta raised.
const HIGH_MPS: i64 = 1_000;
/// Of one that the phone app shares.
const SHARED_MPS: i64 = 20;

/// What changes of a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) e164: String,
    pub(crate) verified_name: String,
    pub(crate) name_status: String,
    pub(crate) status: String,
    pub(crate) quality: String,
    pub(crate) limit: String,
    pub(crate) throughput_mps: i64,
    pub(crate) code_verification: String,
    pub(crate) registered: bool,
    pub(crate) heard: Heard,
    /// When our last read of it began.
    pub(crate) read_us: i64,
}

/// What Meta tells of a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Quality(NumberQualityUpdate),
    Name(NumberNameUpdate),
    /// Of the portfolio, so of every number of the WABA.
    Capability(BusinessCapability),
}

impl Word {
    /// The digits of the number that it is about; `None` where it is about all of the WABA.
    pub(crate) fn digits(&self) -> Option<String> {
        match self {
            Self::Quality(told) => told.display_phone_number.as_deref().map(digits),
            Self::Name(told) => told.display_phone_number.as_deref().map(digits),
            Self::Capability(_) => None,
        }
    }

    /// Whether it is about all numbers of the WABA.
    pub(crate) const fn is_of_all(&self) -> bool {
        matches!(self, Self::Capability(_))
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Digits as E.164. They are Meta's own, of a number that is in service, so their form is not judged here.
pub(crate) fn e164(display: &str) -> String {
    format!("+{}", digits(display))
}

/// A limit in one of Meta's spellings, whichever it came in.
fn tier(limit: MessagingLimit) -> String {
    match limit {
        MessagingLimit::Unlimited => "TIER_UNLIMITED".to_owned(),
        MessagingLimit::People(people) if people >= 1_000 && people.is_multiple_of(1_000) => {
            format!("TIER_{}K", people / 1_000)
        }
        MessagingLimit::People(people) => format!("TIER_{people}"),
    }
}

fn limit_of(words: [Option<&str>; 2]) -> Option<String> {
    words.into_iter().flatten().find_map(MessagingLimit::parse).map(tier)
}

impl Standing {
    /// What a word makes of it, with the entries of its history.
    pub(crate) fn hear(&mut self, word: &Word, stamp: Stamp) -> Vec<Entry> {
        match word {
            Word::Quality(told) => self.hear_quality(told, stamp),
            Word::Name(told) => vec![self.hear_name(told, stamp)],
            Word::Capability(told) => {
                let limit = told.messaging_limit().map(tier);
                limit.and_then(|limit| self.hear_limit(limit, "", stamp)).into_iter().collect()
            }
        }
    }

    fn hear_limit(&mut self, limit: String, why: &str, stamp: Stamp) -> Option<Entry> {
        let stands = self.heard.take(Field::Limit, stamp, self.read_us);
        if !stands || self.limit == limit {
            return None;
        }
        let entry = Entry::new(Field::Limit, &self.limit, &limit, why);
        self.limit = limit;
        Some(entry)
    }

    fn hear_quality(&mut self, told: &NumberQualityUpdate, stamp: Stamp) -> Vec<Entry> {
        let event = told.event.as_deref().unwrap_or_default();
        let mut entries = Vec::new();
        if event == "THROUGHPUT_UPGRADE" {
            if self.heard.take(Field::Throughput, stamp, self.read_us) {
                let old = self.throughput_mps.to_string();
                self.throughput_mps = HIGH_MPS;
                entries.push(Entry::new(Field::Throughput, &old, &HIGH_MPS.to_string(), event));
            }
        } else if !event.is_empty() {
            entries.push(Entry::new(Field::Quality, &self.quality, &self.quality, event));
        }
        let told_limit =
            [told.max_daily_conversations_per_business.as_deref(), told.current_limit.as_deref()];
        if let Some(limit) = limit_of(told_limit) {
            entries.extend(self.hear_limit(limit, event, stamp));
        }
        entries
    }

    fn hear_name(&mut self, told: &NumberNameUpdate, stamp: Stamp) -> Entry {
        let (name, why) = (&told.requested_verified_name, &told.rejection_reason);
        let said = match why.as_deref() {
            None => told.decision.as_str().to_owned(),
            Some(why) => format!("{}: {why}", told.decision),
        };
        let new = name.as_deref().unwrap_or(&self.verified_name);
        let entry = Entry::new(Field::Name, &self.verified_name, new, &said);
        if self.heard.take(Field::Name, stamp, self.read_us) {
            told.decision.as_str().clone_into(&mut self.name_status);
            match &told.decision {
                NameDecision::Approved => {
                    if let Some(name) = name {
                        self.verified_name.clone_from(name);
                    }
                }
                // The name before stays.
                NameDecision::Rejected
                | NameDecision::Pending
                | NameDecision::Deferred
                | NameDecision::Unknown(_) => {}
            }
        }
        entry
    }

    /// What a read that began then makes of it: all that no newer word is known of.
    pub(crate) fn see(&mut self, node: &NumberNode, began_us: i64) -> Vec<Entry> {
        if began_us < self.read_us {
            return Vec::new();
        }
        let first = self.read_us == 0;
        self.read_us = began_us;
        let seen = Self::of(node);
        let mut entries = Vec::new();
        let mut turn = |field: Field, kept: &mut String, new: String| {
            if *kept != new {
                if !first {
                    entries.push(Entry::new(field, kept, &new, ""));
                }
                *kept = new;
            }
        };
        turn(Field::Status, &mut self.status, seen.status);
        turn(Field::Quality, &mut self.quality, seen.quality);
        if self.heard.is_behind(Field::Limit, began_us) && !seen.limit.is_empty() {
            turn(Field::Limit, &mut self.limit, seen.limit);
        }
        if self.heard.is_behind(Field::Name, began_us) {
            turn(Field::Name, &mut self.verified_name, seen.verified_name);
            self.name_status = seen.name_status;
        }
        if self.heard.is_behind(Field::Throughput, began_us) {
            let mut kept = self.throughput_mps.to_string();
            turn(Field::Throughput, &mut kept, seen.throughput_mps.to_string());
            self.throughput_mps = seen.throughput_mps;
        }
        if node.display_phone_number.is_some() {
            self.e164 = seen.e164;
        }
        self.code_verification = seen.code_verification;
        self.registered = seen.registered;
        entries
    }

    fn of(node: &NumberNode) -> Self {
        let level = node.throughput.as_ref().and_then(|throughput| throughput.level.as_deref());
        let throughput_mps = match (node.is_on_biz_app, level) {
            (Some(true), _) => SHARED_MPS,
            (_, Some("HIGH")) => HIGH_MPS,
            (_, Some(_) | None) => STANDARD_MPS,
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let limits = [
            node.whatsapp_business_manager_messaging_limit.as_deref(),
            node.messaging_limit_tier.as_deref(),
        ];
        Self {
            e164: e164(node.display_phone_number.as_deref().unwrap_or_default()),
            verified_name: text(&node.verified_name),
            name_status: text(&node.name_status),
            status: node.status.as_ref().map(ToString::to_string).unwrap_or_default(),
            quality: node
                .quality_rating
                .as_ref()
                .map_or("UNKNOWN", |score| score.as_str())
                .to_owned(),
            limit: limit_of(limits).unwrap_or_default(),
            throughput_mps,
            code_verification: text(&node.code_verification_status),
            registered: node.is_registered(),
            heard: Heard::default(),
            read_us: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(patch: &serde_json::Value) -> NumberNode {
        let mut whole = json!({"id": "1", "display_phone_number": "+1 631-555-5555", "status": "CONNECTED",
            "platform_type": "CLOUD_API", "quality_rating": "GREEN", "verified_name": "Casa Rosa",
            "throughput": {"level": "STANDARD"}, "messaging_limit_tier": "TIER_250"});
        let patch = patch.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(patch);
        serde_json::from_value(whole).unwrap()
    }

    fn stamp(at: i64) -> Stamp {
        Stamp { told_us: at, heard_us: at, place: 0 }
    }

    fn first() -> Standing {
        let mut number = Standing::default();
        number.see(&node(&json!({})), 5);
        number
    }

    #[test]
    fn a_first_read_is_the_whole_state_and_no_history() {
        let mut number = Standing::default();
        let entries = number.see(&node(&json!({})), 5);
        assert_eq!((number.e164.as_str(), number.throughput_mps), ("+16315555555", 80));
        assert!(number.registered && entries.is_empty());
    }

    #[test]
    fn quality_has_no_webhook_and_comes_by_reading() {
        let mut number = first();
        let entries = number.see(&node(&json!({"quality_rating": "RED"})), 6);
        assert_eq!(entries, [Entry::new(Field::Quality, "GREEN", "RED", "")]);
    }

    #[test]
    fn an_upgrade_raises_throughput_and_limit() {
        let mut number = first();
        let told = NumberQualityUpdate {
            event: Some("THROUGHPUT_UPGRADE".to_owned()),
            current_limit: Some("TIER_UNLIMITED".to_owned()),
            ..NumberQualityUpdate::default()
        };
        number.hear(&Word::Quality(told), stamp(10));
        assert_eq!((number.throughput_mps, number.limit.as_str()), (1_000, "TIER_UNLIMITED"));
        number.see(&node(&json!({})), 9);
        assert_eq!(number.throughput_mps, 1_000, "an answer from before");
    }

    #[test]
    fn every_spelling_of_a_limit_is_one() {
        for (word, expected) in
            [("2000", "TIER_2K"), ("-1", "TIER_UNLIMITED"), ("TIER_250", "TIER_250")]
        {
            let mut number = first();
            let told = BusinessCapability {
                max_daily_conversations_per_business: Some(word.to_owned()),
                ..BusinessCapability::default()
            };
            number.hear(&Word::Capability(told), stamp(10));
            assert_eq!(number.limit, expected);
        }
    }

    #[test]
    fn a_refused_name_leaves_the_one_before() {
        let mut number = first();
        let told = NumberNameUpdate {
            decision: NameDecision::Rejected,
            requested_verified_name: Some("Lucky".to_owned()),
            rejection_reason: Some("NAME_FORMAT_UNACCEPTABLE".to_owned()),
            ..NumberNameUpdate::default()
        };
        number.hear(&Word::Name(told), stamp(10));
        assert_eq!(
            (number.verified_name.as_str(), number.name_status.as_str()),
            ("Casa Rosa", "REJECTED")
        );
    }
}
