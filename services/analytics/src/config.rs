//! Settings of analytics.

use serde::{Deserialize, Serialize};

/// Settings of analytics. There are none yet that an operator should turn.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}
