//! Everything that a token may permit: one list, dotted words. Methods name them in their `access`
//! option, roles and API keys are made of them, and the server compares the two.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A word that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission")]
pub struct UnknownPermission(pub String);

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)+) => {
        /// Something that a caller may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $name,)+
        }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }

        impl FromStr for Permission {
            type Err = UnknownPermission;

            fn from_str(word: &str) -> Result<Self, UnknownPermission> {
                match word {
                    $($word => Ok(Self::$name),)+
                    _ => Err(UnknownPermission(word.to_owned())),
                }
            }
        }
    };
}

permissions! {
    /// See oneself: every person and key may.
    SelfRead = "self.read";
    /// See the tenant.
    TenantsRead = "tenants.read";
    /// Change the tenant's own settings.
    TenantsWrite = "tenants.write";
    /// See who is in the tenant.
    PeopleRead = "people.read";
    /// Invite, change and remove people.
    PeopleWrite = "people.write";
    /// See API keys, without their secrets.
    KeysRead = "keys.read";
    /// Make and revoke API keys.
    KeysWrite = "keys.write";
    /// Read the tenant's audit log.
    AuditRead = "audit.read";
    /// See WhatsApp business accounts.
    WabasRead = "wabas.read";
    /// See how far an onboarding is.
    OnboardingRead = "onboarding.read";
    /// See numbers.
    NumbersRead = "numbers.read";
    /// Register and change numbers.
    NumbersWrite = "numbers.write";
    /// Change business profiles.
    ProfileWrite = "profile.write";
    /// See templates.
    TemplatesRead = "templates.read";
    /// Make, change and delete templates.
    TemplatesWrite = "templates.write";
    /// Read messages.
    MessagesRead = "messages.read";
    /// Send messages.
    MessagesSend = "messages.send";
    /// Fetch media.
    MediaRead = "media.read";
    /// Upload and delete media.
    MediaWrite = "media.write";
    /// See contacts.
    ContactsRead = "contacts.read";
    /// Change contacts.
    ContactsWrite = "contacts.write";
    /// See conversations.
    ConversationsRead = "conversations.read";
    /// Take, pass and release conversations.
    ConversationsWrite = "conversations.write";
    /// Read figures.
    AnalyticsRead = "analytics.read";
    /// See webhook endpoints and deliveries.
    WebhooksRead = "webhooks.read";
    /// Change webhook endpoints.
    WebhooksWrite = "webhooks.write";
    /// See what things cost.
    BillingRead = "billing.read";
    /// Desk: see tenants.
    DeskTenantsRead = "desk.tenants.read";
    /// Desk: create, suspend and resume tenants.
    DeskTenantsWrite = "desk.tenants.write";
    /// Desk: see partners.
    DeskPartnersRead = "desk.partners.read";
    /// Desk: create partners.
    DeskPartnersWrite = "desk.partners.write";
    /// Desk: invite to onboard.
    DeskInvite = "desk.invite";
    /// Desk: see onboarding steps.
    DeskOnboardingRead = "desk.onboarding.read";
    /// Desk: retry, skip, cancel and undo onboarding steps.
    DeskOnboardingWrite = "desk.onboarding.write";
    /// Desk: see the state of numbers and their limits.
    DeskNumbersRead = "desk.numbers.read";
    /// Desk: see webhooks whose owner is not known.
    DeskQuarantineRead = "desk.quarantine.read";
    /// Desk: place them again.
    DeskQuarantineWrite = "desk.quarantine.write";
    /// Desk: see background jobs.
    DeskJobsRead = "desk.jobs.read";
    /// Desk: run and stop background jobs.
    DeskJobsWrite = "desk.jobs.write";
    /// Desk: see what could not be applied.
    DeskDeadLettersRead = "desk.deadletters.read";
    /// Desk: replay and drop it.
    DeskDeadLettersWrite = "desk.deadletters.write";
    /// Desk: invite people of tenants and partners.
    DeskPeopleWrite = "desk.people.write";
    /// Desk: read figures over tenants.
    DeskAnalyticsRead = "desk.analytics.read";
    /// Desk: read the operators' audit log.
    DeskAuditRead = "desk.audit.read";
    /// Desk: make and remove operators.
    DeskOperatorsWrite = "desk.operators.write";
}

impl Permission {
    /// Whether it belongs to the desk: operators and partners alone hold it, and no tenant's key.
    pub fn is_desk(self) -> bool {
        self.as_str().starts_with("desk.")
    }

    /// Whether an act token may carry it (AUTH-18): nothing of the desk, no keys, no members.
    pub fn is_for_act(self) -> bool {
        let members_or_keys = matches!(self, Self::PeopleWrite | Self::KeysRead | Self::KeysWrite);
        !self.is_desk() && !members_or_keys
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_its_own_and_reads_back() {
        let words: BTreeSet<_> = Permission::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
    }

    #[test]
    fn another_word_is_no_permission() {
        assert_eq!("root".parse::<Permission>(), Err(UnknownPermission("root".to_owned())));
    }

    #[test]
    fn an_act_token_never_reaches_keys_members_or_the_desk() {
        for word in ["keys.read", "keys.write", "people.write", "desk.tenants.read"] {
            assert!(!word.parse::<Permission>().unwrap().is_for_act(), "{word}");
        }
        assert!(Permission::MessagesRead.is_for_act());
    }
}
