//! The things of Meta's world that change rarely: apps, portfolios, WABAs, numbers, templates,
//! tokens, people. Each is one JSON document on disk, kept whole in memory too; every change is
//! written through. What comes by the thousand (messages, webhooks, the ledger) is rows: `disk`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A document that is stored under its kind and id.
pub(crate) trait Doc: Serialize {
    /// Kind on disk.
    const KIND: &'static str;
    /// Key within the kind.
    fn key(&self) -> String;
}

macro_rules! doc {
    ($type:ty, $kind:literal, $($field:ident).+) => {
        impl Doc for $type {
            const KIND: &'static str = $kind;
            fn key(&self) -> String {
                self.$($field).+.clone()
            }
        }
    };
}

/// A Meta app of one installation of a BSP, with its admin system user and its own portfolio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) installation: String,
    pub(crate) name: String,
    pub(crate) business_id: String,
    pub(crate) config_id: String,
    /// The admin system user's token.
    pub(crate) token: String,
    pub(crate) credit_id: String,
    pub(crate) callback: Option<Callback>,
}
doc!(App, "app", id);

/// What `POST /{app}/subscriptions` set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) verify_token: String,
    pub(crate) fields: Vec<String>,
}

/// A business portfolio.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Business {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) verification_status: String,
    pub(crate) timezone_id: i64,
    pub(crate) country: String,
    pub(crate) messaging_limit: String,
    pub(crate) created_us: i64,
}
doc!(Business, "business", id);

/// A callback override of a WABA or of a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Override {
    pub(crate) uri: String,
    pub(crate) verify_token: String,
}

/// A WhatsApp Business Account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waba {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner_business: String,
    pub(crate) currency: String,
    pub(crate) timezone_id: String,
    pub(crate) country: String,
    pub(crate) status: String,
    pub(crate) review_status: String,
    pub(crate) namespace: String,
    pub(crate) created_us: i64,
    /// Partner portfolios that the customer shared it with.
    pub(crate) shared_with: Vec<String>,
    /// Apps that the customer granted.
    pub(crate) installed_apps: Vec<String>,
    /// Apps subscribed to its webhooks, each with its override.
    pub(crate) subscriptions: BTreeMap<String, Option<Override>>,
    pub(crate) allocation_id: Option<String>,
    pub(crate) insights: bool,
}
doc!(Waba, "waba", id);

/// A business phone number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) id: String,
    pub(crate) waba_id: String,
    pub(crate) digits: String,
    pub(crate) verified_name: String,
    pub(crate) name_status: String,
    pub(crate) new_display_name: Option<String>,
    pub(crate) status: String,
    pub(crate) code_verification_status: String,
    pub(crate) platform_type: String,
    pub(crate) quality: String,
    pub(crate) throughput_level: String,
    /// Messages a second, inbound and outbound together.
    pub(crate) mps: u32,
    pub(crate) pin: Option<String>,
    pub(crate) created_us: i64,
    pub(crate) onboarded_us: Option<i64>,
    pub(crate) maintenance_until_us: Option<i64>,
    pub(crate) profile: Map<String, Value>,
    pub(crate) settings: Map<String, Value>,
    /// Short links, commerce switches and the like, by name.
    #[serde(default)]
    pub(crate) kept: Map<String, Value>,
    pub(crate) search_visibility: String,
    pub(crate) callback: Option<Override>,
    /// When it was registered or deregistered, for the rule of 10 in 72 hours.
    pub(crate) registrations_us: Vec<i64>,
    pub(crate) code: Option<VerificationCode>,
    pub(crate) code_requests_us: Vec<i64>,
    pub(crate) blocked_users: Vec<String>,
}
doc!(Number, "number", id);

impl Number {
    /// Only a registered number sends.
    pub(crate) fn is_registered(&self) -> bool {
        self.platform_type == "CLOUD_API"
    }
}

/// The code that Meta sent by SMS or voice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VerificationCode {
    pub(crate) code: String,
    pub(crate) expires_us: i64,
    pub(crate) wrong: u32,
}

