//! Objects of the Graph API as Meta shows them: accounts, numbers, profiles, tokens, subscriptions.
//!
//! Meta leaves out what has no value and adds fields without notice, so all but the id may be
//! missing, and what has no name here is kept. Words are kept as Meta wrote them.

mod token;

pub use token::{GranularScope, TokenInfo};

use crate::ids::{MetaBusinessId, MetaMediaId, MetaNumberId, MetaWabaId};
use crate::violation::{Violation, Violations};
use crate::words::{Extra, list, opt_int, opt_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

open_enum! {
    /// `business_verification_status`; live in lower case, in Meta's OpenAPI in upper case.
    pub enum BusinessVerification {
        /// Never asked for.
        NotVerified = "not_verified" | "unverified",
        /// Begun, documents missing.
        PendingSubmission = "pending_submission",
        /// In review.
        Pending = "pending",
        /// Meta asks for more.
        PendingNeedMoreInfo = "pending_need_more_info",
        /// Done.
        Verified = "verified",
        /// Refused.
        Rejected = "rejected",
        /// Could not be verified.
        Failed = "failed",
        /// Taken back.
        Revoked = "revoked",
        /// Ran out.
        Expired = "expired",
        /// May not verify.
        Ineligible = "ineligible",
    }
}

open_enum! {
    /// `status` of a number; only a connected one sends.
    pub enum NumberStatus {
        /// Registered.
        Connected = "CONNECTED",
        /// Being added.
        Pending = "PENDING",
        /// Not registered.
        Disconnected = "DISCONNECTED",
        /// Not verified.
        Unverified = "UNVERIFIED",
        /// Low quality; gone since 2025-10-07.
        Flagged = "FLAGGED",
        /// Restricted by Meta.
        Restricted = "RESTRICTED",
        /// At its limit.
        RateLimited = "RATE_LIMITED",
        /// Banned by Meta.
        Banned = "BANNED",
        /// Moved to another account; this id is dead.
        Migrated = "MIGRATED",
        /// Deleted.
        Deleted = "DELETED",
    }
}

/// A business portfolio, named in another object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessRef {
    /// Its id.
    pub id: MetaBusinessId,
    /// Its name.
    #[serde(default, deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Whether something can send, and why not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthStatus {
    /// `AVAILABLE`, `LIMITED` or `BLOCKED`: the worst of its parts.
    #[serde(deserialize_with = "opt_text")]
    pub can_send_message: Option<String>,
    /// The number, template, WABA, business and app that it depends on.
    #[serde(deserialize_with = "list")]
    pub entities: Vec<HealthEntity>,
}

/// One part of a health status.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthEntity {
    /// `PHONE_NUMBER`, `MESSAGE_TEMPLATE`, `WABA`, `BUSINESS` or `APP`.
    #[serde(deserialize_with = "opt_text")]
    pub entity_type: Option<String>,
    /// Its id.
    #[serde(deserialize_with = "opt_text")]
    pub id: Option<String>,
    /// `AVAILABLE`, `LIMITED` or `BLOCKED`.
    #[serde(deserialize_with = "opt_text")]
    pub can_send_message: Option<String>,
    /// `{error_code, error_description, possible_solution}` of what blocks it.
    #[serde(deserialize_with = "list")]
    pub errors: Vec<Value>,
    /// What limits it.
    #[serde(deserialize_with = "list")]
    pub additional_info: Vec<Value>,
}

/// A WhatsApp Business Account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waba {
    /// Its id.
    pub id: MetaWabaId,
    /// Its name.
    #[serde(default, deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// ISO 4217; frozen once a credit line is attached.
    #[serde(default, deserialize_with = "opt_text")]
    pub currency: Option<String>,
    /// A small integer as text; see [`crate::timezones`].
    #[serde(default, deserialize_with = "opt_text")]
    pub timezone_id: Option<String>,
    /// ISO 3166 alpha-2.
    #[serde(default, deserialize_with = "opt_text")]
    pub country: Option<String>,
    /// `APPROVED`, `PENDING`, `REJECTED` …
    #[serde(default, deserialize_with = "opt_text")]
    pub account_review_status: Option<String>,
    /// Of the portfolio that owns it.
    #[serde(default)]
    pub business_verification_status: Option<BusinessVerification>,
    /// Who owns it; unreadable once access is gone, so it is stored at onboarding.
    #[serde(default)]
    pub owner_business_info: Option<BusinessRef>,
    /// Whether it can send.
    #[serde(default)]
    pub health_status: Option<HealthStatus>,
    /// The portfolio's messaging limit, `TIER_2K` (v24 and later).
    #[serde(default, deserialize_with = "opt_text")]
    pub whatsapp_business_manager_messaging_limit: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How fast a number may send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Throughput {
    /// `STANDARD` (80 a second), `HIGH` (1,000) or `NOT_APPLICABLE`.
    #[serde(deserialize_with = "opt_text")]
    pub level: Option<String>,
}

