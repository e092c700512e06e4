//! What Meta tells about accounts and numbers, and the one door to all management fields.

use super::template::{
    TemplateCategoryUpdate, TemplateComponentsUpdate, TemplateQualityUpdate, TemplateStatusUpdate,
};
use crate::words::{Extra, list, opt_int, opt_text};
use serde::Deserialize;
use serde_json::Value;

/// A change of a management field, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `message_template_status_update`
    TemplateStatus(TemplateStatusUpdate),
    /// `message_template_quality_update`
    TemplateQuality(TemplateQualityUpdate),
    /// `message_template_components_update`
    TemplateComponents(TemplateComponentsUpdate),
    /// `template_category_update`
    TemplateCategory(TemplateCategoryUpdate),
    /// `account_update`
    Account(Box<AccountUpdate>),
    /// `account_review_update`
    AccountReview(AccountReview),
    /// `account_alerts`
    AccountAlert(AccountAlert),
    /// `business_capability_update`
    BusinessCapability(BusinessCapability),
    /// `phone_number_quality_update`
    NumberQuality(NumberQualityUpdate),
    /// `phone_number_name_update`
    NumberName(NumberNameUpdate),
    /// `security`
    Security(SecurityEvent),
    /// A field that this build does not read; the caller keeps it.
    Unknown {
        /// The field.
        field: String,
    },
}

/// Reads the `value` of a management field. Fails where the field is known and its value is no object.
pub fn parse_change(field: &str, value_json: &str) -> Result<Change, serde_json::Error> {
    let raw: Value = serde_json::from_str(value_json)?;
    // Meta's own sample prints the quality update under the status field.
    let field = if raw.get("new_quality_score").is_some() {
        "message_template_quality_update"
    } else {
        field
    };
    Ok(match field {
        "message_template_status_update" => Change::TemplateStatus(Deserialize::deserialize(raw)?),
        "message_template_quality_update" => {
            Change::TemplateQuality(Deserialize::deserialize(raw)?)
        }
        "message_template_components_update" => {
            Change::TemplateComponents(Deserialize::deserialize(raw)?)
        }
        "template_category_update" => Change::TemplateCategory(Deserialize::deserialize(raw)?),
        "account_update" => Change::Account(Deserialize::deserialize(raw)?),
        "account_review_update" => Change::AccountReview(Deserialize::deserialize(raw)?),
        "account_alerts" => Change::AccountAlert(AccountAlert::lifted(raw)?),
        "business_capability_update" => Change::BusinessCapability(Deserialize::deserialize(raw)?),
        "phone_number_quality_update" => Change::NumberQuality(Deserialize::deserialize(raw)?),
        "phone_number_name_update" => Change::NumberName(Deserialize::deserialize(raw)?),
        "security" => Change::Security(Deserialize::deserialize(raw)?),
        other => Change::Unknown { field: other.to_owned() },
    })
}

macro_rules! told {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $kind:ty),* $(,)? })+) => {
        $($(#[$meta])*
        #[derive(Clone, PartialEq, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $kind,)*
            /// Members that this build has no name for.
            #[serde(flatten)]
            pub extra: Extra,
        }
        masked_debug!($name);)+
    };
}

