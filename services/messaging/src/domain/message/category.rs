//! What kind of message it is to those who pay and to those who wait: Meta's category, our origin,
//! and the class of service that both make inside a number (OVL-4).
#![deny(clippy::wildcard_enum_match_arm)]

/// Meta's category of a message; a message that is no template is a service message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Category {
    /// One-time passcodes.
    Authentication,
    /// About something that the customer did.
    Utility,
    /// Everything that sells.
    Marketing,
    /// Inside the window, no template.
    Service,
    /// A word newer than this build, as Meta wrote it: treated as marketing where something is at stake.
    Unknown(String),
}

impl Category {
    /// Reads Meta's word in either case.
    pub(crate) fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "authentication" => Self::Authentication,
            "utility" => Self::Utility,
            "marketing" => Self::Marketing,
            "service" | "" => Self::Service,
            _ => Self::Unknown(word.to_owned()),
        }
    }

    /// The word in rows and towards callers: lower case, unknown ones as they came.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Authentication => "authentication",
            Self::Utility => "utility",
            Self::Marketing => "marketing",
            Self::Service => "service",
            Self::Unknown(word) => word,
        }
    }

    /// Whether a marketing opt-out stops it.
    pub(crate) const fn is_marketing(&self) -> bool {
        match self {
            Self::Marketing | Self::Unknown(_) => true,
            Self::Authentication | Self::Utility | Self::Service => false,
        }
    }
}

/// Where an outbound message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// GraphQL or gRPC.
    Api,
    /// The Cloud API edge.
    Edge,
    /// A person at the console.
    Console,
    /// A broadcast.
    Campaign,
    /// A bot of the tenant's.
    Automation,
    /// The WhatsApp Business app on a coexistence number: Meta sent it, we only heard.
    PhoneApp,
}

impl Origin {
    /// The word in rows.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Edge => "edge",
            Self::Console => "console",
            Self::Campaign => "campaign",
            Self::Automation => "automation",
            Self::PhoneApp => "phone_app",
        }
    }

    /// Reads a row's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "api" => Self::Api,
            "edge" => Self::Edge,
            "console" => Self::Console,
            "campaign" => Self::Campaign,
            "automation" => Self::Automation,
            "phone_app" => Self::PhoneApp,
            _ => return None,
        })
    }
}

/// Class of service inside a number, best first. The row keeps its number as `rank`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// One-time passcodes, before everything.
    Authentication,
    /// Utility to one customer.
    Utility,
    /// An answer to one customer.
    Service,
    /// Marketing to one customer.
    Marketing,
    /// Utility of a campaign.
    BulkUtility,
    /// Service messages of a campaign.
    BulkService,
    /// Marketing of a campaign.
    BulkMarketing,
}

impl Class {
    /// All, best first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Authentication,
        Self::Utility,
        Self::Service,
        Self::Marketing,
        Self::BulkUtility,
        Self::BulkService,
        Self::BulkMarketing,
    ];

    /// The class of a message.
    pub(crate) const fn of(category: &Category, origin: Origin) -> Self {
        let bulk = matches!(origin, Origin::Campaign);
        match category {
            Category::Authentication => Self::Authentication,
            Category::Utility if bulk => Self::BulkUtility,
            Category::Utility => Self::Utility,
            Category::Service if bulk => Self::BulkService,
            Category::Service => Self::Service,
            Category::Marketing | Category::Unknown(_) if bulk => Self::BulkMarketing,
            Category::Marketing | Category::Unknown(_) => Self::Marketing,
        }
    }

    /// The number in the row.
    pub(crate) const fn rank(self) -> i16 {
        match self {
            Self::Authentication => 0,
            Self::Utility => 1,
            Self::Service => 2,
            Self::Marketing => 3,
            Self::BulkUtility => 4,
            Self::BulkService => 5,
            Self::BulkMarketing => 6,
        }
    }

    /// Place in an array of all classes.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.rank()).unwrap_or(0)
    }

    /// Reads a row's number; an unknown one waits behind all others.
    pub(crate) fn from_rank(rank: i16) -> Self {
        Self::ALL.into_iter().find(|class| class.rank() == rank).unwrap_or(Self::BulkMarketing)
    }

    /// Share of a number's rate among those that wait: utility 8, service 8, marketing 2 (OVL-4), and
    /// what one customer waits for counts four times what a campaign sends.
    pub(crate) const fn weight(self) -> u32 {
        match self {
            Self::Authentication => 64,
            Self::Utility | Self::Service => 32,
            Self::Marketing | Self::BulkUtility | Self::BulkService => 8,
            Self::BulkMarketing => 2,
        }
    }

    /// Whether a spam restriction of the number (131048) holds it back.
    pub(crate) const fn stops_on_spam_limit(self) -> bool {
        match self {
            Self::Marketing | Self::BulkUtility | Self::BulkService | Self::BulkMarketing => true,
            Self::Authentication | Self::Utility | Self::Service => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_customer_waits_for_goes_before_a_campaign() {
        let one = Class::of(&Category::Marketing, Origin::Api);
        let many = Class::of(&Category::Marketing, Origin::Campaign);
        assert!(one < many);
        assert!(Class::of(&Category::Authentication, Origin::Campaign) < Class::Utility);
    }

    #[test]
    fn a_category_newer_than_this_build_is_held_to_marketings_rules() {
        let new = Category::parse("GENERAL_PURPOSE_AI");
        assert_eq!(new.as_str(), "GENERAL_PURPOSE_AI");
        assert!(new.is_marketing());
    }

    #[test]
    fn ranks_round_trip() {
        for class in Class::ALL {
            assert_eq!(Class::from_rank(class.rank()), class);
        }
    }
}
