//! What became of a message: an element of `statuses[]`.
//!
//! Statuses come in any order, twice, late, and before the POST's answer; which of two wins is the message's own merge, not decided here.

use super::WebhookError;
use crate::words::{Extra, opt_int, opt_text};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

open_enum! {
    /// Meta's word for where a message is.
    pub enum MessageStatus {
        /// Left Meta.
        Sent = "sent",
        /// On the person's device.
        Delivered = "delivered",
        /// Seen.
        Read = "read",
        /// A voice note was played (since 2025-11-03).
        Played = "played",
        /// Not delivered; the errors say why.
        Failed = "failed",
        /// The person deleted it; in older documents only.
        Deleted = "deleted",
        /// An item of the catalog is missing; in older documents only.
        Warning = "warning",
    }
}

/// One status.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct StatusUpdate {
    /// Meta's id of the message.
    #[serde(deserialize_with = "opt_text")]
    pub id: Option<String>,
    /// Where it is.
    pub status: MessageStatus,
    /// `payment` for the progress of a payment; absent for a message's own.
    #[serde(rename = "type", deserialize_with = "opt_text")]
    pub kind: Option<String>,
    /// Unix seconds.
    #[serde(deserialize_with = "opt_int")]
    pub timestamp: Option<i64>,
    /// The person's number or the group; absent where the number is hidden from us.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_id: Option<String>,
    /// The person's BSUID.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_user_id: Option<String>,
    /// The person's BSUID over linked portfolios.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_parent_user_id: Option<String>,
    /// `group` for messages to groups.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_type: Option<String>,
    /// Which member of the group.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_participant_id: Option<String>,
    /// Which member of the group, as BSUID.
    #[serde(deserialize_with = "opt_text")]
    pub recipient_participant_user_id: Option<String>,
    /// Our own id, which we gave with the POST: what settles a send whose answer was lost.
    #[serde(deserialize_with = "opt_text")]
    pub biz_opaque_callback_data: Option<String>,
    /// What the message cost; on `sent` and on one of the later ones.
    #[serde(deserialize_with = "lenient")]
    pub pricing: Option<Pricing>,
    /// The conversation; left out by webhook versions from v24 on.
    #[serde(deserialize_with = "lenient")]
    pub conversation: Option<Conversation>,
    /// Why it failed.
    #[serde(deserialize_with = "lenient_list")]
    pub errors: Vec<WebhookError>,
    /// Members that this build has no name for (`payment`, `template_id`).
    #[serde(flatten)]
    pub extra: Extra,
}

fn lenient<'de, D: Deserializer<'de>, T: for<'a> Deserialize<'a>>(
    d: D,
) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(d)?).ok())
}

fn lenient_list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<WebhookError>, D::Error> {
    Ok(Vec::deserialize(Value::deserialize(d)?).unwrap_or_default())
}

/// What a message cost, in words; the amount is a rate card's to say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pricing {
    /// To be dropped by Meta: derive it from kind and category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billable: Option<bool>,
    /// `CBP` until 2025-06-30, `PMP` since.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub pricing_model: Option<String>,
    /// `regular`, `free_customer_service`, `free_entry_point`.
    #[serde(
        rename = "type",
        deserialize_with = "opt_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// As Meta wrote it; [`Pricing::category`] spells it in one way.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Pricing {
    /// The category in lower case with underscores: Meta writes `authentication-international` on one page and with an underscore on others.
    #[must_use]
    pub fn category(&self) -> Option<String> {
        self.category.as_ref().map(|category| category.to_ascii_lowercase().replace('-', "_"))
    }
}

/// A conversation, as it was counted until 2025-06-30.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// Meta's id.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Unix seconds; on `sent` only.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub expiration_timestamp: Option<i64>,
    /// `{type}`: what opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Value>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

masked_debug!(StatusUpdate);

impl StatusUpdate {
    /// Reads an element of `statuses[]`; fails only where it is no JSON object, or its status no word.
    pub fn parse(element_json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(element_json)
    }

    /// The code of the first error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.errors.first().and_then(|error| error.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_today_is_read() {
        let status = StatusUpdate::parse(
            r#"{"id":"wamid.HBgM","status":"sent","timestamp":"1795000700","recipient_id":"351912000111","recipient_user_id":"PT.20260712339015",
            "biz_opaque_callback_data":"message_01h455vb4pex5vsknk084sn02q","pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":"authentication-international"},
            "template_id":7}"#,
        )
        .unwrap();
        assert_eq!((status.status, status.timestamp), (MessageStatus::Sent, Some(1_795_000_700)));
        assert_eq!(
            status.pricing.unwrap().category().as_deref(),
            Some("authentication_international")
        );
        assert_eq!(
            status.biz_opaque_callback_data.as_deref(),
            Some("message_01h455vb4pex5vsknk084sn02q")
        );
        assert_eq!(status.extra["template_id"], 7);
    }

    #[test]
    fn a_failure_keeps_its_reason() {
        let status = StatusUpdate::parse(
            r#"{"id":"wamid.x","status":"failed","timestamp":1795000800,"errors":[{"code":131047,"title":"Re-engagement message","error_data":{"details":"more than 24 hours"}}]}"#,
        )
        .unwrap();
        assert_eq!(
            (status.error_code(), status.errors[0].details()),
            (Some(131_047), Some("more than 24 hours"))
        );
        let bare = StatusUpdate::parse(r#"{"id":"wamid.x","status":"failed","errors":[{"code":"131026","error_data":"plain"}]}"#).unwrap();
        assert_eq!(
            (bare.error_code(), bare.errors[0].details(), bare.recipient_id),
            (Some(131_026), Some("plain"), None)
        );
    }

    #[test]
    fn a_word_of_the_future_is_kept() {
        let status = StatusUpdate::parse(
            r#"{"id":"wamid.x","status":"in_orbit","pricing":"odd","errors":{}}"#,
        )
        .unwrap();
        assert_eq!(status.status, MessageStatus::Unknown("in_orbit".into()));
        assert!(status.pricing.is_none() && status.errors.is_empty());
    }

    #[test]
    fn a_payment_is_told_from_a_message() {
        let status = StatusUpdate::parse(r#"{"id":"wamid.x","type":"payment","status":"captured","payment":{"reference_id":"INV-118"}}"#).unwrap();
        assert_eq!((status.kind.as_deref(), status.status.as_str()), (Some("payment"), "captured"));
        assert_eq!(status.extra["payment"]["reference_id"], "INV-118");
    }
}
