//! What `debug_token` says of an access token.

use crate::ids::MetaWabaId;
use crate::words::{list, opt_int, opt_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `debug_token` says of a token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenInfo {
    /// The app that it belongs to.
    #[serde(deserialize_with = "opt_text")]
    pub app_id: Option<String>,
    /// `SYSTEM_USER`, `USER`, `APP` …
    #[serde(rename = "type", deserialize_with = "opt_text")]
    pub kind: Option<String>,
    /// Whether it works; a dead token is still HTTP 200.
    pub is_valid: bool,
    /// Unix seconds; 0 = never.
    #[serde(deserialize_with = "opt_int")]
    pub expires_at: Option<i64>,
    /// Unix seconds; 0 = never.
    #[serde(deserialize_with = "opt_int")]
    pub data_access_expires_at: Option<i64>,
    /// Unix seconds.
    #[serde(deserialize_with = "opt_int")]
    pub issued_at: Option<i64>,
    /// What it may do.
    #[serde(deserialize_with = "list")]
    pub scopes: Vec<String>,
    /// What it may do to what.
    #[serde(deserialize_with = "list")]
    pub granular_scopes: Vec<GranularScope>,
    /// The user behind it.
    #[serde(deserialize_with = "opt_text")]
    pub user_id: Option<String>,
    /// Why it does not work: `{code, message, subcode}`.
    pub error: Option<Value>,
}

/// One permission and what it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GranularScope {
    /// As `whatsapp_business_management`.
    pub scope: String,
    /// The WABAs that it reaches; absent = all that were granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ids: Option<Vec<String>>,
}

impl TokenInfo {
    /// Whether it may use `scope` on this WABA. A hint, no proof: only a read with the token proves control (ISO-44).
    #[must_use]
    pub fn reaches(&self, scope: &str, waba: &MetaWabaId) -> bool {
        match self.granular_scopes.iter().find(|granted| granted.scope == scope) {
            Some(GranularScope { target_ids: Some(ids), .. }) => {
                ids.iter().any(|id| id == waba.as_str())
            }
            Some(GranularScope { target_ids: None, .. }) => true,
            None => self.scopes.iter().any(|granted| granted == scope),
        }
    }

    /// The WABAs that it names, over all permissions.
    #[must_use]
    pub fn named_targets(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self
            .granular_scopes
            .iter()
            .flat_map(|s| s.target_ids.iter().flatten())
            .map(String::as_str)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_targets_mean_all_and_named_ones_mean_those() {
        let waba = MetaWabaId::new("102").unwrap();
        let info = |scopes: Value| -> TokenInfo {
            serde_json::from_value(json!({"is_valid": true, "granular_scopes": scopes})).unwrap()
        };
        assert!(info(json!([{"scope": "m"}])).reaches("m", &waba));
        assert!(info(json!([{"scope": "m", "target_ids": ["102"]}])).reaches("m", &waba));
        assert!(!info(json!([{"scope": "m", "target_ids": ["103"]}])).reaches("m", &waba));
        assert!(!info(json!([])).reaches("m", &waba));
    }
}