/// A business phone number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberNode {
    /// Its id.
    pub id: MetaNumberId,
    /// Formatted for people; normalise it before comparing.
    #[serde(default, deserialize_with = "opt_text")]
    pub display_phone_number: Option<String>,
    /// The display name; its approval is `name_status`.
    #[serde(default, deserialize_with = "opt_text")]
    pub verified_name: Option<String>,
    /// Whether it is connected. No default field.
    #[serde(default)]
    pub status: Option<NumberStatus>,
    /// `VERIFIED`, `NOT_VERIFIED`, `EXPIRED`.
    #[serde(default, deserialize_with = "opt_text")]
    pub code_verification_status: Option<String>,
    /// `APPROVED`, `PENDING_REVIEW` …
    #[serde(default, deserialize_with = "opt_text")]
    pub name_status: Option<String>,
    /// Of a name that was asked for.
    #[serde(default, deserialize_with = "opt_text")]
    pub new_name_status: Option<String>,
    /// Meta's rating.
    #[serde(default)]
    pub quality_rating: Option<crate::template::QualityScore>,
    /// `CLOUD_API`, `ON_PREMISE` or `NOT_APPLICABLE` (not registered).
    #[serde(default, deserialize_with = "opt_text")]
    pub platform_type: Option<String>,
    /// How fast it may send.
    #[serde(default)]
    pub throughput: Option<Throughput>,
    /// `LIVE` or `SANDBOX`.
    #[serde(default, deserialize_with = "opt_text")]
    pub account_mode: Option<String>,
    /// Whether the phone app shares it (coexistence): then it is neither registered nor deregistered.
    #[serde(default)]
    pub is_on_biz_app: Option<bool>,
    /// Whether two-step verification is on.
    #[serde(default)]
    pub is_pin_enabled: Option<bool>,
    /// Whether it has the badge.
    #[serde(default)]
    pub is_official_business_account: Option<bool>,
    /// The messaging limit of older versions.
    #[serde(default, deserialize_with = "opt_text")]
    pub messaging_limit_tier: Option<String>,
    /// The portfolio's messaging limit (v24 and later).
    #[serde(default, deserialize_with = "opt_text")]
    pub whatsapp_business_manager_messaging_limit: Option<String>,
    /// Whether it can send.
    #[serde(default)]
    pub health_status: Option<HealthStatus>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl NumberNode {
    /// Whether it is registered for the Cloud API. Then `register` must not be called again.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.status == Some(NumberStatus::Connected)
            && self.platform_type.as_deref() == Some("CLOUD_API")
    }

    /// The portfolio's messaging limit, whichever field the version has.
    #[must_use]
    pub fn messaging_limit(&self) -> Option<crate::webhook::MessagingLimit> {
        self.whatsapp_business_manager_messaging_limit
            .as_deref()
            .or(self.messaging_limit_tier.as_deref())
            .and_then(crate::webhook::MessagingLimit::parse)
    }
}

/// What a number shows of its business.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BusinessProfile {
    /// 1 to 139 characters.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Up to 256 characters.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Up to 512 characters.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Up to 128 characters.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A link that expires; never stored.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub profile_picture_url: Option<String>,
    /// At most two.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub websites: Vec<String>,
    /// As `RETAIL`.
    #[serde(deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub vertical: Option<String>,
}

/// A change of a profile: what is absent stays, an empty text clears.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileUpdate {
    /// 1 to 139 characters; it can't be cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Up to 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Up to 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Up to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// At most two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websites: Option<Vec<String>>,
    /// As `RETAIL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vertical: Option<String>,
    /// The handle of an uploaded picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_picture_handle: Option<String>,
}

