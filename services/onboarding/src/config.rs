//! Settings of onboarding.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of onboarding.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Config {
    /// Region of new tenants that name none. One region is served today.
    #[garde(length(min = 1))]
    pub region: String,
    /// Life of an invitation that names none, in seconds.
    #[garde(range(min = 60))]
    pub invitation_life_s: u32,
    /// Life of the signup page's single-use state, in seconds.
    #[garde(range(min = 60))]
    pub state_life_s: u32,
    /// Where Meta's dialog sends the browser back to. Empty where the page uses Meta's JavaScript SDK, as ours does: a code
    /// that was got one way can't be exchanged the other.
    pub redirect_url: String,
    /// Whether this process alone works on its database, so that at its start whoever held a saga is dead. Set by `dev`,
    /// whose lock on its folder proves it; never true where another process may run.
    pub sole_owner: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "default".to_owned(),
            invitation_life_s: 14 * 24 * 3_600,
            state_life_s: 3_600,
            redirect_url: String::new(),
            sole_owner: false,
        }
    }
}