told! {
    /// Something happened to a WABA: shared, restricted, banned, offboarded …
    AccountUpdate {
        /// Meta's word, as `PARTNER_ADDED`, `ACCOUNT_RESTRICTION`, `DISABLED_UPDATE`.
        #[serde(deserialize_with = "opt_text")]
        event: Option<String>,
        /// Which WABA and whose; in partner events.
        waba_info: Option<WabaInfo>,
        /// `{violation_type}`.
        violation_info: Option<Value>,
        /// The ban.
        ban_info: Option<BanInfo>,
        /// The restrictions: several may come at once, and no webhook tells when one ends.
        #[serde(deserialize_with = "list")]
        restriction_info: Vec<Restriction>,
        /// The number that left (coexistence).
        #[serde(deserialize_with = "opt_text")]
        phone_number: Option<String>,
        /// The country of business.
        #[serde(deserialize_with = "opt_text")]
        country: Option<String>,
        /// Why a coexistence number left.
        disconnection_info: Option<DisconnectionInfo>,
    }
    /// Which WABA a partner event is about.
    WabaInfo {
        /// The WABA.
        #[serde(deserialize_with = "opt_text")]
        waba_id: Option<String>,
        /// The portfolio that owns it.
        #[serde(deserialize_with = "opt_text")]
        owner_business_id: Option<String>,
        /// The app that was installed or removed.
        #[serde(deserialize_with = "opt_text")]
        partner_app_id: Option<String>,
        /// The solution that it came through.
        #[serde(deserialize_with = "opt_text")]
        solution_id: Option<String>,
    }
    /// A ban.
    BanInfo {
        /// `SCHEDULE_FOR_DISABLE`, `DISABLE`, `REINSTATE`.
        #[serde(deserialize_with = "opt_text")]
        waba_ban_state: Option<String>,
        /// A date in English words.
        #[serde(deserialize_with = "opt_text")]
        waba_ban_date: Option<String>,
    }
    /// One restriction.
    Restriction {
        /// As `RESTRICTED_BIZ_INITIATED_MESSAGING`.
        #[serde(deserialize_with = "opt_text")]
        restriction_type: Option<String>,
        /// Unix seconds; absent = until further notice.
        #[serde(deserialize_with = "opt_int")]
        expiration: Option<i64>,
    }
    /// Why a coexistence number left.
    DisconnectionInfo {
        /// As `PRIMARY_INACTIVITY`.
        #[serde(deserialize_with = "opt_text")]
        reason: Option<String>,
        /// `USER` or `SYSTEM`.
        #[serde(deserialize_with = "opt_text")]
        initiated_by: Option<String>,
    }
    /// Meta's review of a WABA.
    AccountReview {
        /// `APPROVED`, `REJECTED`, `PENDING`, `DEFERRED`; all but the first make the WABA unusable.
        #[serde(deserialize_with = "opt_text")]
        decision: Option<String>,
    }
    /// An alert about a portfolio, a number or a profile.
    AccountAlert {
        /// `BUSINESS`, `PHONE_NUMBER` …
        #[serde(deserialize_with = "opt_text")]
        entity_type: Option<String>,
        /// Its id.
        #[serde(deserialize_with = "opt_text")]
        entity_id: Option<String>,
        /// `CRITICAL`, `WARNING`, `INFORMATIONAL`.
        #[serde(deserialize_with = "opt_text")]
        alert_severity: Option<String>,
        /// `ACTIVE` or `NONE`.
        #[serde(deserialize_with = "opt_text")]
        alert_status: Option<String>,
        /// As `OBA_APPROVED`.
        #[serde(deserialize_with = "opt_text")]
        alert_type: Option<String>,
        /// For humans.
        #[serde(deserialize_with = "opt_text")]
        alert_description: Option<String>,
    }
    /// What a portfolio may do.
    BusinessCapability {
        /// The messaging limit: `TIER_2K`, `2000`, `UNLIMITED` or `-1`; [`BusinessCapability::messaging_limit`] reads all of them.
        #[serde(deserialize_with = "opt_text", alias = "max_daily_conversations_per_business_portfolio")]
        max_daily_conversations_per_business: Option<String>,
        /// The limit of each number; gone since February 2026.
        #[serde(deserialize_with = "opt_text")]
        max_daily_conversation_per_phone: Option<String>,
        /// Numbers of the portfolio, while its limit is 250.
        #[serde(deserialize_with = "opt_int")]
        max_phone_numbers_per_business: Option<i64>,
        /// Numbers of a WABA, afterwards.
        #[serde(deserialize_with = "opt_int")]
        max_phone_numbers_per_waba: Option<i64>,
    }
    /// A number's throughput or limit changed. It names no node: match the digits within the WABA.
    NumberQualityUpdate {
        /// The number as digits.
        #[serde(deserialize_with = "opt_text")]
        display_phone_number: Option<String>,
        /// `ONBOARDING`, `THROUGHPUT_UPGRADE`; historic `FLAGGED`, `UNFLAGGED`, `UPGRADE`, `DOWNGRADE`.
        #[serde(deserialize_with = "opt_text")]
        event: Option<String>,
        /// The limit before; vanishing.
        #[serde(deserialize_with = "opt_text")]
        old_limit: Option<String>,
        /// The limit now; vanishing.
        #[serde(deserialize_with = "opt_text")]
        current_limit: Option<String>,
        /// The portfolio's limit.
        #[serde(deserialize_with = "opt_text")]
        max_daily_conversations_per_business: Option<String>,
    }
    /// A display name was decided.
    NumberNameUpdate {
        /// The number as digits.
        #[serde(deserialize_with = "opt_text")]
        display_phone_number: Option<String>,
        /// What was decided.
        decision: NameDecision,
        /// The name that was asked for.
        #[serde(deserialize_with = "opt_text")]
        requested_verified_name: Option<String>,
        /// Why not.
        #[serde(deserialize_with = "opt_text")]
        rejection_reason: Option<String>,
    }
    /// Somebody changed a number's two-step PIN in WhatsApp Manager.
    SecurityEvent {
        /// The number as digits.
        #[serde(deserialize_with = "opt_text")]
        display_phone_number: Option<String>,
        /// `PIN_CHANGED`, `PIN_RESET_REQUEST`, `PIN_REQUEST_SUCCESS` (two-step is off now).
        #[serde(deserialize_with = "opt_text")]
        event: Option<String>,
        /// Who asked, a Business Suite user.
        #[serde(deserialize_with = "opt_text")]
        requester: Option<String>,
    }
}