/// One message template in one language.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) waba_id: String,
    /// The app that created it: its settings decide the review.
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) previous_category: Option<String>,
    pub(crate) correct_category: Option<String>,
    /// When an announced change of category happens.
    pub(crate) category_change_us: Option<i64>,
    pub(crate) status: String,
    pub(crate) parameter_format: String,
    pub(crate) components: Vec<Value>,
    pub(crate) quality: String,
    pub(crate) quality_us: Option<i64>,
    pub(crate) rejected_reason: String,
    pub(crate) ttl_seconds: Option<i64>,
    pub(crate) tracking_opted_out: bool,
    pub(crate) library_name: Option<String>,
    /// Waits for Meta's review, which ends by itself.
    pub(crate) in_review: bool,
    pub(crate) pauses: u32,
    pub(crate) paused_until_us: Option<i64>,
    pub(crate) edits_us: Vec<i64>,
    pub(crate) created_us: i64,
}
doc!(Template, "template", id);

/// A template's name after its deletion: blocked for thirty days.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CoolingName {
    /// `waba:name`
    pub(crate) key: String,
    pub(crate) until_us: i64,
}
doc!(CoolingName, "cooling_name", key);

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenKind {
    /// Admin system user of the BSP's own portfolio.
    System,
    /// Business integration system user: one customer, by code exchange.
    Business,
}

/// An access token that was given out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    /// What the bearer shows.
    pub(crate) text: String,
    pub(crate) app_id: String,
    pub(crate) kind: TokenKind,
    pub(crate) business_id: String,
    pub(crate) user_id: String,
    pub(crate) scopes: Vec<String>,
    /// The WABAs of the grant; `None` = whatever the portfolio may touch.
    pub(crate) wabas: Option<Vec<String>>,
    pub(crate) issued_us: i64,
    pub(crate) expires_us: Option<i64>,
    pub(crate) revoked: bool,
}
doc!(Token, "token", text);

/// An authorisation code of the dialog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) app_id: String,
    pub(crate) business_id: String,
    pub(crate) wabas: Vec<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) issued_us: i64,
    pub(crate) used: bool,
}
doc!(Code, "code", text);

/// A file that WhatsApp holds; its bytes are a file in the data folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) id: String,
    pub(crate) number_id: String,
    pub(crate) waba_id: String,
    pub(crate) mime_type: String,
    pub(crate) sha256_hex: String,
    pub(crate) size: u64,
    pub(crate) expires_us: i64,
}
doc!(Media, "media", id);

/// A resumable upload, and the handle that it became.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) app_id: String,
    pub(crate) file_type: String,
    pub(crate) length: u64,
    pub(crate) offset: u64,
    pub(crate) handle: Option<String>,
}
doc!(Upload, "upload", id);

/// A WhatsApp user, as all businesses see them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) wa_id: String,
    pub(crate) name: Option<String>,
    pub(crate) username: Option<String>,
    /// Has a username and hides the number: webhooks carry the BSUID alone.
    pub(crate) hide_number: bool,
    pub(crate) on_whatsapp: bool,
}
doc!(Person, "person", wa_id);

/// What stands between one number and one customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pair {
    /// `number:wa_id`
    pub(crate) key: String,
    pub(crate) last_inbound_us: Option<i64>,
    pub(crate) blocked: bool,
    pub(crate) marketing_stopped: bool,
    pub(crate) free_entry_until_us: Option<i64>,
}
doc!(Pair, "pair", key);

/// A credit line shared with a customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) id: String,
    pub(crate) credit_id: String,
    pub(crate) app_id: String,
    pub(crate) receiving_business: String,
    pub(crate) receiving_credential: String,
    pub(crate) deleted: bool,
}
doc!(Allocation, "allocation", id);

/// One stored patch of the settings: of all apps (`app_id` empty) or of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SettingsPatch {
    pub(crate) app_id: String,
    pub(crate) patch: Map<String, Value>,
}
doc!(SettingsPatch, "settings", app_id);

/// A flow of a WABA.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) id: String,
    pub(crate) waba_id: String,
    pub(crate) name: String,
    pub(crate) categories: Vec<String>,
    pub(crate) status: String,
    pub(crate) json: Option<String>,
    pub(crate) endpoint_uri: Option<String>,
    pub(crate) validation_errors: Vec<Value>,
    pub(crate) created_us: i64,
    pub(crate) updated_us: i64,
}
doc!(Flow, "flow", id);

/// Key of a pair.
pub(crate) fn pair_key(number_id: &str, wa_id: &str) -> String {
    format!("{number_id}:{wa_id}")
}
