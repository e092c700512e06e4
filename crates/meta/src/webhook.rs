//! What Meta tells us: a delivery taken apart into elements, and each kind of element read.
//!
//! Splitting never interprets and never loses: an element keeps the bytes that Meta wrote, and what fits no known frame comes out as one raw element.
//! Reading is lenient: a field may be missing, null or empty, a time may be text or a number, and unknown kinds, words and fields are kept. Whom an
//! element belongs to, and whether it was seen before, is the caller's to find out, by `waba_id` and `dedup_key`.

mod account;
mod inbound;
mod split;
mod status;
mod template;

pub use account::{
    AccountAlert, AccountReview, AccountUpdate, BanInfo, BusinessCapability, Change,
    DisconnectionInfo, MessagingLimit, NameDecision, NumberNameUpdate, NumberQualityUpdate,
    Restriction, SecurityEvent, WabaInfo, parse_change,
};
pub use inbound::{
    Context, Edit, InboundContent, InboundKind, InboundMedia, InboundMessage, InteractiveReply,
    Order, OrderItem, Place, Referral, ReferredProduct, System,
};
pub use split::{Element, ElementKind, NotAPayload, split};
pub use status::{Conversation, MessageStatus, Pricing, StatusUpdate};
pub use template::{
    TemplateCategoryUpdate, TemplateComponentsUpdate, TemplateEvent, TemplateQualityUpdate,
    TemplateStatusUpdate,
};

use crate::words::{Extra, opt_int, opt_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error inside a webhook: the same as in an answer, in another shape.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookError {
    /// Meta's code; the key for all logic.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Its title; not stable.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The title again, or more.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `{details}`, sometimes a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_data: Option<Value>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl WebhookError {
    /// The reason for humans.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        match self.error_data.as_ref()? {
            Value::String(text) => Some(text),
            other => other.get("details")?.as_str(),
        }
    }
}

/// An entry of `contacts[]`: who the other person is.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactInfo {
    /// Name and username.
    pub profile: Profile,
    /// The number, digits alone; absent when it is hidden from us.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<String>,
    /// The BSUID; absent before April 2026.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The BSUID of linked portfolios.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub parent_user_id: Option<String>,
    /// Hash of the person's identity key, where the number asks for it.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a person shows of themselves.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The name they chose.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their username; it can change and is never a key.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The fields of `whatsapp_business_account` that Switchboard reads, for the app's subscription
/// (`POST /{app}/subscriptions`). Each has a service that is bound to it.
pub const FIELDS: [&str; 12] = [
    "messages",
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "account_update",
    "account_review_update",
    "business_capability_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "smb_message_echoes",
    "user_preferences",
];

impl ContactInfo {
    /// Reads an entry of `contacts[]`.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

/// `metadata`: which of our numbers it is about.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// The number as digits.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
    /// Its node.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

masked_debug!(WebhookError, ContactInfo, Profile, Metadata);
