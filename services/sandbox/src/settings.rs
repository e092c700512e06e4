//! What a test may change while the sandbox runs: how Meta reviews, how fast phones answer, what
//! gets lost. Kept on disk as patches: one for all apps, and one an app that overrides it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How templates are reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Review {
    /// Approved after the delay.
    Approve,
    /// Rejected after the delay, with `reject_reason`.
    Reject,
    /// Waits for the control API.
    Manual,
}

/// Whether webhooks show business-scoped user ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bsuid {
    /// Phone numbers alone, as until March 2026.
    Off,
    /// Both, as since April 2026.
    Both,
    /// Every customer hides the number.
    Hidden,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a test bench")]
pub(crate) struct Settings {
    pub(crate) template_review: Review,
    /// In the machine's time.
    pub(crate) template_review_delay_ms: u64,
    pub(crate) reject_reason: String,
    pub(crate) lose_status_webhooks: bool,
    pub(crate) lose_inbound_webhooks: bool,
    /// From the answer to `sent`, in the machine's time.
    pub(crate) sent_delay_ms: u64,
    /// From `sent` to `delivered`, in the machine's time.
    pub(crate) delivered_delay_ms: u64,
    /// Phones that are off: nothing after `sent`.
    pub(crate) skip_delivered: bool,
    /// Customers read by themselves so long after `delivered`; absent = they do not.
    pub(crate) read_delay_ms: Option<u64>,
    /// Each status webhook comes so many times more.
    pub(crate) duplicate_webhooks: u32,
    /// Most updates in one POST, when they pile up. 1 = one event a POST.
    pub(crate) webhook_batch_max: usize,
    /// Shape of the `messages` webhooks: `v24.0` leaves `conversation` out.
    pub(crate) webhook_version: String,
    pub(crate) bsuid: Bsuid,
    /// The 24-hour customer service window is enforced.
    pub(crate) enforce_window: bool,
    /// The portfolio's limit of unique customers in 24 hours is enforced.
    pub(crate) messaging_limit: bool,
    pub(crate) pair_limit: bool,
    pub(crate) throughput_limit: bool,
    /// A template that is out of reach of payment answers 131042 by webhook.
    pub(crate) require_payment: bool,
    /// `to` without `+` gets the business number's own dial code.
    pub(crate) strict_numbers: bool,
    /// 429 as live, or 400 as Meta's page says.
    pub(crate) throttle_http_status: u16,
    /// Links are fetched; only those of this machine, whatever the message says.
    pub(crate) fetch_links: bool,
    /// Longest life of an unused code of the dialog, in business seconds.
    pub(crate) code_life_s: i64,
    /// Life of exchanged tokens in business days; absent = never.
    pub(crate) token_life_days: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            template_review: Review::Approve,
            template_review_delay_ms: 300,
            reject_reason: "INVALID_FORMAT".to_owned(),
            lose_status_webhooks: false,
            lose_inbound_webhooks: false,
            sent_delay_ms: 5,
            delivered_delay_ms: 20,
            skip_delivered: false,
            read_delay_ms: None,
            duplicate_webhooks: 0,
            webhook_batch_max: 100,
            webhook_version: "v23.0".to_owned(),
            bsuid: Bsuid::Both,
            enforce_window: true,
            messaging_limit: false,
            pair_limit: true,
            throughput_limit: true,
            require_payment: false,
            strict_numbers: false,
            throttle_http_status: 429,
            fetch_links: true,
            code_life_s: 30,
            token_life_days: None,
        }
    }
}

impl Settings {
    /// The defaults with patches laid over them, later ones last.
    pub(crate) fn from_patches<'a>(
        patches: impl Iterator<Item = &'a Map<String, Value>>,
    ) -> Result<Self, serde_json::Error> {
        let mut whole = Map::new();
        for patch in patches {
            whole.extend(patch.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        serde_json::from_value(Value::Object(whole))
    }

    /// Whether `conversation` stands in status webhooks of the per-message era.
    pub(crate) fn shows_conversation(&self) -> bool {
        crate::graph::version_number(&self.webhook_version) < 24.0
    }
}
