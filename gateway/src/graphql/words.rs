//! Enumerations: those of the contracts without their prefixes, and closed sets of words that the contracts carry
//! as text. Words of Meta's are open and stay text.
//!
//! A value that this build does not know is shown as `UNRECOGNIZED`: during an upgrade a service may be newer.

use async_graphql::Enum;
use proto::{analytics::v1 as analytics, messaging::v1 as messaging, onboarding::v1 as onboarding};

/// An enumeration of a contract.
pub(crate) trait Contract {
    /// The value that a contract carries.
    fn of(number: i32) -> Self;
    /// As a contract carries it.
    fn number(self) -> i32;
}

/// A closed set of words.
pub(crate) trait Word: Sized {
    /// The value of a word; none where there is no word.
    fn of(word: &str) -> Option<Self>;
    /// Its word.
    fn word(self) -> &'static str;
}

macro_rules! of_contract {
    ($($(#[$doc:meta])* $name:ident = $contract:ty { $($(#[$about:meta])* $value:ident),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        pub(crate) enum $name {
            $($(#[$about])* $value,)+
            /// A value that is newer than this gateway.
            Unrecognized,
        }

        impl Contract for $name {
            fn of(number: i32) -> Self {
                match <$contract>::try_from(number) {
                    $(Ok(<$contract>::$value) => Self::$value,)+
                    Ok(<$contract>::Unspecified) | Err(_) => Self::Unrecognized,
                }
            }

            fn number(self) -> i32 {
                match self {
                    $(Self::$value => <$contract>::$value as i32,)+
                    Self::Unrecognized => 0,
                }
            }
        }
    )+ };
}

macro_rules! of_words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $word:literal),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        pub(crate) enum $name {
            $($(#[$about])* $value,)+
            /// A word that is newer than this gateway.
            Unrecognized,
        }

        impl Word for $name {
            fn of(word: &str) -> Option<Self> {
                match word {
                    "" => None,
                    $($word => Some(Self::$value),)+
                    _ => Some(Self::Unrecognized),
                }
            }

            fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                    Self::Unrecognized => "unrecognized",
                }
            }
        }
    )+ };
}

of_contract! {
    /// Whether a tenant may act.
    TenantState = onboarding::TenantState {
        Active,
        /// Nobody of it may sign in or send; nothing is deleted.
        Suspended,
        Offboarded,
    }
    /// How an onboarding as a whole stands.
    OnboardingState = onboarding::OnboardingState {
        Running,
        /// A step failed and will be tried again by itself.
        Retrying,
        /// A step needs a person: operator or business.
        NeedsAttention,
        /// The business opens the dialog again.
        NeedsReconnect,
        Live,
        Undoing,
        Cancelled,
    }
    /// Steps of an onboarding, in their order.
    Step = onboarding::Step {
        Invited,
        CodeReceived,
        TokenExchanged,
        AssetsDiscovered,
        WabaClaimed,
        WebhooksSubscribed,
        PaymentSettled,
        NumberRegistered,
        AssetsImported,
        VerificationFollowed,
        Live,
    }
    /// How one step stands.
    StepState = onboarding::StepState { Pending, Running, Done, Failed, Skipped, Undone }
    /// Whether we act for a WABA.
    WabaState = onboarding::WabaState {
        Claimed,
        Live,
        /// The token is dead or lacks a permission.
        NeedsReconnect,
        /// Meta restricts or locks it.
        Blocked,
        Released,
    }
    /// Which way a message went.
    Direction = messaging::Direction { Outbound, Inbound }
    /// What a customer wants of a category.
    Wish = messaging::Wish {
        /// Neither is recorded.
        None,
        OptedIn,
        OptedOut,
    }
    /// Where an outbound message came from.
    Origin = messaging::Origin { Api, Edge, Console, Campaign, Automation, PhoneApp }
    /// Width of a bucket.
    Granularity = analytics::Granularity { Day, Hour }
}

of_words! {
    /// What a caller sees of a message. An outbound one only rises: QUEUED, UNKNOWN, ACCEPTED, SENT, DELIVERED, READ,
    /// PLAYED; or it is FAILED.
    MessageStatus {
        Queued = "queued",
        /// Posted, and the answer was lost: Meta's webhook or the deadline decides.
        Unknown = "unknown",
        /// Meta took it.
        Accepted = "accepted",
        Sent = "sent",
        Delivered = "delivered",
        Read = "read",
        Played = "played",
        Failed = "failed",
        /// An inbound message was stored.
        Received = "received",
    }
    /// How far we are with an outbound message.
    Dispatch {
        Scheduled = "scheduled",
        Queued = "queued",
        Claimed = "claimed",
        Sending = "sending",
        Settled = "settled",
        Cancelled = "cancelled",
        Expired = "expired",
    }
    /// Which kind of Meta app: the real one, the sandbox, or, of people, both.
    Environment {
        Live = "live",
        Sandbox = "sandbox",
        Any = "any",
    }
    /// What an opt-out is about.
    ConsentCategory {
        Marketing = "marketing",
        Utility = "utility",
        Authentication = "authentication",
        All = "all",
    }
    /// A category of templates for which a tenant can ask for an opt-in.
    OptInCategory {
        Marketing = "marketing",
        Utility = "utility",
        Authentication = "authentication",
    }
    /// Who can mend an error of Meta's.
    Mender {
        /// The business that sends.
        Tenant = "tenant",
        /// The provider that runs this installation.
        Operator = "operator",
        Meta = "meta",
        /// The person who was written to.
        Customer = "customer",
    }
    /// Whether the same call may be made again.
    Retry {
        Never = "never",
        /// Later, by itself.
        Later = "later",
        /// Once something was changed.
        AfterChange = "after_change",
    }
}

/// Order of a list. Every list is ordered by its items' ids, which are ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_newer_than_this_build_is_shown_as_such() {
        assert_eq!(WabaState::of(99), WabaState::Unrecognized);
        assert_eq!(WabaState::of(0), WabaState::Unrecognized);
        assert_eq!(MessageStatus::of("levitated"), Some(MessageStatus::Unrecognized));
        assert_eq!(MessageStatus::of(""), None);
    }

    #[test]
    fn values_go_both_ways() {
        assert_eq!(Step::of(Step::WabaClaimed.number()), Step::WabaClaimed);
        assert_eq!(Environment::of(Environment::Sandbox.word()), Some(Environment::Sandbox));
    }
}