open_enum! {
    /// What became of a display name.
    pub enum NameDecision {
        /// Taken.
        Approved = "APPROVED",
        /// Refused.
        Rejected = "REJECTED",
        /// In review.
        Pending = "PENDING",
        /// Put off.
        Deferred = "DEFERRED",
    }
}

impl AccountAlert {
    /// The alert's own fields stand under `alert_info`.
    fn lifted(raw: Value) -> Result<Self, serde_json::Error> {
        let mut raw = raw;
        let info = raw.as_object_mut().and_then(|map| map.remove("alert_info"));
        if let (Some(map), Some(Value::Object(info))) = (raw.as_object_mut(), info) {
            map.extend(info);
        }
        Self::deserialize(raw)
    }
}

impl BusinessCapability {
    /// The portfolio's messaging limit, where told.
    #[must_use]
    pub fn messaging_limit(&self) -> Option<MessagingLimit> {
        MessagingLimit::parse(self.max_daily_conversations_per_business.as_deref()?)
    }
}

/// How many people a portfolio may write to first within 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessagingLimit {
    /// This many.
    People(u64),
    /// As many as it likes.
    Unlimited,
}

impl MessagingLimit {
    /// Reads any of Meta's spellings: `TIER_10K`, `TIER_UNLIMITED`, `UNLIMITED`, `2000`, `-1`;
    /// `None` where it names no limit, as `TIER_NOT_SET`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_uppercase();
        let tier = word.strip_prefix("TIER_").unwrap_or(&word);
        match (tier, tier.strip_suffix('K')) {
            ("UNLIMITED" | "-1", _) => Some(Self::Unlimited),
            (_, Some(thousands)) => {
                let thousands: u64 = thousands.parse().ok()?;
                Some(Self::People(thousands.saturating_mul(1000)))
            }
            (people, None) => people.parse().ok().map(Self::People),
        }
    }
}

#[cfg(test)]
mod tests;