impl ProfileUpdate {
    /// Checks Meta's limits; empty when there is nothing to mend.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        use crate::limits as l;
        let mut out = Violations::default();
        if let Some(about) = &self.about {
            out.required("about", about, l::PROFILE_ABOUT);
        }
        for (field, text, max) in [
            ("address", &self.address, l::PROFILE_ADDRESS),
            ("description", &self.description, l::PROFILE_DESCRIPTION),
            ("email", &self.email, l::PROFILE_EMAIL),
        ] {
            if let Some(text) = text {
                out.at_most(field, text, max);
            }
        }
        if self.email.as_deref().is_some_and(|email| !email.is_empty() && !email.contains('@')) {
            out.refuse("email", "is no e-mail address");
        }
        if let Some(sites) = &self.websites {
            out.count("websites", sites.len(), 0, l::PROFILE_WEBSITES);
            for (at, site) in sites.iter().enumerate() {
                let field = format!("websites[{at}]");
                out.at_most(&field, site, l::PROFILE_WEBSITE);
                if !site.is_empty() {
                    out.web_address(&field, site);
                }
            }
        }
        out.0
    }
}

/// An app that receives a WABA's webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribedApp {
    /// The app.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Where the WABA's messages go in place of the app's address.
    pub override_callback_uri: Option<String>,
}

impl SubscribedApp {
    /// Reads a row of `subscribed_apps`: wrapped as it is live, or flat as in Meta's OpenAPI.
    #[must_use]
    pub fn from_row(row: &Value) -> Option<Self> {
        let app = row.get("whatsapp_business_api_data").unwrap_or(row);
        let text = |value: &Value, name: &str| match value.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        Some(Self {
            id: text(app, "id")?,
            name: text(app, "name"),
            override_callback_uri: text(row, "override_callback_uri"),
        })
    }
}

/// What an app's webhooks are subscribed to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSubscription {
    /// `whatsapp_business_account`.
    pub object: String,
    /// Where they go.
    #[serde(deserialize_with = "opt_text")]
    pub callback_url: Option<String>,
    /// Whether they go at all.
    pub active: bool,
    /// The fields, each in a version of its own.
    #[serde(deserialize_with = "list")]
    pub fields: Vec<SubscribedField>,
}

/// One field of an app's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscribedField {
    /// As `messages`.
    pub name: String,
    /// The shape of its payloads follows this, not the version of calls.
    #[serde(deserialize_with = "opt_text")]
    pub version: Option<String>,
}

/// Where a file can be fetched, for five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Its id.
    pub id: MetaMediaId,
    /// Absolute; needs the token; never stored.
    pub url: String,
    /// Its type.
    #[serde(default, deserialize_with = "opt_text")]
    pub mime_type: Option<String>,
    /// SHA-256 in hex here, in base64 in webhooks.
    #[serde(default, deserialize_with = "opt_text")]
    pub sha256: Option<String>,
    /// In bytes; Meta writes a number or a string.
    #[serde(default, deserialize_with = "opt_int")]
    pub file_size: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_waba_is_read_with_fields_missing_and_fields_unknown() {
        let waba: Waba = serde_json::from_value(json!({"id": 102, "timezone_id": 1, "future": {"a": 1},
            "business_verification_status": "UNVERIFIED", "owner_business_info": {"id": "9", "name": "Casa"}})).unwrap();
        assert_eq!(waba.timezone_id.as_deref(), Some("1"));
        assert_eq!(waba.business_verification_status, Some(BusinessVerification::NotVerified));
        assert_eq!(waba.extra["future"]["a"], 1);
    }

    #[test]
    fn a_number_is_registered_when_connected_to_the_cloud() {
        let number = |platform: &str| -> NumberNode {
            serde_json::from_value(json!({"id": "1", "status": "CONNECTED", "platform_type": platform, "messaging_limit_tier": "TIER_2K"})).unwrap()
        };
        assert!(number("CLOUD_API").is_registered() && !number("NOT_APPLICABLE").is_registered());
        assert_eq!(
            number("CLOUD_API").messaging_limit(),
            Some(crate::webhook::MessagingLimit::People(2000))
        );
    }

    #[test]
    fn a_subscribed_app_is_read_wrapped_and_flat() {
        for row in [
            json!({"whatsapp_business_api_data": {"id": "7", "name": "S"}}),
            json!({"id": 7, "name": "S"}),
        ] {
            assert_eq!(SubscribedApp::from_row(&row).unwrap().id, "7");
        }
    }

    #[test]
    fn a_profile_has_its_limits() {
        let update = ProfileUpdate {
            about: Some(String::new()),
            email: Some("none".into()),
            websites: Some(vec![
                "https://a.example".into(),
                "b".into(),
                "https://c.example".into(),
            ]),
            ..ProfileUpdate::default()
        };
        let fields: Vec<_> =
            update.validate().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["about", "email", "websites", "websites[1]"]);
    }
}
